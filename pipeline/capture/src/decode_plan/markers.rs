//! Mends what RTP packets say about the ends of access units.
//!
//! RFC 6184, section 5.1, and RFC 7798, section 4.1, set the marker on the last packet of an access
//! unit. Cameras also set it on an SEI before the picture, or on every slice. The depayloader ends
//! a unit at each marker, so an untrue one tears a picture to pieces, and an SEI by itself takes
//! the picture's time and sender's clock away. Parameter sets that are repeated between the slices
//! of a picture tear it, too.

use gatehouse_core::time::Monotonic;

use super::rtp::{Content, RtpPacket};

/// After this many pictures with a single marker, markers are believed again.
const HONEST_PICTURES: u32 = 100;

/// The markers of one camera. Packets must come in order.
#[derive(Debug, Default)]
pub(crate) struct MarkerCheck {
    timestamp: Option<u32>,
    /// True if part of the current picture has come.
    has_picture: bool,
    /// True if a marker has come behind it.
    is_marked: bool,
    /// True if slices came behind a picture's marker: then no marker is believed, and a unit ends
    /// where the next begins.
    are_wrong: bool,
    /// Pictures with a single marker since then.
    honest: u32,
    /// True if the current picture's timestamp isn't the last one's.
    has_own_time: bool,
    /// True if the current unit's end is known.
    has_ended: bool,
    /// When the last packet came.
    last: Option<Monotonic>,
    /// When the last packet of a unit came whose end was known only from the next one.
    end: Option<Monotonic>,
}

/// What a packet is to its access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PacketRole {
    /// The unit ends with it.
    pub(crate) ends_unit: bool,
    /// Parameter sets behind the beginning of a picture.
    pub(crate) is_repetition: bool,
}

impl MarkerCheck {
    /// Decides about a packet.
    pub(crate) fn on_packet(&mut self, packet: &RtpPacket, now: Monotonic) -> PacketRole {
        let is_picture = packet.is_picture();
        let has_new_time = self.timestamp != Some(packet.timestamp);
        if has_new_time || (packet.begins_picture && self.has_picture) {
            if self.is_marked {
                self.honest += 1;
                self.are_wrong &= self.honest < HONEST_PICTURES;
            }
            self.end = self.last.filter(|_| self.has_picture && !self.has_ended);
            (self.has_own_time, self.has_ended) = (has_new_time, false);
            (self.timestamp, self.has_picture, self.is_marked) = (Some(packet.timestamp), false, false);
        } else if is_picture && self.is_marked {
            (self.are_wrong, self.honest, self.is_marked) = (true, 0, false);
        }
        let is_repetition = packet.content == Content::Parameters && self.has_picture && self.has_own_time;
        self.has_picture |= is_picture;
        let ends = packet.marker && self.has_picture;
        self.is_marked |= ends;
        let ends_unit = ends && !self.are_wrong;
        self.has_ended |= ends_unit;
        self.last = Some(now);
        PacketRole { ends_unit, is_repetition }
    }

    /// When the unit ended that the depayloader gives now, if it gives it only because the next one
    /// has begun.
    pub(crate) fn take_end(&mut self) -> Option<Monotonic> {
        self.end.take()
    }

    /// True if a unit's end is known only when the next one begins.
    pub(crate) fn are_wrong(&self) -> bool {
        self.are_wrong
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::rtp::Content;
    use super::*;

    fn start() -> Monotonic {
        Monotonic::from_start(Duration::ZERO)
    }

    /// The kinds of packets of a picture.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Kind {
        Auxiliary,
        /// A slice of this number of packets.
        Slice(u32),
    }

    /// The packets of pictures; a slice's first packet begins the picture if it is the first slice.
    fn packets(pictures: &[Vec<(Kind, bool)>], same_timestamp: bool) -> Vec<Vec<RtpPacket>> {
        let packet = |timestamp, marker, content, begins_picture| RtpPacket {
            sequence_number: 0,
            timestamp,
            marker,
            content,
            begins_picture,
        };
        let picture = |(number, parts): (u32, &Vec<(Kind, bool)>)| {
            let timestamp = if same_timestamp { 7 } else { 3600 * number };
            let mut is_first = true;
            let mut packets = Vec::new();
            for (kind, marker) in parts {
                match *kind {
                    Kind::Auxiliary => packets.push(packet(timestamp, *marker, Content::Auxiliary, false)),
                    Kind::Slice(count) => {
                        for n in 0..count {
                            let begins = std::mem::take(&mut is_first);
                            packets.push(packet(timestamp, *marker && n + 1 == count, Content::Delta, begins));
                        }
                    }
                }
            }
            packets
        };
        (0..).zip(pictures).map(picture).collect()
    }

