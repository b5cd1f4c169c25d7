//! How each kind of event travels.

use std::time::Duration;

use gatehouse_core::Event;
use gatehouse_core::event::Delivery;
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
    let entry = event.delivery() == Delivery::Durable;
    let congestion = if entry { CongestionControl::Block } else { CongestionControl::Drop };
    let detection = match entry {
        true => MissDetectionConfig::default().sporadic_heartbeat(ANNOUNCED_AFTER),
        false => MissDetectionConfig::default(),
    };
    session
        .declare_publisher(key.to_owned())
        .encoding(Encoding::APPLICATION_JSON.with_schema(schema(event)))
        .reliability(Reliability::Reliable)
        .congestion_control(congestion)
        .priority(priority(event))
        .express(entry)
        .cache(CacheConfig::default().max_samples(if entry { ENTRIES_KEPT } else { 1 }))
        .sample_miss_detection(detection)
        .publisher_detection()
        .wait()
        .map_err(|error| BusError::Declare { key: key.to_owned(), what: "publisher", reason: error.to_string() })
}

/// The name of an event's schema, as `gatehouse bus schema` prints it.
fn schema(event: &Event) -> &'static str {
    match event {
        Event::Entry(_) => "gatehouse/v1/entry",
        Event::Tally(_) => "gatehouse/v1/tally",
        Event::Density(_) => "gatehouse/v1/density",
        Event::Level(_) => "gatehouse/v1/level",
        Event::Map(_) => "gatehouse/v1/map",
        Event::RollUp(_) => "gatehouse/v1/rollup",
        Event::Health(_) => "gatehouse/v1/health",
        Event::Load(_) => "gatehouse/v1/load",
        Event::Door(_) => "gatehouse/v1/door",
    }
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
