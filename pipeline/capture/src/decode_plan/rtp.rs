//! Reads what an RTP packet (RFC 3550) carries, by its first bytes: H.264 (RFC 6184) or H.265
//! (RFC 7798).

use std::ops::RangeInclusive;

use super::markers::PacketRole;
use super::units::is_intra;
use crate::codec::Codec;

/// The content of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Part of a key frame that refers to nothing before it.
    Key,
    /// Parameter sets of the frames to come.
    Parameters,
    /// Part of a frame that refers to others.
    Delta,
    /// Content that the parser takes for a key frame though its type says otherwise, or that is not
    /// examined.
    Unusual,
    /// Content that no frame needs: SEI, delimiters, filler.
    Auxiliary,
}

/// The second bytes of RTCP packets. No RTP packet may have them where both share a channel
/// (RFC 5761, section 4).
const RTCP: RangeInclusive<u8> = 192..=223;

/// The fields of an RTP packet that matter here (RFC 3550, section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RtpPacket {
    pub(crate) sequence_number: u16,
    /// Ticks of 90 kHz; the same for all packets of an access unit.
    pub(crate) timestamp: u32,
    /// True for the last packet of an access unit, if the camera sets it.
    pub(crate) marker: bool,
    pub(crate) content: Content,
    /// True if it holds the beginning of a picture's first slice.
    pub(crate) begins_picture: bool,
}

/// What a payload or a NAL unit carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    content: Content,
    begins_picture: bool,
}

impl RtpPacket {
    /// `None` for bytes that are no RTP packet, as an RTCP packet on the same channel.
    pub(crate) fn parse(codec: Codec, bytes: &[u8]) -> Option<Self> {
        let &[flags, kind, n1, n0, t3, t2, t1, t0, ..] = bytes else { return None };
        let start = payload_start(bytes)?;
        let is_rtp = flags >> 6 == 2 && !RTCP.contains(&kind);
        let payload = bytes.get(start..).filter(|_| is_rtp)?;
        let part = match codec {
            Codec::H264 => h264(payload),
            Codec::H265 => h265(payload),
        };
        let Part { content, begins_picture } = part.unwrap_or(AUXILIARY);
        Some(Self {
            sequence_number: u16::from_be_bytes([n1, n0]),
            timestamp: u32::from_be_bytes([t3, t2, t1, t0]),
            marker: kind & 128 != 0,
            content,
            begins_picture,
        })
    }

    /// True if it holds part of a picture, and not only parameters or content that no frame needs.
    pub(crate) fn is_picture(&self) -> bool {
        matches!(self.content, Content::Key | Content::Delta | Content::Unusual)
    }
}

/// Where an RTP packet's payload begins (RFC 3550, sections 5.1 and 5.3.1).
fn payload_start(bytes: &[u8]) -> Option<usize> {
    let flags = bytes.first()?;
    let start = 12 + 4 * usize::from(flags & 15);
    if flags & 16 == 0 {
        return Some(start);
    }
    let &[_, _, l1, l0] = bytes.get(start..start + 4)? else { return None };
    Some(start + 4 + 4 * usize::from(u16::from_be_bytes([l1, l0])))
}

/// Changes a packet to what it is to its access unit: its marker, and parameter sets that are
/// repeated within a picture into filler data, which every decoder skips (ITU-T H.264, section
/// 7.4.2.7; H.265, section 7.4.3.8).
pub(crate) fn mend(codec: Codec, bytes: &mut [u8], role: PacketRole) {
    if let Some(kind) = bytes.get_mut(1) {
        *kind = *kind & 127 | u8::from(role.ends_unit) << 7;
    }
    if role.is_repetition
        && let Some(header) = payload_start(bytes).and_then(|start| bytes.get_mut(start))
    {
        *header = match codec {
            Codec::H264 => 12,
            Codec::H265 => 38 << 1,
        };
    }
}

const AUXILIARY: Part = Part { content: Content::Auxiliary, begins_picture: false };

/// A payload is one NAL unit, several (STAP-A), or a fragment of one (FU-A).
fn h264(payload: &[u8]) -> Option<Part> {
    match payload.first()? & 31 {
        24 => Some(joined(Units(&payload[1..]).filter_map(h264_unit))),
        28 => {
            let &[_, fragment, ref rest @ ..] = payload else { return None };
            Some(h264_part(fragment & 31, (fragment & 128 != 0).then_some(rest)))
        }
        _ => h264_unit(payload),
    }
}

fn h264_unit(unit: &[u8]) -> Option<Part> {
    unit.split_first().map(|(header, rest)| h264_part(header & 31, Some(rest)))
}

