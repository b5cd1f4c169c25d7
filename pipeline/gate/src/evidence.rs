//! What the newest usable frames of one face say: whom they name, and whether those very frames show a live face.

use std::collections::VecDeque;
use std::time::Duration;

use gatehouse_core::time::Monotonic;

use crate::policy::{LivenessPolicy, Policy};

/// A frame older than this says nothing of who stands there now.
const EVIDENCE_LASTS: Duration = Duration::from_secs(2);

/// Whom a frame names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name<K> {
    /// This one.
    One(K),
    /// One hardly better than another.
    Ambiguous,
    /// No one.
    Nobody,
}

/// Whether the frames that agree show a live face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Liveness {
    Live,
    NotLive,
    /// Fewer of them than must agree have a score.
    Unknown,
}

/// Enough frames name the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed<K> {
    pub(crate) who: K,
    pub(crate) liveness: Liveness,
}

#[derive(Debug, Clone, Copy)]
struct Frame<K> {
    name: Name<K>,
    live: Option<f32>,
    at: Monotonic,
}

/// The newest `frames_to_judge` usable frames. No two of them name different ones: a frame that names another starts anew.
#[derive(Debug)]
pub(crate) struct Evidence<K> {
    frames: VecDeque<Frame<K>>,
    named_several: bool,
}

impl<K> Default for Evidence<K> {
    fn default() -> Self {
        Self { frames: VecDeque::new(), named_several: false }
    }
}

impl<K: Copy + Eq> Evidence<K> {
    /// Takes one more frame. `live`: 0–1; anything else is no score.
    pub(crate) fn add(&mut self, name: Name<K>, live: Option<f32>, now: Monotonic, policy: &Policy) {
        self.frames.retain(|f| now.since(f.at) < EVIDENCE_LASTS);
        if let Name::One(who) = name
            && self.frames.iter().any(|f| matches!(f.name, Name::One(other) if other != who))
        {
            self.frames.clear();
            self.named_several = true;
        }
        while self.frames.len() >= policy.window() {
            self.frames.pop_front();
        }
        let live = live.filter(|score| (0.0..=1.0).contains(score));
        self.frames.push_back(Frame { name, live, at: now });
    }

    fn fresh(&self, now: Monotonic) -> impl Iterator<Item = &Frame<K>> {
        self.frames.iter().filter(move |f| now.since(f.at) < EVIDENCE_LASTS)
    }

    /// Whom enough of the frames name, and whether those frames, and no others, show a live face.
    ///
    /// Live means: as many of the frames that name them as must agree have a score, the mean of these scores reaches the
    /// threshold, and none is clearly an attack. So a photograph for the match and a face for the liveness don't add up.
    pub(crate) fn agreed(&self, now: Monotonic, policy: &Policy) -> Option<Agreed<K>> {
        let who = self.fresh(now).find_map(|f| if let Name::One(who) = f.name { Some(who) } else { None })?;
        let naming = || self.fresh(now).filter(|f| f.name == Name::One(who));
        if naming().count() < policy.needed_frames() {
            return None;
        }
        let scores = || naming().filter_map(|f| f.live);
        let scored = scores().count();
        let attack = scores().any(|score| score < policy.clear_attack());
        let liveness = if attack {
            Liveness::NotLive
        } else if scored < policy.needed_frames() {
            Liveness::Unknown
        } else if scores().sum::<f32>() / scored as f32 >= policy.live_threshold {
            Liveness::Live
        } else {
            Liveness::NotLive
        };
        Some(Agreed { who, liveness })
    }

    /// How many frames still count.
    pub(crate) fn usable(&self, now: Monotonic) -> usize {
        self.fresh(now).count()
    }

    /// Whether there are frames, and none names anyone.
    pub(crate) fn names_nobody(&self, now: Monotonic) -> bool {
        let mut frames = self.fresh(now).peekable();
        frames.peek().is_some() && frames.all(|f| f.name == Name::Nobody)
    }