    /// The markers that remain, picture by picture.
    fn remaining(pictures: &[Vec<(Kind, bool)>], same_timestamp: bool) -> Vec<Vec<bool>> {
        let mut check = MarkerCheck::default();
        packets(pictures, same_timestamp)
            .iter()
            .map(|packets| packets.iter().map(|packet| check.on_packet(packet, start()).ends_unit).collect())
            .collect()
    }

    #[test]
    fn an_sei_with_a_marker_ends_no_unit() {
        let before = vec![(Kind::Auxiliary, true), (Kind::Slice(2), true)];
        assert!(remaining(&vec![before; 9], false).iter().all(|markers| *markers == [false, false, true]));
        let behind = vec![(Kind::Slice(2), false), (Kind::Auxiliary, true)];
        assert!(remaining(&vec![behind; 9], false).iter().all(|markers| *markers == [false, false, true]));
    }

    #[test]
    fn markers_on_every_slice_are_not_believed_after_the_first() {
        let slices = vec![(Kind::Slice(2), true), (Kind::Slice(1), true), (Kind::Slice(1), true)];
        let markers = remaining(&vec![slices; 9], false);
        assert_eq!(markers.concat().iter().filter(|marker| **marker).count(), 1, "{markers:?}");
        let honest = vec![(Kind::Slice(2), false), (Kind::Slice(1), true)];
        let slices = vec![(Kind::Slice(2), true), (Kind::Slice(1), true)];
        let mixed: Vec<_> = [vec![slices; 3], vec![honest; 300]].concat();
        let markers = remaining(&mixed, false);
        assert!(markers[150..].iter().all(|markers| *markers == [false, false, true]), "they are believed again");
    }

    #[test]
    fn parameters_between_slices_are_repetitions() {
        let packet = |timestamp, content, begins_picture| RtpPacket {
            sequence_number: 0,
            timestamp,
            marker: false,
            content,
            begins_picture,
        };
        let mut check = MarkerCheck::default();
        let roles = [0, 0, 0, 0, 3600, 3600].into_iter().enumerate().map(|(n, timestamp)| {
            let is_slice = n % 2 == 1;
            let content = if is_slice { Content::Key } else { Content::Parameters };
            check.on_packet(&packet(timestamp, content, is_slice && n != 3), start()).is_repetition
        });
        assert_eq!(roles.collect::<Vec<_>>(), [false, false, true, false, false, false]);
    }

    #[test]
    fn a_unit_without_a_marker_ended_with_its_own_last_packet() {
        let at = |seconds| Monotonic::from_start(Duration::from_secs(seconds));
        for marks in [true, false] {
            let mut check = MarkerCheck::default();
            for n in 0..4 {
                for packet in &packets(&vec![vec![(Kind::Slice(2), marks)]; 4], false)[n as usize] {
                    check.on_packet(packet, at(4 * n));
                    let expected = (packet.begins_picture && !marks && n > 0).then(|| at(4 * n - 4));
                    assert_eq!(check.take_end(), expected);
                }
            }
        }
    }

    proptest! {
        /// Whatever is around the slices, a unit ends behind its last slice and nowhere else.
        #[test]
        fn true_markers_stay_and_untrue_ones_go(
            pictures in proptest::collection::vec((0usize..3, 1u32..4, 1usize..4, any::<bool>()), 1..60),
            same_timestamp in any::<bool>(),
        ) {
            let made: Vec<_> = pictures
                .iter()
                .map(|(before, slice_packets, slices, marked_sei)| {
                    let mut parts = vec![(Kind::Auxiliary, *marked_sei); *before];
                    parts.extend(vec![(Kind::Slice(*slice_packets), false); *slices]);
                    if let Some(last) = parts.last_mut() {
                        last.1 = true;
                    }
                    parts
                })
                .collect();
            for (n, markers) in remaining(&made, same_timestamp).iter().enumerate() {
                let (last, others) = markers.split_last().expect("a packet");
                // With one timestamp for all, an SEI behind a picture can't be told from one before
                // the next.
                let others = if same_timestamp && n > 0 { &others[pictures[n].0.min(others.len())..] } else { others };
                prop_assert!(*last && others.iter().all(|marker| !marker), "picture {}: {:?}", n, markers);
            }
        }
    }
}
