//! What a full node leaves out first: the frames between the key frames of crowd cameras.
//!
//! A camera whose key frames are rarer than its frames are wanted is decoded whole, and that is most of what it costs. A node that
//! went on so with more such cameras than it can decode would decode them all in vain, for no time would be left to look at the
//! frames. So it decodes some of them in key frames alone, those further down in the configuration first: half of them at each
//! report that finds it full, and one more whole again after some that find it has room. If that makes it full again, it waits
//! twice as long for the next.
//!
//! A node can be full with processors to spare: a device runs its models, or one camera asks for more frames than can be looked at one
//! after the other. Decoding less gains nothing then.

use gatehouse_core::CameraId;

/// A node has room for one more camera to be decoded whole while less than this share of the processors' time is taken.
const ROOM: f64 = 0.75;
/// So many reports in a row must find room, at first and at most.
const PATIENCE: u32 = 2;
const MOST_PATIENCE: u32 = 64;

/// What is to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// These are to be decoded in key frames alone.
    Spare(Vec<CameraId>),
    /// This one is to be decoded as it should be again.
    Restore(CameraId),
}

/// Which cameras of a node are spared.
#[derive(Debug)]
pub(crate) struct Sparing {
    /// The one that was spared last is restored first.
    spared: Vec<CameraId>,
    /// Reports in a row that found room.
    calm: u32,
    patience: u32,
    /// Whether one was restored since some were spared last.
    restored: bool,
}

impl Default for Sparing {
    fn default() -> Self {
        Self { spared: Vec::new(), calm: 0, patience: PATIENCE, restored: false }
    }
}

impl Sparing {
    /// What follows from a report. `taken`: the share of the processors' time, 0–1, whoever takes it. `whole`: crowd cameras that are
    /// decoded whole, in the order of the configuration.
    pub(crate) fn after(&mut self, full: bool, taken: f64, whole: &[CameraId]) -> Option<Change> {
        if taken >= ROOM {
            self.calm = 0;
            return if full { self.spare(whole) } else { None };
        }
        self.calm += 1;
        if self.calm >= MOST_PATIENCE {
            self.patience = PATIENCE;
        }
        if self.calm < self.patience {
            return None;
        }
        let camera = self.spared.pop()?;
        self.calm = 0;
        self.restored = true;
        Some(Change::Restore(camera))
    }

    fn spare(&mut self, whole: &[CameraId]) -> Option<Change> {
        // One that was spared is decoded whole until its next key frame.
        let left: Vec<_> = whole.iter().filter(|camera| !self.spared.contains(camera)).cloned().collect();
        if left.is_empty() {
            return None;
        }
        if std::mem::take(&mut self.restored) {
            self.patience = (2 * self.patience).min(MOST_PATIENCE);
        }
        let half = left.len() / 2;
        let spared = left[half..].to_vec();
        self.spared.extend(spared.iter().rev().cloned());
        Some(Change::Spare(spared))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cameras(numbers: impl IntoIterator<Item = usize>) -> Vec<CameraId> {
        numbers.into_iter().map(|n| CameraId::new(&n.to_string())).collect()
    }

    #[test]
    fn half_are_spared_from_the_end_and_come_back_one_by_one_from_the_start() {
        let mut sparing = Sparing::default();
        assert_eq!(sparing.after(true, 1.0, &cameras(0..5)), Some(Change::Spare(cameras(2..5))));
        assert_eq!(
            sparing.after(true, 1.0, &cameras(0..5)),
            Some(Change::Spare(cameras(1..2))),
            "the others are on their way"
        );
        let mut back = Vec::new();
        for _ in 0..20 {
            if let Some(Change::Restore(camera)) = sparing.after(false, 0.5, &cameras(0..1)) {
                back.push(camera);
            }
        }
        assert_eq!(back, cameras(1..5));
    }

    #[test]
    fn without_room_all_stays_as_it_is() {
        let mut sparing = Sparing::default();
        sparing.after(true, 1.0, &cameras(0..4));
        assert!((0..1000).all(|_| sparing.after(false, 0.8, &cameras(0..2)).is_none()));
    }

    #[test]
    fn a_node_that_has_nothing_to_spare_changes_nothing() {
        let mut sparing = Sparing::default();
        assert!((0..10).all(|_| sparing.after(true, 1.0, &[]).is_none()));
        assert!((0..200).all(|_| sparing.after(false, 0.1, &[]).is_none()));
    }

    #[test]
    fn a_node_that_is_full_with_processors_to_spare_spares_nobody_and_brings_back_whom_it_spared() {
        let mut sparing = Sparing::default();
        assert!((0..10).all(|_| sparing.after(true, 0.55, &cameras(0..4)).is_none()));
        sparing.after(true, 0.95, &cameras(0..2));
        let back: Vec<_> = (0..4).filter_map(|_| sparing.after(true, 0.55, &cameras(0..1))).collect();
        assert_eq!(back, [Change::Restore(CameraId::new("1"))]);
    }

    /// A node whose load is what it decodes whole, reported every 10 s; what is asked takes effect by the next report.
    struct Simulated {
        sparing: Sparing,
        whole: Vec<bool>,
    }

    impl Simulated {
        fn new(cameras: usize) -> Self {
            Self { sparing: Sparing::default(), whole: vec![true; cameras] }
        }

        /// Whether it was full. `each`: what a camera takes that is decoded whole.
        fn report(&mut self, each: f64, others: f64) -> bool {
            let whole: Vec<_> = (0..self.whole.len()).filter(|n| self.whole[*n]).collect();
            let busy = others + each * whole.len() as f64;
            let full = busy >= 0.9;
            let number = |camera: &CameraId| camera.as_str().parse::<usize>().expect("a number");
            match self.sparing.after(full, busy, &cameras(whole)) {
                Some(Change::Spare(cameras)) => cameras.iter().for_each(|camera| self.whole[number(camera)] = false),
                Some(Change::Restore(camera)) => self.whole[number(&camera)] = true,
                None => {}
            }
            full
        }
    }

    proptest! {
        /// Whatever a camera takes, a node that isn't too small for one of them gets out of being full soon, seldom gets into it again,
        /// and uses what it has.
        #[test]
        fn a_node_is_full_for_a_minute_at_most_and_seldom_again(count in 1usize..200, each in 0.005..0.12f64, others in 0.0..0.6f64) {
            let mut node = Simulated::new(count);
            for _ in 0..8 {
                node.report(each, others);
            }
            let full = (0..2000).filter(|_| node.report(each, others)).count();
            prop_assert!(full * 50 <= 2000, "full {full} times of 2000");
            let whole = node.whole.iter().filter(|whole| **whole).count();
            let fits = (((ROOM - others) / each) as usize).min(count);
            prop_assert!(whole >= fits, "{whole} are decoded whole, and {fits} could be");
        }

        /// When what made it full is gone, all are decoded whole again.
        #[test]
        fn all_come_back_when_there_is_room_for_all(count in 1usize..50, full_for in 1usize..20) {
            let mut node = Simulated::new(count);
            for _ in 0..full_for {
                node.report(0.01, 0.95);
            }
            prop_assert!(node.whole.iter().filter(|whole| **whole).count() <= count / 2);
            for _ in 0..count * MOST_PATIENCE as usize {
                node.report(0.01, 0.1);
            }
            prop_assert!(node.whole.iter().all(|whole| *whole));
        }
    }
}
