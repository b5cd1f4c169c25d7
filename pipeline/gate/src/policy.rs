//! What the operator set for a gate.

use std::time::Duration;

use gatehouse_core::liveness::LivenessPolicy;

/// A gate's rules. Scores are cosines (threshold included), liveness is a probability, 0–1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Faces whose eyes are closer together than this are not looked at: their owners aren't at the gate yet.
    pub min_eye_distance_px: f32,
    /// Frames that must name the same person, 1 or more.
    pub frames_to_agree: usize,
    /// Of the newest so many usable ones; fewer than must agree count as that many.
    pub frames_to_judge: usize,
    /// What is asked of liveness.
    pub liveness: LivenessPolicy,
    /// From which mean of the agreeing frames on a face is a live one. One frame below half of it is clearly an attack.
    pub live_threshold: f32,
    /// From which score on a face is the one that a card carries (1:1).
    pub card_threshold: f32,
    /// A walk-up's first frames are its worst; nobody is referred for those alone. Counted from the first near frame.
    pub refer_not_before: Duration,
    /// Past it a person whom nothing else has settled is referred. Counted from the first near frame.
    pub deadline: Duration,
    /// How long a card is compared with the nearest face.
    pub card_deadline: Duration,
    /// A frame that was captured longer ago than this is no evidence.
    pub max_frame_age: Duration,
    /// A person who was admitted isn't admitted again for this long.
    pub cool_down: Duration,
    /// How long a grant may be used, from the capture of the frame that settled it.
    pub grant: Duration,
}

impl Policy {
    /// Liveness below which a single frame is clearly an attack.
    pub fn clear_attack(&self) -> f32 {
        self.live_threshold / 2.0
    }

    /// Frames that must name the same person, 1 or more.
    pub fn needed_frames(&self) -> usize {
        self.frames_to_agree.max(1)
    }

    /// The newest usable frames that are judged, as many as must agree or more.
    pub fn window(&self) -> usize {
        self.frames_to_judge.max(self.needed_frames())
    }
}
