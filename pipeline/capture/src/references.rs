//! Leaves out frames that no other refers to, where fewer are wanted than come.
//!
//! In H.264 such a frame has `nal_ref_idc` 0 (ITU-T H.264, 7.4.1); in H.265 it is a sub-layer non-reference picture, of an even type up
//! to 14 (ITU-T H.265, table 7-1). To the latter, pictures of a higher sub-layer may still refer: those of the highest that was seen alone
//! are left out. B-frames are mostly such frames, and every second frame of what cameras call scalable coding (SVC).

use std::collections::VecDeque;
use std::time::Duration;

use gstreamer as gst;

use crate::decoder::Codec;

/// So many gaps between frames that others refer to must have been short enough on the whole: where there are B-frames, the jitter
/// buffer shifts a stream's times by one frame now and then.
const SEEN: usize = 8;
/// A camera's frames come a little early or late.
const TOLERANCE: f64 = 1.05;

/// What a frame's first slice says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slice {
    /// Others of its own sub-layer may refer to it.
    referred_to: bool,
    sub_layer: u8,
}

/// Tells frames that are needed from those that aren't.
#[derive(Debug)]
pub(crate) struct References {
    codec: Codec,
    /// From one wanted frame to the next.
    wanted: Duration,
    highest_sub_layer: u8,
    /// When the last frames are to be shown that others refer to, up to one more than [`SEEN`].
    needed: VecDeque<Duration>,
}

impl References {
    pub(crate) fn new(codec: Codec, wanted: Duration) -> Self {
        Self { codec, wanted, highest_sub_layer: 0, needed: VecDeque::with_capacity(SEEN + 1) }
    }

    /// Whether an access unit (a byte stream, all of one frame) must be decoded. `at` is when it is to be shown.
    pub(crate) fn needs(&mut self, unit: &gst::BufferRef, at: Option<Duration>) -> bool {
        let memories = unit.iter_memories().filter_map(|memory| memory.map_readable().ok());
        let slice = memories.map(|bytes| first_slice(self.codec, &bytes)).find_map(|slice| slice);
        self.needs_slice(slice, at)
    }

    fn needs_slice(&mut self, slice: Option<Slice>, at: Option<Duration>) -> bool {
        // What can't be told may be referred to.
        let slice = slice.unwrap_or(Slice { referred_to: true, sub_layer: 0 });
        if slice.sub_layer > self.highest_sub_layer {
            self.highest_sub_layer = slice.sub_layer;
            self.needed.clear();
        }
        if slice.referred_to || slice.sub_layer < self.highest_sub_layer {
            self.note_needed(at);
            return true;
        }
        !self.come_often_enough()
    }

    fn note_needed(&mut self, at: Option<Duration>) {
        // Without a time, or back in time, what was seen says nothing.
        if self.needed.back().copied() > at {
            self.needed.clear();
        }
        let Some(at) = at else { return };
        if self.needed.len() > SEEN {
            self.needed.pop_front();
        }
        self.needed.push_back(at);
    }

    fn come_often_enough(&self) -> bool {
        let [Some(first), Some(last)] = [self.needed.front(), self.needed.back()] else { return false };
        self.needed.len() > SEEN && (*last - *first).div_f64(SEEN as f64) <= self.wanted.mul_f64(TOLERANCE)
    }
}

/// The first slice in part of a byte stream; nothing where there is none.
fn first_slice(codec: Codec, bytes: &[u8]) -> Option<Slice> {
    let starts = bytes.windows(3).enumerate().filter(|(_, window)| *window == [0, 0, 1]).map(|(at, _)| at + 3);
    starts.filter_map(|start| bytes.get(start..)).find_map(|unit| slice_of(codec, unit))
}

