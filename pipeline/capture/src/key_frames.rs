//! Decodes key frames alone, where they come often enough.
//!
//! Decoding is most of what a camera costs that is looked at once a second. A key frame needs no other; where one comes at least as
//! often as a frame is wanted, and in step with that, the others need not be decoded at all. How often they come is seen, not
//! asked: cameras say it wrongly, change it, and lose some.
//!
//! Until the second one has come nothing else is decoded: when a node starts, or a switch comes back, a hundred cameras would
//! otherwise be decoded whole, be late, and by that never seem regular again.

use std::time::Duration;

/// A camera's frames come a little early or late.
const TOLERANCE: f64 = 1.05;
/// With so much doubt whether key frames come often enough everything is decoded, until there is none left. A gap that is too long adds
/// as many as frames were wanted in it, and at least two; one that isn't takes one away. So a key frame that is late or lost changes
/// nothing where no more than one in four is: a node on which a hundred cameras have just started is late itself, would be for good if it
/// decoded them whole for that, and has missed what it missed anyway.
const DISTRUST: u32 = 6;
/// Whoever counts people can't tell who is who in pictures farther apart.
const MOST_APART: Duration = Duration::from_millis(1500);
/// How far apart key frames may be with which a node makes do that has too much to do, and how long a camera's second one is waited for.
/// Most cameras send one every 1 to 10 s.
pub(crate) const SPARED_APART: Duration = Duration::from_secs(10);
/// A key frame that comes earlier than this is not the one that is wanted.
const EARLY: f64 = 0.99;

/// Which frames go to the decoder.
#[derive(Debug)]
pub(crate) struct KeyFrames {
    /// From one wanted frame to the next.
    wanted: Duration,
    /// When the last key frame is to be shown.
    last: Option<Duration>,
    /// From the last but one to it.
    gap: Option<Duration>,
    /// Up to [`DISTRUST`]: whether they come often enough.
    doubt: u32,
    /// Whether they don't.
    pub(crate) rare: bool,
    /// Whether everything goes to the decoder, from the last key frame on.
    pub(crate) whole: bool,
    /// Whether that is how it stays.
    pub(crate) settled: bool,
}

impl KeyFrames {
    /// `rare`: everything is needed until key frames are seen to come often enough; else they alone are until it is seen that they don't.
    pub(crate) fn new(wanted: Duration, rare: bool) -> Self {
        let doubt = if rare { DISTRUST } else { 0 };
        Self { wanted, last: None, gap: None, doubt, rare, whole: rare, settled: rare }
    }

    /// Whether key frames so far apart are enough. Between two frames that are let through by a rate of one in `wanted` lies
    /// nearly `wanted + gap` at worst, as where key frames come every 0.8 s and one a second is wanted: that must not be too much
    /// either, unless each key frame is the one that is wanted. Too much is what can't be followed; where fewer are wanted than
    /// that, and each is counted by itself, half as much again.
    fn is_often_enough(&self, gap: Duration) -> bool {
        let most_apart = if self.wanted <= MOST_APART { MOST_APART } else { self.wanted.mul_f64(1.5) };
        let each_is_wanted = gap >= self.wanted.mul_f64(EARLY);
        gap <= self.wanted.mul_f64(TOLERANCE).min(most_apart) && (each_is_wanted || self.wanted + gap <= most_apart)
    }

    /// How much doubt there is after such a gap.
    fn doubt_after(&self, gap: Duration) -> u32 {
        if self.is_often_enough(gap) {
            return self.doubt.saturating_sub(1);
        }
        let wanted_in_it = (gap.as_secs_f64() / (self.wanted.as_secs_f64() * TOLERANCE)).ceil();
        (self.doubt + wanted_in_it.clamp(2.0, DISTRUST.into()) as u32).min(DISTRUST)
    }

    /// Whether a frame is needed. `at` is when it is to be shown, as far as that is known. Between a key frame that is late and the
    /// next one nothing can be decoded, for what came before it is missing. `sparing`: rarer key frames must do.
    pub(crate) fn needs(&mut self, is_key: bool, at: Option<Duration>, sparing: bool) -> bool {
        if !is_key {
            return self.whole;
        }
        let gap = at.zip(self.last).and_then(|(at, last)| at.checked_sub(last));
        self.doubt = match gap {
            Some(gap) => self.doubt_after(gap),
            None if at.is_none() => DISTRUST,
            // The first one, or the first of a time that has begun anew.
            None => self.doubt,
        };
        match self.doubt {
            0 => self.rare = false,
            DISTRUST => self.rare = true,
            _ => {}
        }
        let spared = sparing && gap.is_some_and(|gap| gap <= SPARED_APART);
        self.whole = self.rare && !spared;
        self.settled = self.whole || (self.doubt == 0 && (self.settled || gap.is_some()));
        (self.last, self.gap) = (at, gap);
        true
    }

