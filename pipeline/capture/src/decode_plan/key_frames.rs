//! Decides whether a stream's key frames alone are enough.
//!
//! A key frame refers to no other frame. Where one comes at least as often as a frame is wanted,
//! the others need not be decoded. The cadence is observed, not read from the camera: cameras
//! report it wrongly, change it, and lose frames.
//!
//! Until the second key frame nothing else is decoded, unless it is overdue by the stream's own
//! time. Otherwise a node that starts with a hundred cameras would decode all of them whole, be
//! late, and so never see a regular cadence.

use std::time::Duration;

/// Cameras' frames come a little early or late.
const TOLERANCE: f64 = 1.05;
/// At this doubt the whole stream is decoded until doubt is back at 0. A late key frame adds the
/// frames wanted in its gap, at least 2; a key frame in time subtracts 1. So one late or lost key
/// frame in four is tolerated: a node whose hundred cameras have just started is late itself.
const MAX_DOUBT: u32 = 6;
/// Pictures farther apart than this can't be tracked from one to the next.
const MAX_TRACKED_GAP: Duration = Duration::from_millis(1500);
/// The largest gap between key frames with which load shedding makes do. Most cameras send one
/// every 1 to 10 s.
const MAX_SHED_GAP: Duration = Duration::from_secs(10);
/// The second key frame of a connection is overdue after this many wanted intervals.
const OVERDUE: f64 = 1.5;
/// A key frame that comes earlier than this share of the interval is not the wanted one.
const EARLY: f64 = 0.99;

/// The cadence of one connection's key frames.
#[derive(Debug)]
pub(crate) struct KeyFrameCadence {
    /// The wanted time between frames.
    interval: Duration,
    /// The presentation time of the last key frame.
    last: Option<Duration>,
    /// The gap between the last two key frames.
    gap: Option<Duration>,
    /// 0 to [`MAX_DOUBT`]: doubt that key frames come often enough.
    doubt: u32,
    /// True if key frames come too rarely.
    are_rare: bool,
    /// True if the whole stream is decoded, from the last key frame on.
    whole_stream: bool,
    /// True if no doubt is left about either.
    is_settled: bool,
}