/// By the NAL unit's type (ITU-T H.264, table 7-1). `body`: the bytes behind its header, if these
/// are its first.
fn h264_part(unit_type: u8, body: Option<&[u8]>) -> Part {
    let content = match unit_type {
        5 => Content::Key,
        7 | 8 => Content::Parameters,
        1 if body.is_some_and(is_intra) => Content::Unusual,
        1..=4 => Content::Delta,
        // Other packets than those above are for interleaved streams.
        24.. => Content::Unusual,
        _ => Content::Auxiliary,
    };
    // `first_mb_in_slice` is 0, which is written as a single 1 (section 7.3.3).
    let begins_picture = matches!(unit_type, 1 | 2 | 5) && body.is_some_and(begins_with_one);
    Part { content, begins_picture }
}

fn begins_with_one(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| first & 128 != 0)
}

/// A payload is one NAL unit, several (AP), or a fragment of one (FU).
fn h265(payload: &[u8]) -> Option<Part> {
    match payload.first()? >> 1 & 63 {
        48 => Some(joined(Units(payload.get(2..)?).filter_map(h265_unit))),
        49 => {
            let fragment = *payload.get(2)?;
            let body = payload.get(3..).filter(|_| fragment & 128 != 0);
            Some(h265_part(fragment & 63, body))
        }
        _ => h265_unit(payload),
    }
}

fn h265_unit(unit: &[u8]) -> Option<Part> {
    unit.first().map(|header| h265_part(header >> 1 & 63, unit.get(2..)))
}

/// By the NAL unit's type (ITU-T H.265, table 7-1). `body` as for H.264.
fn h265_part(unit_type: u8, body: Option<&[u8]>) -> Part {
    let content = match unit_type {
        16..=21 => Content::Key,
        32..=34 => Content::Parameters,
        0..=31 => Content::Delta,
        48.. => Content::Unusual,
        _ => Content::Auxiliary,
    };
    // `first_slice_segment_in_pic_flag` (section 7.3.6.1).
    Part { content, begins_picture: unit_type < 32 && body.is_some_and(begins_with_one) }
}

/// The most important content of several units.
fn joined(units: impl Iterator<Item = Part>) -> Part {
    let rank = |content: Content| match content {
        Content::Unusual => 4,
        Content::Key => 3,
        Content::Delta => 2,
        Content::Parameters => 1,
        Content::Auxiliary => 0,
    };
    units.fold(AUXILIARY, |all, unit| Part {
        content: if rank(unit.content) > rank(all.content) { unit.content } else { all.content },
        begins_picture: all.begins_picture || unit.begins_picture,
    })
}

/// The units of an aggregation packet, each behind its size. A unit that is cut off is left out.
struct Units<'p>(&'p [u8]);

impl<'p> Iterator for Units<'p> {
    type Item = &'p [u8];

    fn next(&mut self) -> Option<&'p [u8]> {
        let (size, rest) = self.0.split_first_chunk()?;
        let (unit, rest) = rest.split_at_checked(u16::from_be_bytes(*size).into())?;
        self.0 = rest;
        Some(unit)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &[u8] = &[0x65, 0x88];
    const DELTA: &[u8] = &[0x41, 0x9a];
    const INTRA: &[u8] = &[0x41, 0xb0];
    const PARAMETERS: &[u8] = &[0x67, 0x42];

    fn rtp(sequence_number: u16, timestamp: u32, marker: bool, payload: &[u8]) -> Vec<u8> {
        let kind = 96 | u8::from(marker) << 7;
        [&[128, kind][..], &sequence_number.to_be_bytes(), &timestamp.to_be_bytes(), &[0; 4], payload].concat()
    }

    fn content(codec: Codec, payload: &[u8]) -> Option<Content> {
        RtpPacket::parse(codec, &rtp(1, 2, false, payload)).map(|packet| packet.content)
    }

