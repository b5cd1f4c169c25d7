//! What this crate's tests share.

use std::time::Duration;

use gatehouse_core::liveness::LivenessPolicy;
use gatehouse_core::time::Monotonic;
use gatehouse_faces::Template;

use crate::evidence::LivenessCues;
use crate::policy::Policy;

pub(crate) fn at(ms: u64) -> Monotonic {
    Monotonic::from_start(Duration::from_millis(ms))
}

/// 2 of 5 agree, live from 0.5 on and required, nobody referred before 1.5 s, the deadline at 6 s.
pub(crate) fn policy() -> Policy {
    Policy {
        min_eye_distance_px: 40.0,
        frames_to_agree: 2,
        frames_to_judge: 5,
        liveness: LivenessPolicy::Required,
        live_threshold: 0.5,
        card_threshold: 0.5,
        refer_not_before: Duration::from_millis(1500),
        deadline: Duration::from_secs(6),
        card_deadline: Duration::from_secs(5),
        max_frame_age: Duration::from_secs(2),
        cool_down: Duration::from_secs(10),
        grant: Duration::from_secs(5),
    }
}

/// What the model alone says.
pub(crate) fn cues(score: Option<f32>) -> LivenessCues {
    LivenessCues { score, openness: None }
}

/// A template at this angle from the first axis: two of them have the cosine of the difference.
pub(crate) fn template(degrees: f32) -> Template {
    let mut values = [0.0; Template::DIMENSIONS];
    (values[1], values[0]) = degrees.to_radians().sin_cos();
    Template::from_slice(&values).expect("128 finite numbers")
}
