//! The rules that the operator set for a gate.

use std::time::Duration;

use gatehouse_core::liveness::LivenessPolicy;

/// A gate's rules. Match scores are cosines; liveness scores are probabilities, 0–1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Least distance between the eyes, in pixels. A smaller face is not at the gate yet.
    pub min_eye_distance_px: f32,
    /// Number of frames that must name the same person, 1 or more.
    pub frames_to_agree: usize,
    /// Number of newest usable frames that are judged; at least `frames_to_agree` are.
    pub frames_to_judge: usize,
    /// What is required of liveness.
    pub liveness: LivenessPolicy,
    /// Least mean liveness score of the agreeing frames. One frame below half of it is an attack.
    pub live_threshold: f32,
    /// Least score at which a face is the one that a card carries (1:1).
    pub card_threshold: f32,
    /// Nobody is referred earlier than this after the first near frame: the first frames of a
    /// walk-up are the worst.
    pub refer_not_before: Duration,
    /// Time after the first near frame at which an undecided person is referred, and for which a
    /// card is compared with the nearest face.
    pub deadline: Duration,
    /// Greatest age of a frame, counted from its arrival, at which it is evidence.
    pub max_frame_age: Duration,
    /// How long an admitted person is not admitted again.
    pub cool_down: Duration,
    /// How long a grant may be used, counted from the arrival of the frame that decided.
    pub grant: Duration,
}

impl Policy {
    /// Liveness score below which a single frame is an attack.
    pub fn attack_threshold(&self) -> f32 {
        self.live_threshold / 2.0
    }

    /// Number of frames that must name the same person, 1 or more.
    pub fn needed_frames(&self) -> usize {
        self.frames_to_agree.max(1)
    }

    /// Number of newest usable frames that are judged, never fewer than must agree.
    pub fn window(&self) -> usize {
        self.frames_to_judge.max(self.needed_frames())
    }
}
