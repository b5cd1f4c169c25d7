//! Evidence of the newest usable frames of one face: whom they name, and whether they show a live
//! face.

use std::collections::VecDeque;
use std::time::Duration;

use gatehouse_core::liveness::LivenessPolicy;
use gatehouse_core::time::Monotonic;

use crate::policy::Policy;

/// A frame older than this is no evidence of who stands there now.
const EVIDENCE_LASTS: Duration = Duration::from_secs(2);

/// Least openness around a live face ([`crate::Background::openness`]). Below it something covers
/// the gate's background.
pub const MIN_OPENNESS: f32 = 0.3;

/// What a frame says about the liveness of its face.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LivenessCues {
    /// The model's probability that the face is live, 0–1; `None` if it gave no answer.
    pub score: Option<f32>,
    /// How much of the background is visible around the face, 0–1; `None` if unknown.
    pub openness: Option<f32>,
}

/// Whom a frame names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name<K> {
    /// This person or card.
    One(K),
    /// Two candidates, one hardly better than the other.
    Ambiguous,
    /// No one.
    Nobody,
}

/// Whether the agreeing frames show a live face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Liveness {
    Live,
    NotLive,
    /// Too few of the agreeing frames have a score.
    Unknown,
}

/// Enough frames name the same candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreement<K> {
    pub(crate) who: K,
    pub(crate) liveness: Liveness,
}

#[derive(Debug, Clone, Copy)]
struct Frame<K> {
    name: Name<K>,
    live: LivenessCues,
    at: Monotonic,
}

/// The newest `frames_to_judge` usable frames. A frame that names another candidate clears the
/// earlier ones.
#[derive(Debug)]
pub(crate) struct Evidence<K> {
    frames: VecDeque<Frame<K>>,
    has_named_several: bool,
}

impl<K> Default for Evidence<K> {
    fn default() -> Self {
        Self { frames: VecDeque::new(), has_named_several: false }
    }
}

impl<K: Copy + Eq> Evidence<K> {
    /// Adds a frame. A cue outside 0–1 counts as unknown.
    pub(crate) fn add(&mut self, name: Name<K>, live: LivenessCues, now: Monotonic, policy: &Policy) {
        self.frames.retain(|f| now.since(f.at) < EVIDENCE_LASTS);
        if let Name::One(who) = name
            && self.frames.iter().any(|f| matches!(f.name, Name::One(other) if other != who))
        {
            self.frames.clear();
            self.has_named_several = true;
        }
        while self.frames.len() >= policy.window() {
            self.frames.pop_front();
        }
        let known = |cue: Option<f32>| cue.filter(|cue| (0.0..=1.0).contains(cue));
        let live = LivenessCues { score: known(live.score), openness: known(live.openness) };
        self.frames.push_back(Frame { name, live, at: now });
    }

    fn fresh(&self, now: Monotonic) -> impl Iterator<Item = &Frame<K>> {
        self.frames.iter().filter(move |f| now.since(f.at) < EVIDENCE_LASTS)
    }

    /// The candidate whom enough frames name, and whether those same frames show a live face.
    ///
    /// A face is live if enough of the naming frames have a score, the mean of these scores reaches
    /// the threshold, none is an attack, and the background is visible where it is known. Other
    /// frames do not count: a photograph cannot supply the match while a face supplies the
    /// liveness.
    pub(crate) fn agreement(&self, now: Monotonic, policy: &Policy) -> Option<Agreement<K>> {
        let who = self.fresh(now).find_map(|f| if let Name::One(who) = f.name { Some(who) } else { None })?;
        let naming = || self.fresh(now).filter(|f| f.name == Name::One(who));
        if naming().count() < policy.needed_frames() {
            return None;
        }
        let scores = || naming().filter_map(|f| f.live.score);
        let is_covered = mean(naming().filter_map(|f| f.live.openness)).is_some_and(|openness| openness < MIN_OPENNESS);
        let scored = scores().count();
        let is_attack = scores().any(|score| score < policy.attack_threshold());
        let liveness = if is_attack || is_covered {
            Liveness::NotLive
        } else if scored < policy.needed_frames() {
            Liveness::Unknown
        } else if mean(scores()).is_some_and(|score| score >= policy.live_threshold) {
            Liveness::Live
        } else {
            Liveness::NotLive
        };
        Some(Agreement { who, liveness })
    }

    /// Number of usable frames that are still evidence.
    pub(crate) fn usable_frames(&self, now: Monotonic) -> usize {
        self.fresh(now).count()
    }

    /// True if there are frames and none of them names anyone.
    pub(crate) fn names_nobody(&self, now: Monotonic) -> bool {
        let mut frames = self.fresh(now).peekable();
        frames.peek().is_some() && frames.all(|f| f.name == Name::Nobody)
    }

    /// True if frames have named different candidates.
    pub(crate) fn has_named_several(&self) -> bool {
        self.has_named_several
    }
}

fn mean(values: impl Iterator<Item = f32>) -> Option<f32> {
    let (sum, count) = values.fold((0.0, 0_u16), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f32::from(count))
}

