//! From what a track's frames say to a verdict: a pure function of observations and time.
//!
//! A track is judged over its newest `frames_to_judge` observations. As soon as `frames_to_agree` of them name the same
//! person, that person is admitted. A track that has been watched for [`REFER_NOT_BEFORE`] and whose window is full without
//! such agreement is referred. A track is decided once.

use std::collections::VecDeque;
use std::time::Duration;

use gatehouse_core::event::Reason;
use gatehouse_core::time::Monotonic;

use crate::gallery::PersonKey;

/// A walk-up's first frames are its worst; nobody is referred for those alone.
pub const REFER_NOT_BEFORE: Duration = Duration::from_millis(1500);

/// How many frames must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// Frames that must name the same person, 1 or more.
    pub frames_to_agree: usize,
    /// Of the newest so many, at least as many as must agree.
    pub frames_to_judge: usize,
}

/// What a track's frames have come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Enough frames named this person.
    Admit(PersonKey),
    /// They didn't, for this reason.
    Refer(Reason),
}

/// One track's frames so far.
#[derive(Debug, Default)]
pub struct Judgement {
    since: Option<Monotonic>,
    seen: VecDeque<Option<PersonKey>>,
    decided: bool,
}

impl Judgement {
    /// Whether the track has its verdict; nothing is asked of its frames any more.
    pub fn is_decided(&self) -> bool {
        self.decided
    }

    /// Takes what one more frame says: the person that it matched at or above the threshold, or nobody. Returns the verdict
    /// when this frame brings it, once.
    pub fn observe(&mut self, matched: Option<PersonKey>, now: Monotonic, agreement: Agreement) -> Option<Verdict> {
        if self.decided {
            return None;
        }
        let since = *self.since.get_or_insert(now);
        if self.seen.len() >= agreement.frames_to_judge.max(1) {
            self.seen.pop_front();
        }
        self.seen.push_back(matched);

        let agreeing = |person| self.seen.iter().filter(|m| **m == Some(person)).count();
        let verdict = match matched {
            Some(person) if agreeing(person) >= agreement.frames_to_agree.max(1) => Some(Verdict::Admit(person)),
            _ if self.seen.len() >= agreement.frames_to_judge && now.since(since) >= REFER_NOT_BEFORE => {
                let nobody = self.seen.iter().all(Option::is_none);
                Some(Verdict::Refer(if nobody { Reason::NoMatch } else { Reason::Unsure }))
            }
            _ => None,
        };
        if verdict.is_some() {
            self.decided = true;
            self.seen = VecDeque::new();
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TWO_OF_FIVE: Agreement = Agreement { frames_to_agree: 2, frames_to_judge: 5 };
    const ANN: PersonKey = PersonKey(1);
    const BOB: PersonKey = PersonKey(2);

    fn run(frames: &[Option<PersonKey>], every_ms: u64, agreement: Agreement) -> Vec<Option<Verdict>> {
        let mut judgement = Judgement::default();
        let time = |i: usize| Monotonic::from_start(Duration::from_millis(i as u64 * every_ms));
        frames.iter().enumerate().map(|(i, m)| judgement.observe(*m, time(i), agreement)).collect()
    }

    #[test]
    fn two_agreeing_frames_admit_at_the_second() {
        let verdicts = run(&[None, Some(ANN), None, Some(ANN), Some(ANN)], 100, TWO_OF_FIVE);
        assert_eq!(verdicts, [None, None, None, Some(Verdict::Admit(ANN)), None]);
    }

    #[test]
    fn a_stranger_is_referred_once_after_the_first_frames() {
        let verdicts = run(&[None; 30], 100, TWO_OF_FIVE);
        let expected = (0..30).map(|i| (i == 15).then_some(Verdict::Refer(Reason::NoMatch))).collect::<Vec<_>>();
        assert_eq!(verdicts, expected);
    }

    #[test]
    fn frames_that_name_different_people_are_unsure() {
        let agreement = Agreement { frames_to_agree: 3, frames_to_judge: 4 };
        let verdicts = run(&[Some(ANN), Some(BOB), Some(ANN), Some(BOB)], 600, agreement);
        assert_eq!(verdicts.last(), Some(&Some(Verdict::Refer(Reason::Unsure))));
    }

    fn frame() -> impl Strategy<Value = Option<PersonKey>> {
        prop_oneof![3 => Just(None), 1 => Just(Some(ANN)), 1 => Just(Some(BOB))]
    }

    proptest! {
        #[test]
        fn nobody_is_admitted_without_enough_agreeing_frames_in_the_window(
            frames in proptest::collection::vec(frame(), 0..60), agree in 1usize..5, more in 0usize..5, every in 1u64..500,
        ) {
            let agreement = Agreement { frames_to_agree: agree, frames_to_judge: agree + more };
            let verdicts = run(&frames, every, agreement);
            prop_assert!(verdicts.iter().flatten().count() <= 1, "a track is decided once");
            if let Some(i) = verdicts.iter().position(Option::is_some) {
                let window = &frames[(i + 1).saturating_sub(agreement.frames_to_judge)..=i];
                let count = |p| window.iter().filter(|m| **m == Some(p)).count();
                match verdicts[i] {
                    Some(Verdict::Admit(person)) => prop_assert!(count(person) >= agree),
                    _ => {
                        prop_assert!(i as u64 * every >= REFER_NOT_BEFORE.as_millis() as u64);
                        prop_assert!(count(ANN) < agree && count(BOB) < agree);
                    }
                }
            }
        }
    }
}