    /// How long after the last key frame the next that is wanted comes, if nothing rests on either.
    pub(crate) fn alone_for(&self) -> Option<Duration> {
        self.gap.filter(|_| !self.whole).map(|gap| gap.max(self.wanted))
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_core::rate::RateLimit;
    use gatehouse_core::time::Monotonic;
    use proptest::prelude::*;

    use super::*;

    /// The frames of 25 a second that are needed, a key frame being every `gop`-th.
    fn needed(rule: &mut KeyFrames, gop: u64, frames: std::ops::Range<u64>) -> Vec<u64> {
        frames.filter(|n| rule.needs(n % gop == 0, Some(Duration::from_millis(40 * n)), false)).collect()
    }

    fn key_frames(wanted_ms: u64) -> KeyFrames {
        KeyFrames::new(Duration::from_millis(wanted_ms), false)
    }

    /// Key frames while it isn't sure, `gaps` times, and everything from then on.
    fn key_frames_then_all(gop: u64, gaps: u64, frames: u64) -> Vec<u64> {
        (0..gaps).map(|n| n * gop).chain(gaps * gop..frames).collect()
    }

    #[test]
    fn key_frames_are_enough_where_they_come_often_enough() {
        assert_eq!(needed(&mut key_frames(1000), 25, 0..200), [0, 25, 50, 75, 100, 125, 150, 175]);
    }

    #[test]
    fn where_they_are_too_rare_everything_is_decoded() {
        for (wanted_ms, gop, gaps) in
            [(1000, 50, 3), (500, 25, 3), (1000, 90, 2), (1000, 250, 1), (10_000, 400, 3), (2000, 60, 3)]
        {
            let kept = needed(&mut key_frames(wanted_ms), gop, 0..1500);
            assert_eq!(kept, key_frames_then_all(gop, gaps, 1500), "one in {gop} for one in {wanted_ms} ms");
        }
    }

    #[test]
    fn one_in_four_may_be_late_or_lost() {
        for lost in 1..5 {
            let mut rule = key_frames(2000);
            let kept = (0..2000u64).filter(|n| n % 200 != 50 * (lost % 4));
            let kept: Vec<u64> =
                kept.filter(|n| rule.needs(n % 50 == 0, Some(Duration::from_millis(40 * n)), false)).collect();
            assert!(kept.iter().all(|n| n % 50 == 0), "number {lost} of four is lost");
        }
        for late in 1..8 {
            let mut rule = key_frames(1000);
            let at = |n: u64| Some(Duration::from_millis(40 * n + if n == 25 * late { 300 } else { 0 }));
            let kept: Vec<u64> = (0..250).filter(|n| rule.needs(n % 25 == 0, at(*n), false)).collect();
            assert_eq!(kept, (0..250).step_by(25).collect::<Vec<_>>(), "number {late} is late");
        }
    }

    #[test]
    fn one_in_two_may_not() {
        let mut rule = key_frames(1000);
        let key = |n: u64| [0, 25].contains(&(n % 75));
        let kept: Vec<u64> =
            (0..1000).filter(|n| rule.needs(key(*n), Some(Duration::from_millis(40 * n)), false)).collect();
        assert_eq!(kept.last(), Some(&999), "nothing is left out any more");
        assert!(kept.len() > 600, "{}", kept.len());
    }

    #[test]
    fn where_nobody_could_wait_for_the_second_one_everything_is_decoded_at_first() {
        let mut rule = KeyFrames::new(Duration::from_secs(1), true);
        assert_eq!(needed(&mut rule, 600, 0..1000), (0..1000).collect::<Vec<_>>());
        let mut rule = KeyFrames::new(Duration::from_secs(1), true);
        let kept = needed(&mut rule, 25, 0..250);
        assert_eq!(kept[..151], (0..151).collect::<Vec<_>>()[..], "seven key frames are seen first");
        assert_eq!(kept[151..], [175, 200, 225]);
    }

    #[test]
    fn when_they_become_rarer_all_is_decoded_from_then_on() {
        let mut rule = key_frames(1000);
        assert_eq!(needed(&mut rule, 25, 0..150).last(), Some(&125));
        let after = needed(&mut rule, 50, 150..500);
        // 150 is in time; 200, 250 and 300 are late.
        assert_eq!(after, [150, 200, 250].into_iter().chain(300..500).collect::<Vec<_>>());
    }

    #[test]
    fn a_node_that_has_too_much_to_do_makes_do_with_rare_key_frames_but_not_with_none() {
        let mut rule = key_frames(1000);
        needed(&mut rule, 100, 0..400);
        let sparing = |rule: &mut KeyFrames, gop: u64, frames: std::ops::Range<u64>| -> Vec<u64> {
            frames.filter(|n| rule.needs(n % gop == 0, Some(Duration::from_millis(40 * n)), true)).collect()
        };
        assert_eq!(sparing(&mut rule, 100, 400..900), [400, 500, 600, 700, 800]);
        assert!(!rule.whole && !rule.settled);
        assert_eq!(
            needed(&mut rule, 100, 900..1200),
            (900..1200).collect::<Vec<_>>(),
            "and decodes all again after that"
        );
        let rarer = sparing(&mut rule, 300, 1200..2400);
        assert_eq!(rarer[..2], [1200, 1500]);
        assert_eq!(rarer[1..], (1500..2400).collect::<Vec<_>>()[..], "12 s are too long");
    }

    #[test]
    fn it_is_settled_when_there_is_no_doubt() {
        let mut rule = key_frames(1000);
        let mut settled_after = |gop, frames: std::ops::Range<u64>| {
            needed(&mut rule, gop, frames);
            rule.settled
        };
        assert!(!settled_after(25, 0..25), "one has come");
        assert!(settled_after(25, 25..50), "two have");
        assert!(!settled_after(50, 50..101), "it is too late by 25");
        assert!(!settled_after(50, 101..151));
        assert!(settled_after(50, 151..201), "they are too rare, and everything is decoded");
    }

    #[test]
    fn without_times_nothing_is_left_out() {
        let mut rule = key_frames(1000);
        assert!((0..100u64).all(|n| rule.needs(n % 10 == 0, None, false)));
    }

    #[test]
    fn out_of_step_with_the_rate_they_are_not_enough() {
        for (wanted_ms, gop) in [(1000, 20), (1000, 22), (1430, 25), (1000, 13)] {
            let kept = needed(&mut key_frames(wanted_ms), gop, 0..500);
            assert_eq!(kept, key_frames_then_all(gop, 3, 500), "one in {gop} for one in {wanted_ms} ms");
        }
        assert!(needed(&mut key_frames(1000), 12, 0..500).len() < 100, "two and more for each that is wanted");
        // Who wants fewer than can be followed counts each by itself, and may wait a little longer for one.
        for (wanted_s, gop) in [(4, 30), (2, 50), (4, 50), (10, 250)] {
            let kept = needed(&mut key_frames(1000 * wanted_s), gop, 0..5000).len() as u64;
            assert_eq!(kept, 5000_u64.div_ceil(gop), "one in {gop} for one in {wanted_s} s");
        }
    }

    proptest! {
        /// What is left of a steady stream, thinned to the rate that is wanted, can be followed from frame to frame.
        #[test]
        fn frames_that_are_let_through_are_never_far_apart(gop in 1u64..80, wanted_ms in 200u64..1450) {
            let mut rule = key_frames(wanted_ms);
            let mut rate = RateLimit::new(1000.0 / wanted_ms as f64);
            let (mut gaps, mut late, mut last) = (0, 0, None);
            for n in needed(&mut rule, gop, 0..5000) {
                let now = Monotonic::from_start(Duration::from_millis(40 * n));
                if rate.admits(now) {
                    let gap = last.map(|last| now.since(last));
                    gaps += 1;
                    late += u32::from(gap.is_some_and(|gap| gap > MOST_APART));
                    last = Some(now);
                }
            }
            // Where key frames come a hundredth too early, one in a while falls between two.
            prop_assert!(late * 20 <= gaps, "{late} of {gaps}");
        }

        /// What goes to the decoder can always be decoded: a frame that is left out is missed by none that goes there.
        #[test]
        fn nothing_is_needed_that_rests_on_what_was_left_out(
            gaps in proptest::collection::vec((1u64..80, any::<[bool; 8]>()), 1..40),
        ) {
            let mut rule = key_frames(1000);
            let (mut n, mut whole) = (0, true);
            for (gap, sparing) in gaps {
                for i in 0..gap {
                    let needed = rule.needs(i == 0, Some(Duration::from_millis(40 * n)), sparing[(i % 8) as usize]);
                    whole = if i == 0 { true } else { whole && needed };
                    prop_assert!(!needed || whole);
                    n += 1;
                }
            }
        }
    }
}