/// What a NAL unit says, if it is a slice.
fn slice_of(codec: Codec, unit: &[u8]) -> Option<Slice> {
    match codec {
        Codec::H264 => {
            let header = *unit.first()?;
            // Slices, whole or in partitions, and those of key frames.
            (1..=5).contains(&(header & 31)).then_some(Slice { referred_to: header >> 5 & 3 != 0, sub_layer: 0 })
        }
        Codec::H265 => {
            let &[first, second, ..] = unit else { return None };
            let kind = first >> 1 & 63;
            let referred_to = kind > 14 || kind % 2 == 1;
            (kind < 32).then_some(Slice { referred_to, sub_layer: (second & 7).saturating_sub(1) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P264: [u8; 8] = [0, 0, 0, 1, 0x41, 0x9a, 1, 2];
    const B264: [u8; 8] = [0, 0, 0, 1, 0x01, 0x9e, 1, 2];

    #[test]
    fn a_slice_is_found_behind_what_is_none() {
        let unit = [&[0, 0, 0, 1, 0x09, 0xf0, 0, 0, 1, 0x06, 5, 1, 9][..], &B264].concat();
        assert_eq!(first_slice(Codec::H264, &unit), Some(Slice { referred_to: false, sub_layer: 0 }));
        assert_eq!(first_slice(Codec::H264, &P264), Some(Slice { referred_to: true, sub_layer: 0 }));
        for nothing in [&[][..], &[0, 0, 1], &[0, 0, 0, 1, 0x67, 0x42], &[1, 2, 3, 4]] {
            assert_eq!(first_slice(Codec::H264, nothing), None);
            assert_eq!(first_slice(Codec::H265, nothing), None);
        }
        // TRAIL_N of sub-layer 1, TRAIL_R of 0, and a key frame (IDR_W_RADL).
        for (header, referred_to, sub_layer) in
            [([0x00, 0x02], false, 1), ([0x02, 0x01], true, 0), ([0x26, 0x01], true, 0)]
        {
            let unit = [&[0, 0, 1][..], &header, &[0x80]].concat();
            assert_eq!(first_slice(Codec::H265, &unit), Some(Slice { referred_to, sub_layer }));
        }
    }

    /// Which of so many frames, 40 ms apart in the order in which they are shown, are needed; every `every`-th is referred to.
    fn needed(rule: &mut References, every: u64, frames: std::ops::Range<u64>) -> Vec<u64> {
        let slice = |n: u64| Slice { referred_to: n.is_multiple_of(every), sub_layer: 0 };
        frames.filter(|n| rule.needs_slice(Some(slice(*n)), Some(Duration::from_millis(40 * n)))).collect()
    }

    #[test]
    fn frames_that_others_refer_to_are_enough_where_they_come_often_enough() {
        let mut rule = References::new(Codec::H264, Duration::from_millis(100));
        assert_eq!(needed(&mut rule, 2, 0..17), (0..17).collect::<Vec<_>>(), "eight gaps are seen first");
        assert_eq!(needed(&mut rule, 2, 17..25), [18, 20, 22, 24]);
        assert_eq!(needed(&mut rule, 3, 25..60).last(), Some(&59), "120 ms are too long");
        let mut rule = References::new(Codec::H264, Duration::from_millis(60));
        assert_eq!(needed(&mut rule, 2, 0..100).len(), 100);
        assert_eq!(needed(&mut rule, 1, 100..200).len(), 100, "all are referred to");
    }

    #[test]
    fn of_sub_layers_only_the_highest_is_left_out() {
        let mut rule = References::new(Codec::H265, Duration::from_secs(1));
        let mut needs = |n: u64, referred_to, sub_layer| {
            rule.needs_slice(Some(Slice { referred_to, sub_layer }), Some(Duration::from_millis(40 * n)))
        };
        assert!((0..40).all(|n| needs(n, n % 2 == 0, 0) || n > 16));
        assert!(!needs(41, false, 0));
        assert!(needs(42, false, 1), "a higher one than was known");
        assert!((43..60).all(|n| needs(n, false, 0)), "the higher one may refer to it");
        assert!(!needs(61, false, 1));
    }

    #[test]
    fn what_can_not_be_told_is_decoded() {
        let mut rule = References::new(Codec::H264, Duration::from_secs(1));
        assert!((0..100).all(|n| rule.needs_slice(None, Some(Duration::from_millis(40 * n)))));
        let mut rule = References::new(Codec::H264, Duration::from_secs(1));
        let b = Slice { referred_to: false, sub_layer: 0 };
        assert!((0..100).all(|_| rule.needs_slice(Some(b), None)), "nor are frames without times left out");
    }
}