    #[test]
    fn content_is_read_from_the_first_bytes() {
        let aggregate = |units: &[&[u8]]| {
            let sized = units.iter().flat_map(|unit| [&(unit.len() as u16).to_be_bytes()[..], unit].concat());
            [vec![0x78], sized.collect()].concat()
        };
        for (payload, expected) in [
            (KEY.to_vec(), Content::Key),
            (DELTA.to_vec(), Content::Delta),
            (INTRA.to_vec(), Content::Unusual),
            (vec![0x41, 0x20], Content::Delta), // An I slice's type is 011 behind the 1 of the first macroblock.
            (PARAMETERS.to_vec(), Content::Parameters),
            (vec![0x09, 0xf0], Content::Auxiliary),
            (vec![], Content::Auxiliary),
            (vec![0x7d, 0x85, 0, 1, 0x88], Content::Unusual), // FU-B
            (vec![0x7c, 0x85, 0x88], Content::Key),
            (vec![0x7c, 0x05], Content::Key),
            (vec![0x7c, 0x81, 0xb0], Content::Unusual),
            (vec![0x7c, 0x01, 0xb0], Content::Delta),
            (aggregate(&[PARAMETERS, &[0x68, 1], &[0x06, 5]]), Content::Parameters),
            (aggregate(&[PARAMETERS, KEY]), Content::Key),
            (aggregate(&[&[0x06, 5], DELTA]), Content::Delta),
        ] {
            assert_eq!(content(Codec::H264, &payload), Some(expected), "{payload:02x?}");
        }
        for (payload, expected) in [
            (vec![0x26, 1, 0xaf], Content::Key),
            (vec![0x2a, 1, 0xaf], Content::Key),
            (vec![0x02, 1, 0xd0], Content::Delta),
            (vec![0x40, 1, 0x0c], Content::Parameters),
            (vec![0x4e, 1, 5], Content::Auxiliary),
            (vec![0x62, 1, 0x93], Content::Key),
            (vec![0x62, 1, 0x01], Content::Delta),
            (vec![0x60, 1, 0, 2, 0x40, 1, 0, 3, 0x26, 1, 0xaf], Content::Key),
        ] {
            assert_eq!(content(Codec::H265, &payload), Some(expected), "{payload:02x?}");
        }
    }

    #[test]
    fn the_beginning_of_a_picture_is_recognised() {
        let begins = |codec, payload: &[u8]| {
            RtpPacket::parse(codec, &rtp(1, 2, false, payload)).is_some_and(|packet| packet.begins_picture)
        };
        for (payload, expected) in [
            (KEY, true),
            (DELTA, true),
            (&[0x41, 0x40][..], false),                    // a second slice
            (&[0x7c, 0x85, 0x88], true),                   // FU-A, its start
            (&[0x7c, 0x05, 0x88], false),                  // FU-A, a later part
            (&[0x78, 0, 2, 6, 5, 0, 2, 0x41, 0x9a], true), // STAP-A of an SEI and a slice
            (PARAMETERS, false),
            (&[0x06, 0x85], false),
        ] {
            assert_eq!(begins(Codec::H264, payload), expected, "{payload:02x?}");
        }
        for (payload, expected) in [
            (&[0x26, 1, 0xaf][..], true),
            (&[0x26, 1, 0x2f], false),
            (&[0x62, 1, 0x93, 0xaf], true),
            (&[0x62, 1, 0x13, 0xaf], false),
            (&[0x4e, 1, 0x85], false),
        ] {
            assert_eq!(begins(Codec::H265, payload), expected, "{payload:02x?}");
        }
    }

    #[test]
    fn header_extensions_and_other_protocols_are_recognised() {
        let mut packet = rtp(7, 9, true, &[]);
        packet[0] |= 16 | 1;
        packet.extend([1, 2, 3, 4, 0xbe, 0xde, 0, 1, 5, 6, 7, 8]);
        packet.extend(KEY);
        let expected =
            RtpPacket { sequence_number: 7, timestamp: 9, marker: true, content: Content::Key, begins_picture: true };
        assert_eq!(RtpPacket::parse(Codec::H264, &packet), Some(expected));
        let cut_off = packet.len() - KEY.len();
        assert!((0..cut_off).all(|length| RtpPacket::parse(Codec::H264, &packet[..length]).is_none()));
        let empty = RtpPacket { content: Content::Auxiliary, begins_picture: false, ..expected };
        assert_eq!(RtpPacket::parse(Codec::H264, &packet[..cut_off]), Some(empty));
        packet[0] &= 63;
        assert_eq!(RtpPacket::parse(Codec::H264, &packet), None, "another version");
        let mut report = rtp(7, 9, true, KEY);
        report[1] = 200;
        assert_eq!(RtpPacket::parse(Codec::H264, &report), None, "a sender report");
    }

    #[test]
    fn a_mended_packet_says_what_it_is() {
        for (codec, payload) in [(Codec::H264, PARAMETERS), (Codec::H265, &[0x40, 1, 0x0c])] {
            let mut packet = rtp(7, 9, true, payload);
            mend(codec, &mut packet, PacketRole { ends_unit: false, is_repetition: true });
            let parsed = RtpPacket::parse(codec, &packet).expect("still RTP");
            assert_eq!((parsed.content, parsed.marker), (Content::Auxiliary, false));
            let mut packet = rtp(7, 9, true, payload);
            mend(codec, &mut packet, PacketRole { ends_unit: true, is_repetition: false });
            assert_eq!(packet, rtp(7, 9, true, payload));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_parsed_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            for codec in [Codec::H264, Codec::H265] {
                RtpPacket::parse(codec, &bytes);
                mend(codec, &mut bytes.clone(), PacketRole { ends_unit: true, is_repetition: true });
            }
        }
    }
}
