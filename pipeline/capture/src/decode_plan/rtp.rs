//! Reads what an RTP packet (RFC 3550) carries, by its first bytes: H.264 (RFC 6184) or H.265
//! (RFC 7798).

use std::ops::RangeInclusive;

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
}

impl RtpPacket {
    /// `None` for bytes that are no RTP packet, as an RTCP packet on the same channel.
    pub(crate) fn parse(codec: Codec, bytes: &[u8]) -> Option<Self> {
        let &[flags, kind, n1, n0, t3, t2, t1, t0, ..] = bytes else { return None };
        let mut start = 12 + 4 * usize::from(flags & 15);
        if flags & 16 != 0 {
            let &[_, _, l1, l0] = bytes.get(start..start + 4)? else { return None };
            start += 4 + 4 * usize::from(u16::from_be_bytes([l1, l0]));
        }
        let is_rtp = flags >> 6 == 2 && !RTCP.contains(&kind);
        let payload = bytes.get(start..).filter(|_| is_rtp)?;
        let content = match codec {
            Codec::H264 => h264(payload),
            Codec::H265 => h265(payload),
        };
        Some(Self {
            sequence_number: u16::from_be_bytes([n1, n0]),
            timestamp: u32::from_be_bytes([t3, t2, t1, t0]),
            marker: kind & 128 != 0,
            content: content.unwrap_or(Content::Auxiliary),
        })
    }
}

/// A payload is one NAL unit, several (STAP-A), or a fragment of one (FU-A).
fn h264(payload: &[u8]) -> Option<Content> {
    match payload.first()? & 31 {
        24 => Some(most_important(Units(&payload[1..]).filter_map(h264_unit))),
        28 => {
            let &[_, fragment, ref rest @ ..] = payload else { return None };
            Some(h264_content(fragment & 31, (fragment & 128 != 0).then_some(rest)))
        }
        _ => h264_unit(payload),
    }
}

fn h264_unit(unit: &[u8]) -> Option<Content> {
    unit.split_first().map(|(header, rest)| h264_content(header & 31, Some(rest)))
}

/// By the NAL unit's type (ITU-T H.264, table 7-1). `body`: the bytes behind its header, if these
/// are its first.
fn h264_content(unit_type: u8, body: Option<&[u8]>) -> Content {
    match unit_type {
        5 => Content::Key,
        7 | 8 => Content::Parameters,
        1 if body.is_some_and(is_intra) => Content::Unusual,
        1..=4 => Content::Delta,
        // Other packets than those above are for interleaved streams.
        24.. => Content::Unusual,
        _ => Content::Auxiliary,
    }
}

/// True for an I or SI slice, by its header's `first_mb_in_slice` and `slice_type` (ITU-T H.264,
/// section 7.3.3).
fn is_intra(slice: &[u8]) -> bool {
    let mut bits = Bits { bytes: slice, at: 0 };
    bits.exp_golomb().and_then(|_| bits.exp_golomb()).is_some_and(|kind| [2, 4].contains(&(kind % 5)))
}

/// A payload is one NAL unit, several (AP), or a fragment of one (FU).
fn h265(payload: &[u8]) -> Option<Content> {
    match payload.first()? >> 1 & 63 {
        48 => Some(most_important(Units(payload.get(2..)?).filter_map(h265_unit))),
        49 => payload.get(2).map(|fragment| h265_content(fragment & 63)),
        _ => h265_unit(payload),
    }
}

fn h265_unit(unit: &[u8]) -> Option<Content> {
    unit.first().map(|header| h265_content(header >> 1 & 63))
}

/// By the NAL unit's type (ITU-T H.265, table 7-1).
fn h265_content(unit_type: u8) -> Content {
    match unit_type {
        16..=21 => Content::Key,
        32..=34 => Content::Parameters,
        0..=31 => Content::Delta,
        48.. => Content::Unusual,
        _ => Content::Auxiliary,
    }
}

fn most_important(units: impl Iterator<Item = Content>) -> Content {
    let rank = |content: &Content| match content {
        Content::Unusual => 4,
        Content::Key => 3,
        Content::Delta => 2,
        Content::Parameters => 1,
        Content::Auxiliary => 0,
    };
    units.max_by_key(rank).unwrap_or(Content::Auxiliary)
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

/// Reads bits, most significant first.
struct Bits<'p> {
    bytes: &'p [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<u32> {
        let bit = self.bytes.get(self.at / 8)? >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit.into())
    }

    /// `ue(v)` (ITU-T H.264, section 9.1), of at most 16 bits.
    fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
        }
        (zeros <= 16).then_some(())?;
        (0..zeros).try_fold(1, |value, _| Some(value << 1 | self.bit()?)).map(|value| value - 1)
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
    fn header_extensions_and_other_protocols_are_recognised() {
        let mut packet = rtp(7, 9, true, &[]);
        packet[0] |= 16 | 1;
        packet.extend([1, 2, 3, 4, 0xbe, 0xde, 0, 1, 5, 6, 7, 8]);
        packet.extend(KEY);
        let expected = RtpPacket { sequence_number: 7, timestamp: 9, marker: true, content: Content::Key };
        assert_eq!(RtpPacket::parse(Codec::H264, &packet), Some(expected));
        let cut_off = packet.len() - KEY.len();
        assert!((0..cut_off).all(|length| RtpPacket::parse(Codec::H264, &packet[..length]).is_none()));
        let empty = RtpPacket { content: Content::Auxiliary, ..expected };
        assert_eq!(RtpPacket::parse(Codec::H264, &packet[..cut_off]), Some(empty));
        packet[0] &= 63;
        assert_eq!(RtpPacket::parse(Codec::H264, &packet), None, "another version");
        let mut report = rtp(7, 9, true, KEY);
        report[1] = 200;
        assert_eq!(RtpPacket::parse(Codec::H264, &report), None, "a sender report");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_parsed_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            for codec in [Codec::H264, Codec::H265] {
                RtpPacket::parse(codec, &bytes);
            }
        }
    }
}
