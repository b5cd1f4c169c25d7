//! Tells when the node is lost: a pure function of time.

use std::time::Duration;

use gatehouse_core::time::Monotonic;

/// The last contact with the node. The listening thread records it repeatedly
/// ([`Link::record_contact`]), so that the node also counts as lost when that thread hangs or ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    last_heard: Monotonic,
    lost_after: Duration,
}

impl Link {
    /// Starts counting at `start`: a controller that never reaches its node has lost it.
    pub(crate) fn new(start: Monotonic, lost_after: Duration) -> Self {
        Self { last_heard: start, lost_after }
    }

    /// Records that the node is alive or an event of the gate arrived.
    pub(crate) fn record_contact(&mut self, now: Monotonic) {
        self.last_heard = self.last_heard.max(now);
    }

    pub(crate) fn is_lost(&self, now: Monotonic) -> bool {
        now.since(self.last_heard) >= self.lost_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_node_is_lost_until_it_is_heard_again() {
        let at = |seconds| Monotonic::from_start(Duration::from_secs(seconds));
        let mut link = Link::new(at(100), Duration::from_secs(10));
        assert!(!link.is_lost(at(109)));
        assert!(link.is_lost(at(110)));
        link.record_contact(at(120));
        assert!(!link.is_lost(at(129)));
        // An earlier time changes nothing.
        link.record_contact(at(50));
        assert!(!link.is_lost(at(129)));
        assert!(link.is_lost(at(130)));
    }
}
