//! Enrolment in front of a camera: chooses the best frames of some seconds.

use std::time::Duration;

use gatehouse_core::time::Monotonic;

use super::{EnrolError, Portrait};

/// Rules by which frames are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LiveRules {
    /// Number of frames to keep.
    pub keep: usize,
    /// Least number of frames that are enough.
    pub at_least: usize,
    /// Least time between two kept frames: neighbours have the same expression and the same noise.
    pub apart: Duration,
    /// Least mean of the liveness scores, 0–1; `None` if liveness is not required. One frame below
    /// half of it is an attack.
    pub live_threshold: Option<f32>,
}

/// A frame that may be kept.
#[derive(Debug)]
pub struct Candidate {
    /// The face in the frame.
    pub portrait: Portrait,
    /// Probability that the face is live, 0–1; `None` if unknown.
    pub live: Option<f32>,
    /// When the frame was captured.
    pub at: Monotonic,
}

/// The best frames so far. A frame that is not kept is overwritten at once.
#[derive(Debug)]
pub struct LiveEnrolment {
    rules: LiveRules,
    best: Vec<Candidate>,
    has_seen_attack: bool,
}

impl LiveEnrolment {
    /// Starts without frames.
    pub fn new(rules: LiveRules) -> Self {
        Self { rules, best: Vec::new(), has_seen_attack: false }
    }

    /// Offers a frame that has passed [`super::examine`]. True if it is among the best so far.
    pub fn offer(&mut self, candidate: Candidate) -> bool {
        let is_attack = |live: f32| self.rules.live_threshold.is_some_and(|threshold| live < threshold / 2.0);
        // A frame that is not kept counts too: choosing by quality must not hide an attack.
        self.has_seen_attack |= candidate.live.is_some_and(is_attack);
        let quality = candidate.portrait.quality.overall();
        let apart = self.rules.apart;
        let is_neighbour = |kept: &Candidate| kept.at.since(candidate.at).max(candidate.at.since(kept.at)) < apart;
        if self.best.iter().any(|kept| is_neighbour(kept) && kept.portrait.quality.overall() >= quality) {
            return false;
        }
        self.best.retain(|kept| !is_neighbour(kept));
        self.best.push(candidate);
        self.best.sort_by(|a, b| b.portrait.quality.overall().total_cmp(&a.portrait.quality.overall()));
        let at = self.best.iter().position(|kept| kept.portrait.quality.overall() <= quality);
        self.best.truncate(self.rules.keep);
        at.is_some_and(|at| at < self.best.len())
    }

    /// True if all frames are found. More time may still bring better ones.
    pub fn is_complete(&self) -> bool {
        self.best.len() >= self.rules.keep
    }

    /// Returns the best frames, the best first.
    ///
    /// # Errors
    /// If there are too few frames, or they are not judged live where liveness is required.
    pub fn finish(self) -> Result<Vec<Candidate>, EnrolError> {
        let (got, needed) = (self.best.len(), self.rules.at_least.max(1));
        if got < needed {
            return Err(EnrolError::TooFew { got, needed });
        }
        if let Some(threshold) = self.rules.live_threshold {
            let scores: Vec<f32> =
                self.best.iter().filter_map(|c| c.live).filter(|s| (0.0..=1.0).contains(s)).collect();
            let mean = scores.iter().sum::<f32>() / scores.len() as f32;
            if self.has_seen_attack || mean < threshold {
                return Err(EnrolError::NotLive);
            }
            if scores.len() < self.best.len() {
                return Err(EnrolError::LivenessUnknown);
            }
        }
        Ok(self.best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::tests::{aligned, face, good_quality};

    const RULES: LiveRules =
        LiveRules { keep: 3, at_least: 2, apart: Duration::from_millis(300), live_threshold: Some(0.5) };

    fn frame(ms: u64, eye_distance_px: f32, live: Option<f32>) -> Candidate {
        let mut quality = good_quality();
        quality.eye_distance_px = eye_distance_px;
        let portrait = Portrait { face: face(), aligned: aligned(|_, _| [128; 3]), quality };
        Candidate { portrait, live, at: Monotonic::from_start(Duration::from_millis(ms)) }
    }

    fn offer(frames: &[(u64, f32, Option<f32>)]) -> LiveEnrolment {
        let mut enrolment = LiveEnrolment::new(RULES);
        frames.iter().for_each(|(ms, size, live)| {
            enrolment.offer(frame(*ms, *size, *live));
        });
        enrolment
    }

    fn kept(frames: &[(u64, f32)]) -> Vec<f32> {
        let frames: Vec<_> = frames.iter().map(|(ms, size)| (*ms, *size, Some(0.9))).collect();
        let best = offer(&frames).finish().expect("enough live frames");
        best.iter().map(|c| c.portrait.quality.eye_distance_px).collect()
    }

    #[test]
    fn the_best_frames_are_kept_and_never_two_neighbours() {
        assert_eq!(kept(&[(0, 30.0), (400, 50.0), (800, 40.0), (1200, 20.0), (1600, 45.0)]), [50.0, 45.0, 40.0]);
        assert_eq!(kept(&[(0, 50.0), (100, 55.0), (250, 52.0), (900, 30.0)]), [55.0, 30.0]);
        let mut enrolment = offer(&[]);
        assert!(enrolment.best.is_empty());
        assert!(enrolment.offer(frame(0, 30.0, None)));
        assert!(!enrolment.offer(frame(100, 29.0, None)));
        assert!([400, 800].into_iter().all(|ms| enrolment.offer(frame(ms, 40.0, None))));
        assert!(enrolment.is_complete());
        assert!(!enrolment.offer(frame(1200, 20.0, None)));
        assert_eq!(enrolment.best.len(), 3);
    }

    #[test]
    fn a_printed_picture_is_refused_however_sharp_it_is() {
        let refusal = |frames: &[(u64, f32, Option<f32>)]| offer(frames).finish().expect_err("refused");
        let (live, spoof) = (Some(0.9), Some(0.1));
        assert!(matches!(refusal(&[(0, 50.0, live), (400, 50.0, Some(0.05))]), EnrolError::NotLive));
        assert!(matches!(refusal(&[(0, 50.0, Some(0.4)), (400, 50.0, Some(0.5))]), EnrolError::NotLive));
        // A frame that was not kept counts too.
        let hidden = [(0, 50.0, live), (400, 50.0, live), (800, 50.0, live), (1200, 20.0, spoof)];
        assert!(matches!(refusal(&hidden), EnrolError::NotLive));
        assert!(matches!(refusal(&[(0, 50.0, live), (400, 50.0, None)]), EnrolError::LivenessUnknown));
        assert!(matches!(refusal(&[(0, 50.0, None), (400, 50.0, None)]), EnrolError::LivenessUnknown));
        assert!(matches!(refusal(&[(0, 50.0, live)]), EnrolError::TooFew { got: 1, needed: 2 }));
    }
}
