//! Sheds load on a full node: decodes crowd cameras by their key frames alone.
//!
//! A camera whose key frames are too rare is decoded whole, which is most of its cost. A node with
//! too many of these would decode them all and have no time to analyse any. So at each report that
//! finds it full, half of them are shed, those further down in the configuration first. After some
//! reports that find it has room, one is restored. If that fills the node again, the next
//! restoration waits twice as long.
//!
//! A node can be full while processors are idle: a device runs its models, or one camera asks for
//! more frames than can be analysed one after the other. Then decoding less would gain nothing.

use gatehouse_core::CameraId;

/// A camera may be restored while less than this share of the processors' time is taken.
const ROOM: f64 = 0.75;
/// Reports in a row that must find room, at first and at most.
const MIN_PATIENCE: u32 = 2;
const MAX_PATIENCE: u32 = 64;

/// A change of which cameras are shed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// Decode these by their key frames alone.
    Shed(Vec<CameraId>),
    /// Decode this one whole again, if its key frames are rare.
    Restore(CameraId),
}

/// Decides which cameras of a node are shed.
#[derive(Debug)]
pub(super) struct LoadShedder {
    /// The last one is restored first.
    shed: Vec<CameraId>,
    /// Reports in a row that found room.
    calm: u32,
    patience: u32,
    /// True if one was restored since some were last shed.
    has_restored: bool,
}

impl Default for LoadShedder {
    fn default() -> Self {
        Self { shed: Vec::new(), calm: 0, patience: MIN_PATIENCE, has_restored: false }
    }
}

impl LoadShedder {
    /// Decides after a report. `taken`: the share of the processors' time in use, 0–1, by any
    /// program. `whole`: crowd cameras that are decoded whole, in the order of the configuration.
    pub(super) fn after_report(&mut self, is_full: bool, taken: f64, whole: &[CameraId]) -> Option<Change> {
        if taken >= ROOM {
            self.calm = 0;
            return if is_full { self.shed(whole) } else { None };
        }
        self.calm += 1;
        if self.calm >= MAX_PATIENCE {
            self.patience = MIN_PATIENCE;
        }
        if self.calm < self.patience {
            return None;
        }
        let camera = self.shed.pop()?;
        self.calm = 0;
        self.has_restored = true;
        Some(Change::Restore(camera))
    }

    fn shed(&mut self, whole: &[CameraId]) -> Option<Change> {
        // A camera that was shed is decoded whole until its next key frame.
        let remaining: Vec<_> = whole.iter().filter(|camera| !self.shed.contains(camera)).cloned().collect();
        if remaining.is_empty() {
            return None;
        }
        if std::mem::take(&mut self.has_restored) {
            self.patience = (2 * self.patience).min(MAX_PATIENCE);
        }
        let half = remaining.len() / 2;
        let shed = remaining[half..].to_vec();
        self.shed.extend(shed.iter().rev().cloned());
        Some(Change::Shed(shed))
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
    fn half_are_shed_from_the_end_and_restored_from_the_start() {
        let mut shedder = LoadShedder::default();
        assert_eq!(shedder.after_report(true, 1.0, &cameras(0..5)), Some(Change::Shed(cameras(2..5))));
        assert_eq!(
            shedder.after_report(true, 1.0, &cameras(0..5)),
            Some(Change::Shed(cameras(1..2))),
            "the others are being shed"
        );
        let mut restored = Vec::new();
        for _ in 0..20 {
            if let Some(Change::Restore(camera)) = shedder.after_report(false, 0.5, &cameras(0..1)) {
                restored.push(camera);
            }
        }
        assert_eq!(restored, cameras(1..5));
    }

    #[test]
    fn without_room_nothing_changes() {
        let mut shedder = LoadShedder::default();
        shedder.after_report(true, 1.0, &cameras(0..4));
        assert!((0..1000).all(|_| shedder.after_report(false, 0.8, &cameras(0..2)).is_none()));
    }

    #[test]
    fn without_whole_cameras_nothing_changes() {
        let mut shedder = LoadShedder::default();
        assert!((0..10).all(|_| shedder.after_report(true, 1.0, &[]).is_none()));
        assert!((0..200).all(|_| shedder.after_report(false, 0.1, &[]).is_none()));
    }

    #[test]
    fn a_full_node_with_idle_processors_sheds_none_and_restores() {
        let mut shedder = LoadShedder::default();
        assert!((0..10).all(|_| shedder.after_report(true, 0.55, &cameras(0..4)).is_none()));
        shedder.after_report(true, 0.95, &cameras(0..2));
        let restored: Vec<_> = (0..4).filter_map(|_| shedder.after_report(true, 0.55, &cameras(0..1))).collect();
        assert_eq!(restored, [Change::Restore(CameraId::new("1"))]);
    }

    /// A node whose load comes from the cameras decoded whole. Changes take effect by the next
    /// report.
    struct Simulated {
        shedder: LoadShedder,
        whole: Vec<bool>,
    }

    impl Simulated {
        fn new(cameras: usize) -> Self {
            Self { shedder: LoadShedder::default(), whole: vec![true; cameras] }
        }

        /// True if the node was full. `each`: the load of a camera that is decoded whole.
        fn report(&mut self, each: f64, others: f64) -> bool {
            let whole: Vec<_> = (0..self.whole.len()).filter(|n| self.whole[*n]).collect();
            let busy = others + each * whole.len() as f64;
            let is_full = busy >= 0.9;
            let number = |camera: &CameraId| camera.as_str().parse::<usize>().expect("a number");
            match self.shedder.after_report(is_full, busy, &cameras(whole)) {
                Some(Change::Shed(cameras)) => cameras.iter().for_each(|camera| self.whole[number(camera)] = false),
                Some(Change::Restore(camera)) => self.whole[number(&camera)] = true,
                None => {}
            }
            is_full
        }
    }

    proptest! {
        /// A node that isn't too small for one of its cameras stops being full soon, is rarely full
        /// again, and uses its capacity.
        #[test]
        fn a_node_is_full_for_a_minute_and_rarely_again(
            count in 1usize..200, each in 0.005..0.12f64, others in 0.0..0.6f64,
        ) {
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

        /// When the other load is gone, all are decoded whole again.
        #[test]
        fn all_are_restored_when_there_is_room_for_all(count in 1usize..50, full_for in 1usize..20) {
            let mut node = Simulated::new(count);
            for _ in 0..full_for {
                node.report(0.01, 0.95);
            }
            prop_assert!(node.whole.iter().filter(|whole| **whole).count() <= count / 2);
            for _ in 0..count * MAX_PATIENCE as usize {
                node.report(0.01, 0.1);
            }
            prop_assert!(node.whole.iter().all(|whole| *whole));
        }
    }
}
