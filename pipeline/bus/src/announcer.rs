//! Publishes a receiver's own state, such as a gate controller's door.

use gatehouse_core::Event;
use zenoh::bytes::Encoding;
use zenoh::qos::{CongestionControl, Priority};
use zenoh::{Session, Wait};
use zenoh_ext::{AdvancedPublisher, AdvancedPublisherBuilderExt, CacheConfig, MissDetectionConfig};

use crate::error::BusError;

/// Publishes a state on one key. A late receiver gets the last one. A slow network drops it and
/// never delays the publisher. Publishing ends when the watcher is closed.
pub struct Announcer {
    key: String,
    publisher: AdvancedPublisher<'static>,
}

impl Announcer {
    pub(crate) fn open(session: &Session, key: &str) -> Result<Self, BusError> {
        let publisher = session
            .declare_publisher(key.to_owned())
            .encoding(Encoding::APPLICATION_JSON)
            .congestion_control(CongestionControl::Drop)
            .priority(Priority::InteractiveLow)
            .cache(CacheConfig::default().max_samples(1))
            .sample_miss_detection(MissDetectionConfig::default())
            .publisher_detection()
            .wait();
        let publisher = publisher.map_err(|error| BusError::declare(key, "publisher", error))?;
        Ok(Self { key: key.to_owned(), publisher })
    }

    /// Passes an event to zenoh, as JSON. Success does not mean that anyone received it.
    ///
    /// # Errors
    /// If the watcher is closed.
    pub fn say(&self, event: &Event) -> Result<(), BusError> {
        let failed = |reason: String| BusError::Publish { key: self.key.clone(), reason };
        let payload = serde_json::to_vec(event).map_err(|error| failed(error.to_string()))?;
        self.publisher.put(payload).wait().map_err(|error| failed(error.to_string()))
    }
}
