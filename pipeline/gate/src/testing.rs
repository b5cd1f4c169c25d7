//! Helpers of this crate's tests.

use std::time::Duration;

use gatehouse_core::liveness::LivenessPolicy;

use crate::policy::Policy;

/// 2 of 5 frames must agree and be live (threshold 0.5). Nobody is referred before 1.5 s; the
/// deadline is 6 s. Other policies are made of this one with struct update syntax.
pub fn policy() -> Policy {
    Policy {
        min_eye_distance_px: 40.0,
        frames_to_agree: 2,
        frames_to_judge: 5,
        liveness: LivenessPolicy::Required,
        live_threshold: 0.5,
        card_threshold: 0.5,
        refer_not_before: Duration::from_millis(1500),
        deadline: Duration::from_secs(6),
        max_frame_age: Duration::from_secs(2),
        cool_down: Duration::from_secs(10),
        grant: Duration::from_secs(5),
    }
}

#[cfg(test)]
pub(crate) use in_crate::{at, cues, template};

#[cfg(test)]
mod in_crate {
    use std::time::Duration;

    use gatehouse_core::time::Monotonic;
    use gatehouse_faces::Template;

    use crate::evidence::LivenessCues;

    pub(crate) fn at(ms: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_millis(ms))
    }

    /// A liveness score of the model, without a known background.
    pub(crate) fn cues(score: Option<f32>) -> LivenessCues {
        LivenessCues { score, openness: None }
    }

    /// A template at this angle from the first axis. The score of two templates is the cosine of
    /// the difference of their angles.
    pub(crate) fn template(degrees: f32) -> Template {
        let mut values = [0.0; Template::DIMENSIONS];
        (values[1], values[0]) = degrees.to_radians().sin_cos();
        Template::from_slice(&values).expect("128 finite numbers")
    }
}
