//! Decodes key frames alone, where they come often enough.
//!
//! Decoding is most of what a camera costs that is looked at once a second. A key frame needs no other; where one comes at least as
//! often as a frame is wanted, the others need not be decoded at all. How often they come is seen, not asked: cameras say it
//! wrongly, change it, and lose some.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;

/// So many key frames in a row must have come often enough.
const REGULAR: u32 = 3;
/// A camera's frames come a little early or late.
const TOLERANCE: f64 = 1.05;
/// Fewer decoded frames would look like a stalled camera.
const MOST_APART: Duration = Duration::from_millis(1500);

/// Which frames go to the decoder.
#[derive(Debug)]
struct KeyFrames {
    /// From one wanted frame to the next.
    wanted: Duration,
    /// When the last key frame is to be shown.
    last: Option<Duration>,
    /// Key frames in a row that came often enough.
    regular: u32,
}

impl KeyFrames {
    fn new(wanted: Duration) -> Self {
        Self { wanted: wanted.mul_f64(TOLERANCE).min(MOST_APART), last: None, regular: 0 }
    }

    /// Whether a frame is needed. `at` is when it is to be shown, as far as that is known. Between a key frame that is late and the
    /// next one nothing can be decoded, for what came before it is missing; from then on everything is.
    fn needs(&mut self, is_key: bool, at: Option<Duration>) -> bool {
        if !is_key {
            return self.regular < REGULAR;
        }
        let gap = at.zip(self.last).and_then(|(at, last)| at.checked_sub(last));
        self.regular = if gap.is_some_and(|gap| gap <= self.wanted) { self.regular + 1 } else { 0 };
        self.last = at;
        true
    }
}

/// Keeps frames that aren't needed from leaving `parser`. Wanted is one every so long.
pub(crate) fn thin(parser: &gst::Element, wanted: Duration) -> Result<(), String> {
    let pad = parser.static_pad("src").ok_or("the parser has no output")?;
    let rule = Mutex::new(KeyFrames::new(wanted));
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let Some(buffer) = info.buffer() else { return gst::PadProbeReturn::Ok };
        let is_key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        // Parameter sets on their own are no frame.
        if buffer.flags().contains(gst::BufferFlags::HEADER) && buffer.pts().is_none() {
            return gst::PadProbeReturn::Ok;
        }
        let mut rule = rule.lock().unwrap_or_else(PoisonError::into_inner);
        let needed = rule.needs(is_key, buffer.pts().map(Duration::from));
        if needed { gst::PadProbeReturn::Ok } else { gst::PadProbeReturn::Drop }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The frames of 25 a second that are needed, a key frame being every `gop`-th.
    fn needed(rule: &mut KeyFrames, gop: u64, frames: std::ops::Range<u64>) -> Vec<u64> {
        frames.filter(|n| rule.needs(n % gop == 0, Some(Duration::from_millis(40 * n)))).collect()
    }

    #[test]
    fn key_frames_are_enough_once_they_have_come_often_enough() {
        let mut rule = KeyFrames::new(Duration::from_secs(1));
        let kept = needed(&mut rule, 25, 0..200);
        assert_eq!(kept[..76], (0..76).collect::<Vec<_>>()[..], "four key frames are seen first");
        assert_eq!(kept[76..], [100, 125, 150, 175]);
    }

    #[test]
    fn where_they_are_too_rare_everything_is_decoded() {
        for (wanted_ms, gop) in [(1000, 50), (500, 25), (10_000, 100)] {
            let mut rule = KeyFrames::new(Duration::from_millis(wanted_ms));
            assert_eq!(needed(&mut rule, gop, 0..500).len(), 500, "one in {gop} for one in {wanted_ms} ms");
        }
    }

    #[test]
    fn when_they_become_rarer_all_is_decoded_from_the_next_one_on() {
        let mut rule = KeyFrames::new(Duration::from_secs(1));
        assert_eq!(needed(&mut rule, 25, 0..150).last(), Some(&125));
        let after = needed(&mut rule, 50, 150..300);
        // 150 is in time and 200 is late.
        assert_eq!((after[0], after[1]), (150, 200));
        assert_eq!(after[1..], (200..300).collect::<Vec<_>>()[..]);
    }

    #[test]
    fn without_times_nothing_is_left_out() {
        let mut rule = KeyFrames::new(Duration::from_secs(1));
        assert!((0..100u64).all(|n| rule.needs(n % 10 == 0, None)));
    }

    proptest! {
        /// What goes to the decoder can always be decoded: a frame that is left out is missed by none that goes there.
        #[test]
        fn nothing_is_needed_that_rests_on_what_was_left_out(gaps in proptest::collection::vec(1u64..80, 1..40)) {
            let mut rule = KeyFrames::new(Duration::from_secs(1));
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
