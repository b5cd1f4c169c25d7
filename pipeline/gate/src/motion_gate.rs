//! Motion detection for a gate: decides which frames need no analysis because nothing moves.

use std::time::Duration;

use gatehouse_core::time::Monotonic;
use gatehouse_picture::{Thumbnail, YuvPicture};

/// Frames are still analysed for this time after the last change.
const CALM_AFTER: Duration = Duration::from_secs(3);
/// The interval between two comparisons while the gate isn't calm.
const COMPARED_EVERY: Duration = Duration::from_millis(400);
/// A calm gate is still analysed this often: slow changes go undetected and add up.
const ANALYSED_EVERY: Duration = Duration::from_secs(1);

/// Detects changes in one gate's picture.
#[derive(Debug, Default)]
pub struct MotionGate {
    /// The newest frame, and the frame that it is compared with.
    newest: Thumbnail,
    before: Thumbnail,
    compared: Option<Monotonic>,
    changed: Option<Monotonic>,
    analysed: Option<Monotonic>,
}

impl MotionGate {
    /// True if the gate was calm and this frame shows a change. Then it is analysed even if it
    /// isn't due: somebody who arrives must not wait.
    pub fn detects_motion(&mut self, picture: &YuvPicture<'_>, now: Monotonic) -> bool {
        self.is_calm(now) && self.compare(picture, now)
    }

    /// True if a due frame needs no analysis. `idle`: nobody is tracked and no card is being
    /// compared.
    pub fn may_skip(&mut self, picture: &YuvPicture<'_>, now: Monotonic, idle: bool) -> bool {
        if !idle {
            self.changed = Some(now);
        } else if self.is_calm(now) || self.is_comparison_due(now) {
            self.compare(picture, now);
        }
        let skip = self.is_calm(now) && self.analysed.is_some_and(|analysed| now.since(analysed) < ANALYSED_EVERY);
        if !skip {
            self.analysed = Some(now);
        }
        skip
    }

    /// True if nothing has moved for 3 s. Call for every frame.
    pub fn is_still(&mut self, picture: &YuvPicture<'_>, now: Monotonic) -> bool {
        if self.is_calm(now) || self.is_comparison_due(now) {
            self.compare(picture, now);
        }
        self.is_calm(now)
    }

    fn is_comparison_due(&self, now: Monotonic) -> bool {
        self.compared.is_none_or(|compared| now.since(compared) >= COMPARED_EVERY)
    }

    /// Compares the picture with an earlier one; true if it has changed.
    fn compare(&mut self, picture: &YuvPicture<'_>, now: Monotonic) -> bool {
        self.compared = Some(now);
        self.newest.update(picture);
        let changed = self.changed.is_none() || self.newest.differs(&self.before);
        if changed {
            self.before.copy_from(&self.newest);
            self.changed = Some(now);
        }
        changed
    }

    fn is_calm(&self, now: Monotonic) -> bool {
        self.changed.is_some_and(|changed| now.since(changed) >= CALM_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_picture::Size;

    use super::*;

    const SIZE: Size = Size { width: 640, height: 360 };

    /// Frames 100 ms apart, numbered: a gate with noise, and somebody in it between these two.
    fn frame(number: u64, somebody: std::ops::Range<u64>, look: impl FnOnce(&YuvPicture<'_>)) {
        let noise = |i: usize| (i + number as usize).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let mut luma: Vec<u8> = (0..640 * 360).map(|i| 90 + noise(i) as u8 % 6).collect();
        if somebody.contains(&number) {
            (100..200).for_each(|y| luma[y * 640 + 300..y * 640 + 340].fill(30 + number as u8));
        }
        let chroma = vec![128u8; 320 * 180];
        look(&YuvPicture::i420(SIZE, [&luma, &chroma, &chroma], [640, 320, 320]).expect("planes fit"));
    }

    fn looked_at(frames: u64, somebody: std::ops::Range<u64>, idle: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut motion_gate = MotionGate::default();
        (0..frames)
            .filter(|number| {
                let now = Monotonic::from_start(Duration::from_millis(100 * number));
                let mut skip = false;
                frame(*number, somebody.clone(), |picture| skip = motion_gate.may_skip(picture, now, idle(*number)));
                !skip
            })
            .collect()
    }

    #[test]
    fn an_empty_gate_is_analysed_once_a_second_and_motion_at_once() {
        let seen = looked_at(120, 75..80, |_| true);
        let first: Vec<u64> = (0..30).collect();
        let (calm, since): (Vec<u64>, Vec<u64>) = seen[first.len()..].iter().partition(|n| **n < 75);
        assert_eq!(seen[..first.len()], first, "it may have begun with somebody there");
        assert_eq!(calm, [39, 49, 59, 69]);
        let expected: Vec<u64> = (75..113).collect();
        assert_eq!(since, expected, "from the first frame, and until 3 s after their going was noticed");
    }

    #[test]
    fn a_tracked_person_who_stands_still_is_analysed() {
        assert_eq!(looked_at(100, 0..0, |number| number > 90), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_picture_is_still_until_somebody_appears() {
        let mut motion_gate = MotionGate::default();
        let still: Vec<u64> = (0..130)
            .filter(|number| {
                let now = Monotonic::from_start(Duration::from_millis(100 * number));
                let mut still = false;
                frame(*number, 75..80, |picture| still = motion_gate.is_still(picture, now));
                still
            })
            .collect();
        assert_eq!(still[..45], (30..75).collect::<Vec<_>>());
        assert_eq!(still[45..], (113..130).collect::<Vec<_>>(), "their going was noticed at 83");
    }

    #[test]
    fn only_the_first_change_is_motion_after_calm() {
        let mut motion_gate = MotionGate::default();
        let moving: Vec<u64> = (0..120)
            .filter(|number| {
                let now = Monotonic::from_start(Duration::from_millis(100 * number));
                let mut moves = false;
                frame(*number, 75..80, |picture| {
                    moves = motion_gate.detects_motion(picture, now);
                    motion_gate.may_skip(picture, now, true);
                });
                moves
            })
            .collect();
        assert_eq!(moving, [75]);
    }
}
