//! Sends events to the bus and to the console.

use std::sync::Arc;

use gatehouse_bus::Bus;
use gatehouse_core::Event;
use gatehouse_core::key::SiteKey;
use gatehouse_core::log_limit::LogLimit;
use gatehouse_core::time::Clock;

use crate::view::NodeView;

/// Sends events to the bus and to the console. Cheap to clone.
#[derive(Clone)]
pub(crate) struct EventSender {
    pub(crate) bus: Arc<Bus>,
    pub(crate) view: Arc<NodeView>,
    pub(crate) key: SiteKey,
    pub(crate) clock: Arc<dyn Clock>,
}

impl EventSender {
    /// Sends an event. False if the bus refuses it; the console shows it all the same.
    pub(super) fn send(&self, event: &Event, failures: &LogLimit) -> bool {
        self.view.record(&self.key.of(event), event);
        match self.bus.publish(event) {
            Ok(()) => true,
            Err(e) => {
                if let Some(times) = failures.count(self.clock.monotonic()) {
                    tracing::error!(times, "events cannot be published on the bus: {e}");
                }
                false
            }
        }
    }
}
