//! What a receiver says of itself, such as a gate controller that reports its door.

use std::fmt;

use gatehouse_core::Event;
use zenoh::bytes::Encoding;
use zenoh::qos::{CongestionControl, Priority};
use zenoh::{Session, Wait};
use zenoh_ext::{AdvancedPublisher, AdvancedPublisherBuilderExt, CacheConfig, MissDetectionConfig};

use crate::error::BusError;

/// Says the state of something on one key. Those who join late get the last one; a slow network drops it rather than holds
/// up whoever says it. It says nothing more once its watcher is closed.
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
        let publisher = publisher.map_err(|error| BusError::Declare {
            key: key.to_owned(),
            what: "publisher",
            reason: error.to_string(),
        })?;
        Ok(Self { key: key.to_owned(), publisher })
    }

    /// Hands an event to zenoh, as JSON. That it is handed over doesn't mean that anyone received it.
    ///
    /// # Errors
    /// If the watcher is closed.
    pub fn say(&self, event: &Event) -> Result<(), BusError> {
        let failed = |reason: String| BusError::Publish { key: self.key.clone(), reason };
        let payload = serde_json::to_vec(event).map_err(|error| failed(error.to_string()))?;
        self.publisher.put(payload).wait().map_err(|error| failed(error.to_string()))
    }
}

impl fmt::Debug for Announcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcer").field("key", &self.key).finish_non_exhaustive()
    }
}
