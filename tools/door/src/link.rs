//! Whether the node can be reached, as a function of time.

use std::time::Duration;

use gatehouse_core::time::Monotonic;

/// When something was last heard of the node. Whoever listens says so again and again ([`Link::heard`]), so that a listener
/// that hangs or dies counts as lost as well.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    last_heard: Monotonic,
    lost_after: Duration,
}

impl Link {
    /// Counts from the start: a controller that never reaches its node has lost it.
    pub(crate) fn new(start: Monotonic, lost_after: Duration) -> Self {
        Self { last_heard: start, lost_after }
    }

    /// The node is there, or something came from the gate.
    pub(crate) fn heard(&mut self, now: Monotonic) {
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
    fn the_node_is_lost_when_it_was_silent_for_so_long_and_back_when_heard() {
        let at = |seconds| Monotonic::from_start(Duration::from_secs(seconds));
        let mut link = Link::new(at(100), Duration::from_secs(10));
        assert!(!link.is_lost(at(109)));
        assert!(link.is_lost(at(110)));
        link.heard(at(120));
        assert!(!link.is_lost(at(129)));
        // Late news of an earlier moment changes nothing.
        link.heard(at(50));
        assert!(!link.is_lost(at(129)));
        assert!(link.is_lost(at(130)));
    }
}