impl<K> Agreement<K> {
    /// True if a gate may admit on this alone.
    pub(crate) fn is_sufficient(&self, policy: &Policy) -> bool {
        policy.liveness == LivenessPolicy::Off || self.liveness == Liveness::Live
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, policy};

    const ANN: Name<u8> = Name::One(1);
    const BOB: Name<u8> = Name::One(2);

    /// 2 of 5 frames must agree; a mean of 0.5 is live, a frame below 0.25 is an attack.
    fn agreed(frames: &[(Name<u8>, Option<f32>)]) -> Option<(u8, Liveness)> {
        let cues = |score: &Option<f32>| LivenessCues { score: *score, openness: None };
        agreed_by(&frames.iter().map(|(name, score)| (*name, cues(score))).collect::<Vec<_>>())
    }

    fn agreed_by(frames: &[(Name<u8>, LivenessCues)]) -> Option<(u8, Liveness)> {
        let mut evidence = Evidence::default();
        for (i, (name, live)) in (0..).zip(frames) {
            evidence.add(*name, *live, at(i * 100), &policy());
        }
        evidence.agreement(at(frames.len() as u64 * 100), &policy()).map(|a| (a.who, a.liveness))
    }

    #[test]
    fn agreeing_frames_themselves_must_be_live() {
        use Name::{Ambiguous, Nobody};
        let (live, spoof) = (Some(0.9), Some(0.1));
        assert_eq!(agreed(&[(ANN, live), (ANN, live)]), Some((1, Liveness::Live)));
        assert_eq!(agreed(&[(ANN, live), (Nobody, spoof), (Ambiguous, spoof), (ANN, live)]), Some((1, Liveness::Live)));
        let in_turns = [(ANN, spoof), (Nobody, live), (ANN, spoof), (Nobody, live), (Nobody, live)];
        assert_eq!(agreed(&in_turns), Some((1, Liveness::NotLive)));
        assert_eq!(
            agreed(&[(ANN, Some(1.0)), (ANN, Some(0.24))]),
            Some((1, Liveness::NotLive)),
            "one frame is an attack"
        );
        assert_eq!(agreed(&[(ANN, Some(0.6)), (ANN, Some(0.4))]), Some((1, Liveness::Live)), "the mean counts");
        assert_eq!(agreed(&[(ANN, Some(0.5)), (ANN, Some(0.4))]), Some((1, Liveness::NotLive)));
    }

    #[test]
    fn missing_and_invalid_scores_are_unknown() {
        for none in [None, Some(f32::NAN), Some(f32::INFINITY), Some(1.01), Some(-0.01)] {
            assert_eq!(agreed(&[(ANN, Some(0.9)), (ANN, none)]), Some((1, Liveness::Unknown)), "{none:?}");
            assert_eq!(agreed(&[(ANN, Some(0.9)), (ANN, none), (ANN, Some(0.9))]), Some((1, Liveness::Live)));
        }
    }

    #[test]
    fn a_face_without_visible_background_is_not_live() {
        let frame = |openness| (ANN, LivenessCues { score: Some(0.99), openness });
        let liveness = |openness: &[Option<f32>]| {
            agreed_by(&openness.iter().copied().map(frame).collect::<Vec<_>>()).map(|(_, liveness)| liveness)
        };
        assert_eq!(liveness(&[Some(0.0), Some(0.1)]), Some(Liveness::NotLive));
        assert_eq!(liveness(&[Some(1.0), Some(0.9)]), Some(Liveness::Live));
        assert_eq!(liveness(&[Some(0.0), Some(1.0)]), Some(Liveness::Live), "the mean decides, not one frame");
        assert_eq!(liveness(&[None, None]), Some(Liveness::Live), "where the background is unknown, the model decides");
        assert_eq!(liveness(&[None, Some(0.0)]), Some(Liveness::NotLive));
        for none in [f32::NAN, -1.0, 1.1] {
            assert_eq!(liveness(&[Some(none), Some(none)]), Some(Liveness::Live), "{none} is no openness");
        }
    }

    #[test]
    fn a_frame_that_names_another_clears_the_evidence() {
        let live = Some(0.9);
        assert_eq!(agreed(&[(ANN, live), (BOB, live), (ANN, live)]), None);
        assert_eq!(agreed(&[(ANN, live), (ANN, live), (BOB, live)]), None);
        assert_eq!(agreed(&[(ANN, live), (BOB, live), (BOB, live)]), Some((2, Liveness::Live)));
    }

    #[test]
    fn frames_two_seconds_old_or_five_back_do_not_count() {
        let mut evidence = Evidence::default();
        evidence.add(ANN, LivenessCues::default(), at(0), &policy());
        evidence.add(ANN, LivenessCues::default(), at(1900), &policy());
        assert!(evidence.agreement(at(1999), &policy()).is_some());
        assert!(evidence.agreement(at(2000), &policy()).is_none());
        assert_eq!([1999, 2000, 3900].map(|ms| evidence.usable_frames(at(ms))), [2, 1, 0]);
        let (ann, nobody) = ((ANN, None), (Name::Nobody, None));
        assert!(agreed(&[ann, nobody, nobody, nobody, ann]).is_some());
        assert!(agreed(&[ann, nobody, nobody, nobody, nobody, ann]).is_none());
    }
}
