//! When what was done to a frame, and what follows from its age.

use std::time::Duration;

use gatehouse_core::event::EntryLatency;
use gatehouse_core::time::{FrameTimes, Monotonic, WallTime};

use crate::policy::Policy;

/// When a frame's stages ended. A stage that the frame didn't go through ends with the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageTimes {
    /// The frame's own times.
    pub frame: FrameTimes,
    /// Wall time here when the frame arrived.
    pub arrived: WallTime,
    /// When its faces were detected; for a pass, when it was read.
    pub detected: Monotonic,
    /// When the face was embedded and judged for liveness.
    pub embedded: Monotonic,
    /// When it was matched; for a pass, when it was checked. This is the gate's "now".
    pub matched: Monotonic,
}

impl StageTimes {
    /// Of a frame in which faces, or a code, have just been found.
    pub fn found(frame: FrameTimes, arrived: WallTime, found: Monotonic) -> Self {
        Self { frame, arrived, detected: found, embedded: found, matched: found }
    }

    /// Of a frame whose code was read, and then checked.
    pub fn checked(self, checked: Monotonic) -> Self {
        Self { matched: checked, ..self }
    }

    /// Wall time now.
    pub fn wall(&self) -> WallTime {
        self.arrived + self.matched.since(self.frame.arrival)
    }

    /// When the frame was captured. No frame is captured after it arrived: a camera whose clock is ahead would make grants
    /// longer.
    fn captured(&self) -> WallTime {
        self.frame.capture.at.min(self.arrived)
    }

    /// When a grant that rests on this frame ends.
    pub(crate) fn grant_ends(&self, policy: &Policy) -> WallTime {
        self.captured() + policy.grant
    }

    /// Whether the frame is young enough to be evidence: not older than the policy's bound, and not so old that a grant which
    /// rests on it would have ended.
    pub(crate) fn is_fresh(&self, policy: &Policy) -> bool {
        let now = self.wall();
        now.distance(self.captured()) <= policy.max_frame_age && self.grant_ends(policy) > now
    }

    /// `first`: when the first frame arrived that counted towards the decision.
    pub(crate) fn latency(&self, first: Monotonic) -> EntryLatency {
        // A tenth of a millisecond is finer than anything that is measured here.
        let millis = |d: Duration| (d.as_secs_f64() * 10_000.0).round() / 10.0;
        EntryLatency {
            acquire: millis(self.frame.arrival.since(first)),
            capture_to_arrival: millis(self.arrived.distance(self.captured())),
            detect: millis(self.detected.since(self.frame.arrival)),
            embed: millis(self.embedded.since(self.detected)),
            decide: millis(self.matched.since(self.embedded)),
        }
    }
}
