//! How each kind of event travels.

use std::time::Duration;

use gatehouse_core::Event;
use gatehouse_core::key::ROOT;
use zenoh::bytes::Encoding;
use zenoh::qos::{CongestionControl, Priority, Reliability};
use zenoh::{Session, Wait};
use zenoh_ext::{AdvancedPublisher, AdvancedPublisherBuilderExt, CacheConfig, MissDetectionConfig};

use crate::error::BusError;

/// Entries kept for those who join late or miss some; older ones come from the outbox.
const ENTRIES_KEPT: usize = 100;
/// How soon after an entry its number is announced again, so that a receiver notices even the last
/// one missing.
const ANNOUNCED_AFTER: Duration = Duration::from_millis(500);

/// Declares the publisher of an event's key.
///
/// Every publisher numbers its samples, also those whose samples may be dropped: without numbers, a
/// late joiner tells old samples from new ones by the time of the whole node, and takes the last
/// value of a quiet key for an old one.
pub(crate) fn declare(session: &Session, key: &str, event: &Event) -> Result<AdvancedPublisher<'static>, BusError> {
    // No entry may be lost; of other events, receivers need the last value only.
    let entry = matches!(event, Event::Entry(_));
    let kind: &str = event.into();
    let congestion = if entry { CongestionControl::Block } else { CongestionControl::Drop };
    let detection = match entry {
        true => MissDetectionConfig::default().sporadic_heartbeat(ANNOUNCED_AFTER),
        false => MissDetectionConfig::default(),
    };
    session
        .declare_publisher(key.to_owned())
        // The name of the event's schema, as `gatehouse bus schema` prints it.
        .encoding(Encoding::APPLICATION_JSON.with_schema(format!("{ROOT}/{kind}")))
        .reliability(Reliability::Reliable)
        .congestion_control(congestion)
        .priority(priority(event))
        .express(entry)
        .cache(CacheConfig::default().max_samples(if entry { ENTRIES_KEPT } else { 1 }))
        .sample_miss_detection(detection)
        .publisher_detection()
        .wait()
        .map_err(|error| BusError::declare(key, "publisher", error))
}

/// A gate is waiting for an entry; somebody may have to act on a level; a map is large and nobody
/// waits for it.
fn priority(event: &Event) -> Priority {
    match event {
        Event::Entry(_) => Priority::InteractiveHigh,
        Event::Health(_) | Event::Door(_) | Event::Level(_) => Priority::InteractiveLow,
        Event::Tally(_) | Event::Density(_) | Event::RollUp(_) | Event::Load(_) => Priority::Data,
        Event::Map(_) => Priority::DataLow,
    }
}
