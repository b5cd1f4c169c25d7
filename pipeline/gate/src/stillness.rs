//! When a gate's frames need not be looked at: nobody is there and nothing moves.

use std::time::Duration;

use gatehouse_core::time::Monotonic;
use gatehouse_picture::{Thumbnail, YuvPicture};

/// So long after the last change each frame that is due is still looked at.
const CALM_AFTER: Duration = Duration::from_secs(3);
/// While it isn't calm, changes are looked for this often: whoever moves still does.
const NOTICED_EVERY: Duration = Duration::from_millis(400);
/// A calm gate is looked at this often, whatever its picture: what changes too slowly to be noticed adds up.
const AT_LEAST_EVERY: Duration = Duration::from_secs(1);

/// Watches one gate's picture for changes.
#[derive(Debug, Default)]
pub struct Stillness {
    /// The newest frame, and the one that it is compared with.
    newest: Thumbnail,
    before: Thumbnail,
    noticed: Option<Monotonic>,
    changed: Option<Monotonic>,
    looked: Option<Monotonic>,
}

impl Stillness {
    /// Whether a frame that needn't be looked at yet is to be looked at all the same: the gate was calm, and this one shows a
    /// change. Somebody who comes waits for no turn.
    pub fn wakes(&mut self, picture: &YuvPicture<'_>, now: Monotonic) -> bool {
        self.is_calm(now) && self.notice(picture, now)
    }

    /// Whether a frame whose turn it is may be left out. `idle`: nobody is followed, and nothing is waited for.
    pub fn may_skip(&mut self, picture: &YuvPicture<'_>, now: Monotonic, idle: bool) -> bool {
        if !idle {
            self.changed = Some(now);
        } else if self.is_calm(now) || self.is_noticed_again(now) {
            self.notice(picture, now);
        }
        let skip = self.is_calm(now) && self.looked.is_some_and(|looked| now.since(looked) < AT_LEAST_EVERY);
        if !skip {
            self.looked = Some(now);
        }
        skip
    }

    /// Whether nothing has moved for 3 s. To be asked of every frame; after that, from the first one on that shows a change.
    pub fn is_still(&mut self, picture: &YuvPicture<'_>, now: Monotonic) -> bool {
        if self.is_calm(now) || self.is_noticed_again(now) {
            self.notice(picture, now);
        }
        self.is_calm(now)
    }

    fn is_noticed_again(&self, now: Monotonic) -> bool {
        self.noticed.is_none_or(|noticed| now.since(noticed) >= NOTICED_EVERY)
    }

    /// Whether the picture has changed.
    fn notice(&mut self, picture: &YuvPicture<'_>, now: Monotonic) -> bool {
        self.noticed = Some(now);
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
        let mut stillness = Stillness::default();
        (0..frames)
            .filter(|number| {
                let now = Monotonic::from_start(Duration::from_millis(100 * number));
                let mut skip = false;
                frame(*number, somebody.clone(), |picture| skip = stillness.may_skip(picture, now, idle(*number)));
                !skip
            })
            .collect()
    }

    #[test]
    fn an_empty_gate_is_looked_at_once_a_second_and_whoever_comes_at_once() {
        let seen = looked_at(120, 75..80, |_| true);
        let first: Vec<u64> = (0..30).collect();
        let (calm, since): (Vec<u64>, Vec<u64>) = seen[first.len()..].iter().partition(|n| **n < 75);
        assert_eq!(seen[..first.len()], first, "it may have begun with somebody there");
        assert_eq!(calm, [39, 49, 59, 69]);
        let expected: Vec<u64> = (75..113).collect();
        assert_eq!(since, expected, "from the first frame, and until 3 s after their going was noticed");
    }

    #[test]
    fn whoever_stands_still_is_looked_at_as_long_as_they_are_followed() {
        assert_eq!(looked_at(100, 0..0, |number| number > 90), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_watched_picture_is_still_until_the_first_frame_that_shows_somebody() {
        let mut stillness = Stillness::default();
        let still: Vec<u64> = (0..130)
            .filter(|number| {
                let now = Monotonic::from_start(Duration::from_millis(100 * number));
                let mut still = false;
                frame(*number, 75..80, |picture| still = stillness.is_still(picture, now));
                still
            })
            .collect();
        assert_eq!(still[..45], (30..75).collect::<Vec<_>>());
        assert_eq!(still[45..], (113..130).collect::<Vec<_>>(), "their going was noticed at 83");
    }

    #[test]
    fn only_the_first_change_wakes() {
        let mut stillness = Stillness::default();
        let woken: Vec<u64> = (0..120)
            .filter(|number| {
                let now = Monotonic::from_start(Duration::from_millis(100 * number));
                let mut wakes = false;
                frame(*number, 75..80, |picture| {
                    wakes = stillness.wakes(picture, now);
                    stillness.may_skip(picture, now, true);
                });
                wakes
            })
            .collect();
        assert_eq!(woken, [75]);
    }
}
