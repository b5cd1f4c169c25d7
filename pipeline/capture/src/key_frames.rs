//! Decodes key frames alone, where they come often enough.
//!
//! Decoding is most of what a camera costs that is looked at once a second. A key frame needs no other; where one comes at least as
//! often as a frame is wanted, and in step with that, the others need not be decoded at all. How often they come is seen, not
//! asked: cameras say it wrongly, change it, and lose some.
//!
//! Until the second one has come nothing else is decoded: when a node starts, or a switch comes back, a hundred cameras would
//! otherwise be decoded whole, be late, and by that never seem regular again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;

/// So many key frames in a row must have come often enough.
const REGULAR: u32 = 3;
/// A camera's frames come a little early or late.
const TOLERANCE: f64 = 1.05;
/// Whoever counts people can't tell who is who in pictures farther apart.
const MOST_APART: Duration = Duration::from_millis(1500);
/// A key frame that comes earlier than this is not the one that is wanted.
const EARLY: f64 = 0.99;

/// What a camera's thread and its pipeline's tell each other of frames that need not be decoded.
#[derive(Debug, Default)]
pub(crate) struct Thinning {
    /// Frames that came, decoded or not.
    arrived: AtomicU64,
    /// Whether it is known how often key frames come.
    settled: AtomicBool,
    /// Whether they were so rare that nobody could wait for the second one.
    rare: AtomicBool,
}

impl Thinning {
    pub(crate) fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Relaxed)
    }

    /// The second key frame didn't come in time: from the next connection on everything is decoded at first.
    pub(crate) fn key_frames_are_rare(&self) {
        self.rare.store(true, Ordering::Relaxed);
    }
}

/// Which frames go to the decoder.
#[derive(Debug)]
struct KeyFrames {
    /// From one wanted frame to the next.
    wanted: Duration,
    /// When the last key frame is to be shown.
    last: Option<Duration>,
    /// Key frames in a row that came often enough.
    regular: u32,
    /// It isn't known yet how often they come.
    open: bool,
}

