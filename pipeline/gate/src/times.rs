//! When each stage of a frame ended, and whether the frame is fresh enough to be evidence.

use std::time::Duration;

use gatehouse_core::event::EntryLatency;
use gatehouse_core::time::{FrameTimes, Monotonic, WallTime};

use crate::policy::Policy;

/// When a grant may be used: from the arrival of the frame that it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantPeriod {
    /// Its start.
    pub from: Monotonic,
    /// The first moment at which it is invalid.
    pub until: Monotonic,
    /// The same moment on this machine's wall clock.
    pub until_wall: WallTime,
}

/// When the stages of a frame ended. A skipped stage ends together with the stage before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageTimes {
    /// The frame's own times.
    pub frame: FrameTimes,
    /// This machine's wall time when the frame arrived.
    pub arrived: WallTime,
    /// When its faces were detected; for a code, when it was read.
    pub detected: Monotonic,
    /// When the face was embedded and judged for liveness.
    pub embedded: Monotonic,
    /// When the face was matched; for a code, when it was checked. This is the gate's "now".
    pub matched: Monotonic,
}

impl StageTimes {
    /// Times of a frame in which faces, or a code, were just found.
    pub fn found(frame: FrameTimes, arrived: WallTime, found: Monotonic) -> Self {
        Self { frame, arrived, detected: found, embedded: found, matched: found }
    }

    /// The same frame after its face or code was checked.
    pub fn checked(self, checked: Monotonic) -> Self {
        Self { matched: checked, ..self }
    }

    /// This machine's wall time at `matched`.
    pub fn wall(&self) -> WallTime {
        self.arrived + self.age()
    }

    /// How long the frame has been here. No wall clock, and so no camera, can change it.
    pub fn age(&self) -> Duration {
        self.matched.since(self.frame.arrival)
    }

    /// The period of a grant that rests on this frame.
    pub(crate) fn grant(&self, policy: &Policy) -> GrantPeriod {
        let from = self.frame.arrival;
        GrantPeriod { from, until: from + policy.grant, until_wall: self.arrived + policy.grant }
    }

    /// True if the frame is evidence: it is not older than the policy allows, and a grant that
    /// rests on it has not ended yet.
    pub(crate) fn is_fresh(&self, policy: &Policy) -> bool {
        self.age() <= policy.max_frame_age && self.age() < policy.grant
    }

    /// Latency by stage. `first`: arrival of the first frame that counted towards the decision.
    pub(crate) fn latency(&self, first: Monotonic) -> EntryLatency {
        // Nothing here is measured more finely than a tenth of a millisecond.
        let millis = |d: Duration| (d.as_secs_f64() * 10_000.0).round() / 10.0;
        EntryLatency {
            acquire: millis(self.frame.arrival.since(first)),
            capture_to_arrival: millis(self.arrived.distance(self.frame.capture.at.min(self.arrived))),
            detect: millis(self.detected.since(self.frame.arrival)),
            embed: millis(self.embedded.since(self.detected)),
            decide: millis(self.matched.since(self.embedded)),
        }
    }
}