impl KeyFrameCadence {
    /// Key frames alone are decoded until they prove too rare.
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, last: None, gap: None, doubt: 0, are_rare: false, whole_stream: false, is_settled: false }
    }

    /// True if one key frame has come, and it isn't known whether others come often enough.
    pub(crate) fn is_undecided(&self) -> bool {
        self.last.is_some() && self.gap.is_none() && !self.whole_stream
    }

    /// True if the next key frame should have come well before a unit with this time.
    pub(crate) fn is_overdue(&self, at: Option<Duration>) -> bool {
        self.is_later_than(at, OVERDUE)
    }

    /// True if the next key frame should have come before a unit with this time.
    pub(crate) fn is_late(&self, at: Option<Duration>) -> bool {
        self.is_later_than(at, TOLERANCE)
    }

    fn is_later_than(&self, at: Option<Duration>, intervals: f64) -> bool {
        let since = at.zip(self.last).and_then(|(at, last)| at.checked_sub(last));
        since.is_some_and(|since| since > self.interval.mul_f64(intervals))
    }

    /// Key frames are too rare, or there are none: the whole stream is decoded until they prove
    /// frequent enough.
    pub(crate) fn decode_whole_stream(&mut self) {
        (self.doubt, self.are_rare, self.whole_stream, self.is_settled) = (MAX_DOUBT, true, true, true);
    }

    /// True if key frames with this gap are enough. Where the rate limit picks among them, up to
    /// `interval + gap` may lie between two admitted frames, as with a gap of 0.8 s and an interval
    /// of 1 s. Pictures must be trackable, or, with a longer interval, at most half as far apart
    /// again.
    fn is_enough(&self, gap: Duration) -> bool {
        let max_gap = if self.interval <= MAX_TRACKED_GAP { MAX_TRACKED_GAP } else { self.interval.mul_f64(1.5) };
        let each_is_wanted = gap >= self.interval.mul_f64(EARLY);
        gap <= self.interval.mul_f64(TOLERANCE).min(max_gap) && (each_is_wanted || self.interval + gap <= max_gap)
    }

    fn doubt_after(&self, gap: Duration) -> u32 {
        if self.is_enough(gap) {
            return self.doubt.saturating_sub(1);
        }
        let wanted_in_gap = (gap.as_secs_f64() / (self.interval.as_secs_f64() * TOLERANCE)).ceil();
        (self.doubt + wanted_in_gap.clamp(2.0, MAX_DOUBT.into()) as u32).min(MAX_DOUBT)
    }

    /// Records an access unit; true if it may be decoded. After a late key frame nothing can be
    /// decoded until the next one, because earlier frames are missing. `is_shedding`: rarer key
    /// frames must do.
    pub(crate) fn on_unit(&mut self, is_key: bool, at: Option<Duration>, is_shedding: bool) -> bool {
        if !is_key {
            return self.whole_stream;
        }
        let gap = at.zip(self.last).and_then(|(at, last)| at.checked_sub(last));
        self.doubt = match gap {
            Some(gap) => self.doubt_after(gap),
            None if at.is_none() => MAX_DOUBT,
            // The first one, or the first after the stream's time was reset.
            None => self.doubt,
        };
        match self.doubt {
            0 => self.are_rare = false,
            MAX_DOUBT => self.are_rare = true,
            _ => {}
        }
        let is_shed = is_shedding && gap.is_some_and(|gap| gap <= MAX_SHED_GAP);
        self.whole_stream = self.are_rare && !is_shed;
        self.is_settled = self.whole_stream || (self.doubt == 0 && (self.is_settled || gap.is_some()));
        (self.last, self.gap) = (at, gap);
        true
    }

    /// The time until the next wanted key frame, if key frames alone are decoded and their gap is
    /// known.
    pub(crate) fn next_wanted_in(&self) -> Option<Duration> {
        self.gap.filter(|_| !self.whole_stream).map(|gap| gap.max(self.interval))
    }

    /// True if the whole stream is decoded because key frames are too rare.
    pub(crate) fn needs_whole_stream(&self) -> bool {
        self.whole_stream
    }

    /// True if key frames are too rare and load shedding decodes them alone all the same.
    pub(crate) fn is_shed(&self) -> bool {
        self.are_rare && !self.whole_stream
    }

    /// True if no doubt is left about what has to be decoded.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_settled
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_core::rate::RateLimit;
    use gatehouse_core::time::Monotonic;
    use proptest::prelude::*;

    use super::*;

    /// The decoded frames of 25 a second, every `gop`-th being a key frame.
    fn needed(cadence: &mut KeyFrameCadence, gop: u64, frames: std::ops::Range<u64>) -> Vec<u64> {
        frames.filter(|n| cadence.on_unit(n % gop == 0, Some(Duration::from_millis(40 * n)), false)).collect()
    }

    fn key_frames(wanted_ms: u64) -> KeyFrameCadence {
        KeyFrameCadence::new(Duration::from_millis(wanted_ms))
    }

    /// `gaps` key frames alone, and everything from then on.
    fn key_frames_then_all(gop: u64, gaps: u64, frames: u64) -> Vec<u64> {
        (0..gaps).map(|n| n * gop).chain(gaps * gop..frames).collect()
    }

    #[test]
    fn key_frames_are_enough_where_they_come_often_enough() {
        assert_eq!(needed(&mut key_frames(1000), 25, 0..200), [0, 25, 50, 75, 100, 125, 150, 175]);
    }

    #[test]
    fn with_rare_key_frames_the_whole_stream_is_decoded() {
        for (wanted_ms, gop, gaps) in
            [(1000, 50, 3), (500, 25, 3), (1000, 90, 2), (1000, 250, 1), (10_000, 400, 3), (2000, 60, 3)]
        {
            let kept = needed(&mut key_frames(wanted_ms), gop, 0..1500);
            assert_eq!(kept, key_frames_then_all(gop, gaps, 1500), "one in {gop} for one in {wanted_ms} ms");
        }
    }

    #[test]
    fn one_late_or_lost_key_frame_in_four_is_tolerated() {
        for lost in 1..5 {
            let mut cadence = key_frames(2000);
            let kept = (0..2000u64).filter(|n| n % 200 != 50 * (lost % 4));
            let kept: Vec<u64> =
                kept.filter(|n| cadence.on_unit(n % 50 == 0, Some(Duration::from_millis(40 * n)), false)).collect();
            assert!(kept.iter().all(|n| n % 50 == 0), "number {lost} of four is lost");
        }
        for late in 1..8 {
            let mut cadence = key_frames(1000);
            let at = |n: u64| Some(Duration::from_millis(40 * n + if n == 25 * late { 300 } else { 0 }));
            let kept: Vec<u64> = (0..250).filter(|n| cadence.on_unit(n % 25 == 0, at(*n), false)).collect();
            assert_eq!(kept, (0..250).step_by(25).collect::<Vec<_>>(), "number {late} is late");
        }
    }

    #[test]
    fn one_late_key_frame_in_two_is_not_tolerated() {
        let mut cadence = key_frames(1000);
        let key = |n: u64| [0, 25].contains(&(n % 75));
        let kept: Vec<u64> =
            (0..1000).filter(|n| cadence.on_unit(key(*n), Some(Duration::from_millis(40 * n)), false)).collect();
        assert_eq!(kept.last(), Some(&999), "nothing is left out any more");
        assert!(kept.len() > 600, "{}", kept.len());
    }

    #[test]
    fn known_rare_key_frames_are_not_waited_for() {
        let mut cadence = key_frames(1000);
        cadence.decode_whole_stream();
        assert_eq!(needed(&mut cadence, 600, 0..1000), (0..1000).collect::<Vec<_>>());
        let mut cadence = key_frames(1000);
        cadence.decode_whole_stream();
        let kept = needed(&mut cadence, 25, 0..250);
        assert_eq!(kept[..151], (0..151).collect::<Vec<_>>()[..], "seven key frames are seen first");
        assert_eq!(kept[151..], [175, 200, 225]);
    }

    #[test]
    fn when_key_frames_become_rarer_all_is_decoded() {
        let mut cadence = key_frames(1000);
        assert_eq!(needed(&mut cadence, 25, 0..150).last(), Some(&125));
        let after = needed(&mut cadence, 50, 150..500);
        // 150 is in time; 200, 250 and 300 are late.
        assert_eq!(after, [150, 200, 250].into_iter().chain(300..500).collect::<Vec<_>>());
    }

    #[test]
    fn load_shedding_makes_do_with_rare_key_frames_up_to_10_s() {
        let mut cadence = key_frames(1000);
        needed(&mut cadence, 100, 0..400);
        let shedding = |cadence: &mut KeyFrameCadence, gop: u64, frames: std::ops::Range<u64>| -> Vec<u64> {
            frames.filter(|n| cadence.on_unit(n % gop == 0, Some(Duration::from_millis(40 * n)), true)).collect()
        };
        assert_eq!(shedding(&mut cadence, 100, 400..900), [400, 500, 600, 700, 800]);
        assert!(!cadence.whole_stream && !cadence.is_settled);
        assert_eq!(
            needed(&mut cadence, 100, 900..1200),
            (900..1200).collect::<Vec<_>>(),
            "and decodes all again after that"
        );
        let rarer = shedding(&mut cadence, 300, 1200..2400);
        assert_eq!(rarer[..2], [1200, 1500]);
        assert_eq!(rarer[1..], (1500..2400).collect::<Vec<_>>()[..], "12 s are too long");
    }

    #[test]
    fn it_is_settled_without_doubt() {
        let mut cadence = key_frames(1000);
        let mut settled_after = |gop, frames: std::ops::Range<u64>| {
            needed(&mut cadence, gop, frames);
            cadence.is_settled
        };
        assert!(!settled_after(25, 0..25), "one has come");
        assert!(settled_after(25, 25..50), "two have");
        assert!(!settled_after(50, 50..101), "it is too late by 25");
        assert!(!settled_after(50, 101..151));
        assert!(settled_after(50, 151..201), "they are too rare, and everything is decoded");
    }

    #[test]
    fn without_times_nothing_is_dropped() {
        let mut cadence = key_frames(1000);
        assert!((0..100u64).all(|n| cadence.on_unit(n % 10 == 0, None, false)));
    }

    #[test]
    fn key_frames_out_of_step_with_the_rate_are_not_enough() {
        for (wanted_ms, gop) in [(1000, 20), (1000, 22), (1430, 25), (1000, 13)] {
            let kept = needed(&mut key_frames(wanted_ms), gop, 0..500);
            assert_eq!(kept, key_frames_then_all(gop, 3, 500), "one in {gop} for one in {wanted_ms} ms");
        }
        assert!(needed(&mut key_frames(1000), 12, 0..500).len() < 100, "two and more for each that is wanted");
        // Frames too far apart for tracking may be half as far apart again.
        for (wanted_s, gop) in [(4, 30), (2, 50), (4, 50), (10, 250)] {
            let kept = needed(&mut key_frames(1000 * wanted_s), gop, 0..5000).len() as u64;
            assert_eq!(kept, 5000_u64.div_ceil(gop), "one in {gop} for one in {wanted_s} s");
        }
    }

    proptest! {
        /// The admitted frames of a steady stream can be tracked from one to the next.
        #[test]
        fn admitted_frames_are_never_far_apart(gop in 1u64..80, wanted_ms in 200u64..1450) {
            let mut cadence = key_frames(wanted_ms);
            let mut rate = RateLimit::new(1000.0 / wanted_ms as f64);
            let (mut gaps, mut late, mut last) = (0, 0, None);
            for n in needed(&mut cadence, gop, 0..5000) {
                let now = Monotonic::from_start(Duration::from_millis(40 * n));
                if rate.admits(now) {
                    let gap = last.map(|last| now.since(last));
                    gaps += 1;
                    late += u32::from(gap.is_some_and(|gap| gap > MAX_TRACKED_GAP));
                    last = Some(now);
                }
            }
            // Where key frames come a hundredth too early, one in a while falls between two.
            prop_assert!(late * 20 <= gaps, "{late} of {gaps}");
        }

        /// No frame is decoded behind a dropped one of its group of pictures.
        #[test]
        fn decoded_frames_refer_to_no_dropped_frame(
            gaps in proptest::collection::vec((1u64..80, any::<[bool; 8]>()), 1..40),
        ) {
            let mut cadence = key_frames(1000);
            let (mut n, mut whole) = (0, true);
            for (gap, shedding) in gaps {
                for i in 0..gap {
                    let needed = cadence.on_unit(i == 0, Some(Duration::from_millis(40 * n)), shedding[(i % 8) as usize]);
                    whole = if i == 0 { true } else { whole && needed };
                    prop_assert!(!needed || whole);
                    n += 1;
                }
            }
        }
    }
}