    /// Whether frames named different ones.
    pub(crate) fn named_several(&self) -> bool {
        self.named_several
    }
}

impl<K> Agreed<K> {
    /// Whether a gate may admit on this alone.
    pub(crate) fn suffices(&self, policy: &Policy) -> bool {
        policy.liveness == LivenessPolicy::Off || self.liveness == Liveness::Live
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, policy};

    const ANN: Name<u8> = Name::One(1);
    const BOB: Name<u8> = Name::One(2);

    /// 2 of 5 must agree, live from 0.5, clearly an attack below 0.25.
    fn agreed(frames: &[(Name<u8>, Option<f32>)]) -> Option<(u8, Liveness)> {
        let mut evidence = Evidence::default();
        for (i, (name, live)) in (0..).zip(frames) {
            evidence.add(*name, *live, at(i * 100), &policy());
        }
        evidence.agreed(at(frames.len() as u64 * 100), &policy()).map(|a| (a.who, a.liveness))
    }

    #[test]
    fn the_frames_that_agree_are_the_ones_that_must_be_live() {
        use Name::{Ambiguous, Nobody};
        let (live, spoof) = (Some(0.9), Some(0.1));
        assert_eq!(agreed(&[(ANN, live), (ANN, live)]), Some((1, Liveness::Live)));
        assert_eq!(agreed(&[(ANN, live), (Nobody, spoof), (Ambiguous, spoof), (ANN, live)]), Some((1, Liveness::Live)));
        let in_turns = [(ANN, spoof), (Nobody, live), (ANN, spoof), (Nobody, live), (Nobody, live)];
        assert_eq!(agreed(&in_turns), Some((1, Liveness::NotLive)));
        assert_eq!(agreed(&[(ANN, Some(1.0)), (ANN, Some(0.24))]), Some((1, Liveness::NotLive)), "one is an attack");
        assert_eq!(agreed(&[(ANN, Some(0.6)), (ANN, Some(0.4))]), Some((1, Liveness::Live)), "the mean counts");
        assert_eq!(agreed(&[(ANN, Some(0.5)), (ANN, Some(0.4))]), Some((1, Liveness::NotLive)));
    }

    #[test]
    fn a_score_that_is_missing_or_no_probability_is_none() {
        for none in [None, Some(f32::NAN), Some(f32::INFINITY), Some(1.01), Some(-0.01)] {
            assert_eq!(agreed(&[(ANN, Some(0.9)), (ANN, none)]), Some((1, Liveness::Unknown)), "{none:?}");
            assert_eq!(agreed(&[(ANN, Some(0.9)), (ANN, none), (ANN, Some(0.9))]), Some((1, Liveness::Live)));
        }
    }

    #[test]
    fn a_frame_that_names_another_starts_anew() {
        let live = Some(0.9);
        assert_eq!(agreed(&[(ANN, live), (BOB, live), (ANN, live)]), None);
        assert_eq!(agreed(&[(ANN, live), (ANN, live), (BOB, live)]), None);
        assert_eq!(agreed(&[(ANN, live), (BOB, live), (BOB, live)]), Some((2, Liveness::Live)));
    }

    #[test]
    fn what_is_two_seconds_old_or_five_frames_back_counts_no_more() {
        let mut evidence = Evidence::default();
        evidence.add(ANN, None, at(0), &policy());
        evidence.add(ANN, None, at(1900), &policy());
        assert!(evidence.agreed(at(1999), &policy()).is_some());
        assert!(evidence.agreed(at(2000), &policy()).is_none());
        assert_eq!([1999, 2000, 3900].map(|ms| evidence.usable(at(ms))), [2, 1, 0]);
        let (ann, nobody) = ((ANN, None), (Name::Nobody, None));
        assert!(agreed(&[ann, nobody, nobody, nobody, ann]).is_some());
        assert!(agreed(&[ann, nobody, nobody, nobody, nobody, ann]).is_none());
    }
}