impl KeyFrames {
    /// `open`: key frames alone are needed until it is known how often they come.
    fn new(wanted: Duration, open: bool) -> Self {
        Self { wanted, last: None, regular: 0, open }
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

    /// Whether a frame is needed. `at` is when it is to be shown, as far as that is known. Between a key frame that is late and the
    /// next one nothing can be decoded, for what came before it is missing; from then on everything is.
    fn needs(&mut self, is_key: bool, at: Option<Duration>) -> bool {
        if !is_key {
            return !self.open && self.regular < REGULAR;
        }
        let is_first = self.last.is_none();
        let gap = at.zip(self.last).and_then(|(at, last)| at.checked_sub(last));
        let often_enough = gap.is_some_and(|gap| self.is_often_enough(gap));
        // The first gap settles it: whoever waited for it needn't wait for more.
        let step = if self.open { REGULAR } else { 1 };
        self.open &= is_first && at.is_some();
        self.regular = if often_enough { self.regular + step } else { 0 };
        self.last = at;
        true
    }
}

/// Keeps frames that aren't needed from leaving `parser`, and counts them all. Wanted is one every so long.
pub(crate) fn thin(parser: &gst::Element, wanted: Duration, thinning: Arc<Thinning>) -> Result<(), String> {
    let pad = parser.static_pad("src").ok_or("the parser has no output")?;
    let rare = thinning.rare.load(Ordering::Relaxed);
    thinning.settled.store(rare, Ordering::Relaxed);
    let rule = Mutex::new(KeyFrames::new(wanted, !rare));
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let Some(buffer) = info.buffer() else { return gst::PadProbeReturn::Ok };
        let is_key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        // Parameter sets on their own are no frame.
        if buffer.flags().contains(gst::BufferFlags::HEADER) && buffer.pts().is_none() {
            return gst::PadProbeReturn::Ok;
        }
        thinning.arrived.fetch_add(1, Ordering::Relaxed);
        let mut rule = rule.lock().unwrap_or_else(PoisonError::into_inner);
        let needed = rule.needs(is_key, buffer.pts().map(Duration::from));
        thinning.settled.store(!rule.open, Ordering::Relaxed);
        if needed { gst::PadProbeReturn::Ok } else { gst::PadProbeReturn::Drop }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use gatehouse_core::rate::RateLimit;
    use gatehouse_core::time::Monotonic;
    use proptest::prelude::*;

    use super::*;

    /// The frames of 25 a second that are needed, a key frame being every `gop`-th.
    fn needed(rule: &mut KeyFrames, gop: u64, frames: std::ops::Range<u64>) -> Vec<u64> {
        frames.filter(|n| rule.needs(n % gop == 0, Some(Duration::from_millis(40 * n)))).collect()
    }

    fn key_frames(wanted_ms: u64) -> KeyFrames {
        KeyFrames::new(Duration::from_millis(wanted_ms), true)
    }

    /// The first key frame, and everything from the second on.
    fn all_but_the_first_gap(gop: u64, frames: u64) -> Vec<u64> {
        std::iter::once(0).chain(gop..frames).collect()
    }

    #[test]
    fn key_frames_are_enough_where_they_come_often_enough() {
        assert_eq!(needed(&mut key_frames(1000), 25, 0..200), [0, 25, 50, 75, 100, 125, 150, 175]);
    }

    #[test]
    fn where_they_are_too_rare_everything_is_decoded() {
        for (wanted_ms, gop) in [(1000, 50), (500, 25), (10_000, 150), (2000, 60)] {
            let kept = needed(&mut key_frames(wanted_ms), gop, 0..500);
            assert_eq!(kept, all_but_the_first_gap(gop, 500), "one in {gop} for one in {wanted_ms} ms");
        }
    }

    #[test]
    fn where_nobody_could_wait_for_the_second_one_everything_is_decoded_at_first() {
        let mut rule = KeyFrames::new(Duration::from_secs(1), false);
        assert_eq!(needed(&mut rule, 600, 0..1000), (0..1000).collect::<Vec<_>>());
        let mut rule = KeyFrames::new(Duration::from_secs(1), false);
        let kept = needed(&mut rule, 25, 0..200);
        assert_eq!(kept[..76], (0..76).collect::<Vec<_>>()[..], "four key frames are seen first");
        assert_eq!(kept[76..], [100, 125, 150, 175]);
    }

    #[test]
    fn when_they_become_rarer_all_is_decoded_from_the_next_one_on() {
        let mut rule = key_frames(1000);
        assert_eq!(needed(&mut rule, 25, 0..150).last(), Some(&125));
        let after = needed(&mut rule, 50, 150..300);
        // 150 is in time and 200 is late.
        assert_eq!((after[0], after[1]), (150, 200));
        assert_eq!(after[1..], (200..300).collect::<Vec<_>>()[..]);
    }

    #[test]
    fn without_times_nothing_is_left_out() {
        let mut rule = key_frames(1000);
        assert!((0..100u64).all(|n| rule.needs(n % 10 == 0, None)));
    }

    #[test]
    fn out_of_step_with_the_rate_they_are_not_enough() {
        for (wanted_ms, gop) in [(1000, 20), (1000, 22), (1430, 25), (1000, 13)] {
            let kept = needed(&mut key_frames(wanted_ms), gop, 0..500);
            assert_eq!(kept, all_but_the_first_gap(gop, 500), "one in {gop} for one in {wanted_ms} ms");
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
        fn nothing_is_needed_that_rests_on_what_was_left_out(gaps in proptest::collection::vec(1u64..80, 1..40)) {
            let mut rule = key_frames(1000);
            let (mut n, mut whole) = (0, true);
            for gap in gaps {
                for i in 0..gap {
                    let needed = rule.needs(i == 0, Some(Duration::from_millis(40 * n)));
                    whole = if i == 0 { true } else { whole && needed };
                    prop_assert!(!needed || whole);
                    n += 1;
                }
            }
        }
    }
}
