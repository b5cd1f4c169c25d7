//! Finds the access units of a stream that are damaged because packets are missing.

use std::time::Duration;

use gatehouse_core::time::Monotonic;

use super::reorder::Gap;
use crate::decode_plan::{Content, RtpPacket};

/// Where a stream refreshes its pictures in another way than by key frames, units no longer count
/// as damaged after this time without a further loss.
const HEALED_AFTER: Duration = Duration::from_secs(30);
/// A stream whose last key frame is older has none. Smart codecs send one every 25 to 120 s.
const KEY_FRAME_WITHIN: Duration = Duration::from_secs(150);

/// One unit, as far as it has come.
#[derive(Debug, Clone, Copy)]
struct Unit {
    timestamp: u32,
    time: Duration,
    has_slices: bool,
    /// True once a slice had the marker.
    is_complete: bool,
    misses_packets: bool,
}

/// The units of one connection.
#[derive(Debug, Default)]
pub(crate) struct Units {
    unit: Option<Unit>,
    /// When the last packet of a key frame came.
    key_frame: Option<Monotonic>,
    /// When packets were last lost, while pictures may refer to what they held.
    lost_at: Option<Monotonic>,
    /// Pictures that are shown before this key frame refer to earlier ones.
    healed_by: Option<Duration>,
}

impl Units {
    /// The unit that a packet belongs to, unless it begins one.
    fn continued(&self, timestamp: u32) -> Option<&Unit> {
        self.unit.as_ref().filter(|unit| unit.timestamp == timestamp && !unit.is_complete)
    }

    /// Takes a packet, with a marker that is true, whose picture is shown at `time`. Calls `mark`
    /// with the time of each unit that turns out to be damaged. `begins_picture`: it holds the
    /// first part of one.
    pub(crate) fn on_packet(
        &mut self,
        packet: &RtpPacket,
        gap: Gap,
        begins_picture: impl FnOnce() -> bool,
        (time, now): (Duration, Monotonic),
        mut mark: impl FnMut(Duration),
    ) {
        let before = self.unit;
        let mut unit = match self.continued(packet.timestamp) {
            Some(unit) => *unit,
            None => {
                Unit { timestamp: packet.timestamp, time, has_slices: false, is_complete: false, misses_packets: false }
            }
        };
        if gap != Gap::None {
            let is_new = self.continued(packet.timestamp).is_none();
            let cut_off = before.filter(|before| !before.is_complete);
            let begins = is_new && begins_picture();
            unit.misses_packets |= !begins;
            if gap != Gap::Restart || !begins || cut_off.is_some() {
                self.lost_at = Some(now);
            }
            if let Some(before) = cut_off {
                mark(before.time);
            }
        }
        if packet.content == Content::Key {
            self.key_frame = Some(now);
        }
        let awaits_key_frame = self.key_frame.is_some_and(|at| now.since(at) < KEY_FRAME_WITHIN);
        self.lost_at = self.lost_at.filter(|at| awaits_key_frame || now.since(*at) < HEALED_AFTER);
        match packet.content {
            Content::Auxiliary | Content::Parameters => {}
            Content::Key | Content::Unusual if !unit.misses_packets => {
                if self.lost_at.take().is_some() {
                    self.healed_by = Some(unit.time);
                }
                unit.has_slices = true;
            }
            _ => {
                unit.has_slices = true;
                let refers_back = self.healed_by.is_some_and(|key| unit.time < key);
                if self.lost_at.is_some() || refers_back {
                    mark(unit.time);
                } else if self.healed_by.is_some_and(|key| unit.time > key) {
                    self.healed_by = None;
                }
            }
        }
        unit.is_complete |= packet.marker;
        self.unit = Some(unit);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_secs(seconds))
    }

    fn packet(frame: u32, marker: bool, content: Content) -> RtpPacket {
        RtpPacket { sequence_number: 0, timestamp: frame, marker, content, begins_picture: false }
    }

    /// The damaged ones of 30 frames, a key frame every 10, three packets each, if these packets
    /// (frame, packet) are lost. `order`: the frame that is shown at a place in the stream.
    fn damaged(lost: &[(u32, u32)], order: impl Fn(u32) -> u32) -> Vec<u32> {
        let (mut units, mut marked, mut missing) = (Units::default(), BTreeSet::new(), 0);
        for place in 0..30 {
            let frame = order(place);
            for n in 0..3 {
                if lost.contains(&(place, n)) {
                    missing += 1;
                    continue;
                }
                let content = match (place % 10, n) {
                    (0, 0) => Content::Parameters,
                    (0, _) => Content::Key,
                    _ => Content::Delta,
                };
                let gap = if missing > 0 { Gap::Lost(std::mem::take(&mut missing)) } else { Gap::None };
                let time = Duration::from_secs(frame.into());
                let mark = |time: Duration| {
                    marked.insert(time.as_secs() as u32);
                };
                units.on_packet(&packet(frame, n == 2, content), gap, || n == 0, (time, at(0)), mark);
            }
        }
        marked.into_iter().collect()
    }

    #[test]
    fn everything_up_to_the_next_clean_key_frame_is_damaged() {
        let in_order = |place| place;
        assert!(damaged(&[], in_order).is_empty());
        assert_eq!(damaged(&[(3, 1)], in_order), (3..10).collect::<Vec<_>>());
        assert_eq!(damaged(&[(3, 2)], in_order), (3..10).collect::<Vec<_>>(), "the end of a frame");
        assert_eq!(damaged(&[(3, 0), (3, 1), (3, 2)], in_order), (4..10).collect::<Vec<_>>(), "a whole frame");
        assert_eq!(damaged(&[(9, 2)], in_order), [9], "the key frame is whole");
        assert_eq!(damaged(&[(9, 2), (10, 0)], in_order), (9..20).collect::<Vec<_>>(), "it is not");
        assert_eq!(damaged(&[(10, 1)], in_order), (10..20).collect::<Vec<_>>());
    }

    #[test]
    fn pictures_before_the_key_frame_refer_to_damaged_ones() {
        // The two frames that are sent behind a key frame are shown before it.
        let order = |place: u32| match place % 10 {
            0 => place + 2,
            1 | 2 => place - 1,
            _ => place,
        };
        assert!(damaged(&[], order).is_empty());
        assert_eq!(damaged(&[(7, 1)], order), [7, 8, 9, 10, 11]);
    }

    #[test]
    fn a_rare_key_frame_is_waited_for() {
        let (mut units, mut marked) = (Units::default(), Vec::new());
        for second in 0..160 {
            let gap = if second == 10 { Gap::Lost(1) } else { Gap::None };
            let content = if second % 120 == 0 { Content::Key } else { Content::Delta };
            let time = (Duration::from_secs(second), at(second));
            let mark = |time: Duration| marked.push(time.as_secs());
            units.on_packet(&packet(second as u32, true, content), gap, || false, time, mark);
        }
        assert_eq!(marked, (10..120).collect::<Vec<_>>());
    }

    #[test]
    fn a_stream_without_key_frames_heals_in_time() {
        let mut units = Units::default();
        let mut marked = Vec::new();
        for second in 0..60 {
            let gap = if second == 10 { Gap::Lost(1) } else { Gap::None };
            let time = Duration::from_secs(second);
            units.on_packet(
                &packet(second as u32, true, Content::Delta),
                gap,
                || false,
                (time, at(second)),
                |time| {
                    marked.push(time.as_secs());
                },
            );
        }
        assert_eq!(marked, (10..40).collect::<Vec<_>>());
    }
}
