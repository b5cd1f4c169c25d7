//! Keeps to one source (SSRC, RFC 3550, section 3) of packets on a channel.

use std::time::Duration;

use gatehouse_core::time::Monotonic;

use super::header::Header;

/// Another source takes over when the first was silent for this multiple of its longest gap.
const SILENT_GAPS: f64 = 2.5;
/// The least and the greatest silence after which another source takes over.
const SILENT: (Duration, Duration) = (Duration::from_millis(150), Duration::from_secs(10));
/// The most packets of another source that are kept until then.
const MAX_KEPT: usize = 2048;

/// What to do with a packet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ours,
    /// It belongs to another source, or to another track.
    Foreign,
    /// The source is another one from now on. These packets of it came before, this one included.
    NewSource(Vec<Vec<u8>>),
}

/// The source of a track's packets.
#[derive(Debug)]
pub(crate) struct Source {
    payload_type: u8,
    /// The source that the camera named, while none of its packets has come.
    named: Option<u32>,
    ssrc: Option<u32>,
    has_ended: bool,
    /// The last packet: its timestamp and arrival.
    last: Option<(u32, Monotonic)>,
    /// When the last frame began.
    frame_began: Option<Monotonic>,
    /// The longest time between two frames; it forgets slowly.
    longest_gap: Duration,
    other: Option<Other>,
}

#[derive(Debug)]
struct Other {
    ssrc: u32,
    packets: Vec<Vec<u8>>,
    timestamp: u32,
    frames: u32,
}

impl Source {
    pub(crate) fn new(payload_type: u8, named: Option<u32>) -> Self {
        Self {
            payload_type,
            named,
            ssrc: None,
            has_ended: false,
            last: None,
            frame_began: None,
            longest_gap: Duration::ZERO,
            other: None,
        }
    }

    pub(crate) fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    /// This source says goodbye.
    pub(crate) fn on_goodbye(&mut self, ssrc: u32) {
        self.has_ended |= self.ssrc == Some(ssrc);
    }

    pub(crate) fn on_packet(&mut self, header: &Header, bytes: &[u8], now: Monotonic) -> Verdict {
        if header.payload_type != self.payload_type {
            return Verdict::Foreign;
        }
        let ours = *self.ssrc.get_or_insert(header.ssrc);
        if ours == header.ssrc {
            self.named = self.named.filter(|named| *named != ours);
            self.other = None;
            self.on_own(header.timestamp, now);
            return Verdict::Ours;
        }
        if self.named.take_if(|named| *named == header.ssrc).is_some() {
            self.begin(header, now);
            return Verdict::NewSource(vec![bytes.to_vec()]);
        }
        let other = match &mut self.other {
            Some(other) if other.ssrc == header.ssrc => other,
            other => other.insert(Other { ssrc: header.ssrc, packets: Vec::new(), timestamp: 0, frames: 0 }),
        };
        if other.frames == 0 || other.timestamp != header.timestamp {
            (other.timestamp, other.frames) = (header.timestamp, other.frames + 1);
        }
        if other.packets.len() == MAX_KEPT {
            other.packets.clear();
        }
        other.packets.push(bytes.to_vec());
        let silent = self.last.map_or(Duration::MAX, |(_, at)| now.since(at));
        let enough = self.longest_gap.mul_f64(SILENT_GAPS).clamp(SILENT.0, SILENT.1);
        if !self.has_ended && (other.frames < 2 || silent < enough) {
            return Verdict::Foreign;
        }
        let packets = std::mem::take(&mut other.packets);
        self.begin(header, now);
        Verdict::NewSource(packets)
    }

    fn begin(&mut self, header: &Header, now: Monotonic) {
        (self.ssrc, self.has_ended, self.other) = (Some(header.ssrc), false, None);
        (self.last, self.frame_began) = (Some((header.timestamp, now)), Some(now));
    }

    fn on_own(&mut self, timestamp: u32, now: Monotonic) {
        if self.last.is_none_or(|(last, _)| last != timestamp)
            && let Some(began) = self.frame_began.replace(now)
        {
            self.longest_gap = (self.longest_gap - self.longest_gap / 16).max(now.since(began));
        }
        (self.last, self.has_ended) = (Some((timestamp, now)), false);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(ssrc: u32, frame: u32) -> Header {
        Header { payload_type: 96, sequence_number: 0, timestamp: frame * 3600, ssrc, marker: false, payload: 12..12 }
    }

    fn at(millis: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_millis(millis))
    }

    #[test]
    fn another_source_is_ignored_until_the_first_falls_silent() {
        let mut source = Source::new(96, None);
        for frame in 0..50u32 {
            let now = at(u64::from(frame) * 100);
            assert_eq!(source.on_packet(&packet(1, frame), b"1", now), Verdict::Ours);
            for _ in 0..5 {
                assert_eq!(source.on_packet(&packet(2, frame), b"2", now), Verdict::Foreign);
            }
        }
        let mut kept = 0;
        for frame in 50..60u32 {
            match source.on_packet(&packet(2, frame), b"2", at(u64::from(frame) * 100)) {
                Verdict::Foreign => kept += 1,
                Verdict::NewSource(packets) => {
                    assert!(kept == 2 && packets.len() == 5 + 3, "none is lost, and it takes 0.3 s: {kept}");
                    assert_eq!(source.ssrc(), Some(2));
                    return;
                }
                Verdict::Ours => panic!("too early"),
            }
        }
        panic!("the new source is not taken");
    }

    #[test]
    fn the_source_that_the_camera_names_wins_once() {
        let mut source = Source::new(96, Some(2));
        assert_eq!(source.on_packet(&packet(1, 0), b"1", at(0)), Verdict::Ours);
        assert_eq!(source.on_packet(&packet(2, 0), b"2", at(1)), Verdict::NewSource(vec![b"2".to_vec()]));
        assert_eq!(source.on_packet(&packet(1, 1), b"1", at(2)), Verdict::Foreign);
        assert_eq!(source.on_packet(&packet(2, 1), b"2", at(3)), Verdict::Ours);
        let other_track = Header { payload_type: 97, ..packet(2, 1) };
        assert_eq!(source.on_packet(&other_track, b"2", at(4)), Verdict::Foreign);
        source.on_goodbye(2);
        assert!(matches!(source.on_packet(&packet(3, 2), b"3", at(5)), Verdict::NewSource(_)));
    }

    proptest! {
        /// At any rate a second source between never takes over.
        #[test]
        fn a_living_source_is_kept(every_ms in 10u64..4000, strays in 1usize..8) {
            let mut source = Source::new(96, None);
            for frame in 0..40u32 {
                let begin = u64::from(frame) * every_ms;
                prop_assert_eq!(source.on_packet(&packet(1, frame), b"1", at(begin)), Verdict::Ours);
                // The first gap is unknown.
                for stray in 0..if frame == 0 { 0 } else { strays } {
                    let now = begin + every_ms * stray as u64 / strays as u64;
                    prop_assert_eq!(source.on_packet(&packet(2, frame), b"2", at(now)), Verdict::Foreign);
                }
            }
        }
    }
}
