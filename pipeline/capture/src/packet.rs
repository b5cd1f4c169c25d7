//! What a packet of a camera says of the frame that it is of, by its first bytes: RTP (RFC 3550), with H.264 (RFC 6184) or H.265 (RFC 7798) in it.

use std::ops::RangeInclusive;

use crate::decoder::Codec;

/// What a packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carries {
    /// Of a key frame that begins anew whatever came before it.
    Key,
    /// What describes the frames to come.
    Parameters,
    /// Of a frame that others are needed for.
    Delta,
    /// What is none of these: a frame that the parser takes for a key frame though it isn't one by its type, or what isn't looked into.
    Unusual,
    /// What no frame needs.
    Nothing,
}

/// The second bytes of RTCP's packets, none of which an RTP packet may have where both come on one channel (RFC 5761, 4).
const RTCP: RangeInclusive<u8> = 192..=223;

/// What matters of an RTP packet (RFC 3550, 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) number: u16,
    /// The same for all packets of a frame.
    pub(crate) time: u32,
    /// Whether it is its frame's last, as far as the camera says so.
    pub(crate) ends_frame: bool,
    pub(crate) carries: Carries,
}

impl Packet {
    /// Nothing for what is no packet, or one of RTCP, which may come on the same channel.
    pub(crate) fn of(codec: Codec, bytes: &[u8]) -> Option<Self> {
        let &[flags, kind, n1, n0, t3, t2, t1, t0, ..] = bytes else { return None };
        let mut start = 12 + 4 * usize::from(flags & 15);
        if flags & 16 != 0 {
            let &[_, _, l1, l0] = bytes.get(start..start + 4)? else { return None };
            start += 4 + 4 * usize::from(u16::from_be_bytes([l1, l0]));
        }
        let is_rtp = flags >> 6 == 2 && !RTCP.contains(&kind);
        let payload = bytes.get(start..).filter(|_| is_rtp)?;
        let carries = match codec {
            Codec::H264 => h264(payload),
            Codec::H265 => h265(payload),
        };
        Some(Self {
            number: u16::from_be_bytes([n1, n0]),
            time: u32::from_be_bytes([t3, t2, t1, t0]),
            ends_frame: kind & 128 != 0,
            carries: carries.unwrap_or(Carries::Nothing),
        })
    }
}

/// What a payload carries: one NAL unit, several (STAP-A), or a piece of one (FU-A).
fn h264(payload: &[u8]) -> Option<Carries> {
    match payload.first()? & 31 {
        24 => Some(most_wanted(Units(&payload[1..]).filter_map(h264_unit))),
        28 => {
            let &[_, piece, ref rest @ ..] = payload else { return None };
            Some(h264_kind(piece & 31, (piece & 128 != 0).then_some(rest)))
        }
        _ => h264_unit(payload),
    }
}

fn h264_unit(unit: &[u8]) -> Option<Carries> {
    unit.split_first().map(|(header, rest)| h264_kind(header & 31, Some(rest)))
}

/// By a NAL unit's type (ITU-T H.264, table 7-1); `begins`: what follows its header, where this is its beginning.
fn h264_kind(kind: u8, begins: Option<&[u8]>) -> Carries {
    match kind {
        5 => Carries::Key,
        7 | 8 => Carries::Parameters,
        1 if begins.is_some_and(is_intra) => Carries::Unusual,
        1..=4 => Carries::Delta,
        // Other packets than those above are for streams out of order.
        24.. => Carries::Unusual,
        _ => Carries::Nothing,
    }
}

/// Whether a slice is an I or SI slice by its header: `first_mb_in_slice`, `slice_type` (ITU-T H.264, 7.3.3).
fn is_intra(slice: &[u8]) -> bool {
    let mut bits = Bits { bytes: slice, at: 0 };
    bits.exp_golomb().and_then(|_| bits.exp_golomb()).is_some_and(|kind| [2, 4].contains(&(kind % 5)))
}

/// What a payload carries: one NAL unit, several (AP), or a piece of one (FU).
fn h265(payload: &[u8]) -> Option<Carries> {
    match payload.first()? >> 1 & 63 {
        48 => Some(most_wanted(Units(payload.get(2..)?).filter_map(h265_unit))),
        49 => payload.get(2).map(|piece| h265_kind(piece & 63)),
        _ => h265_unit(payload),
    }
}

fn h265_unit(unit: &[u8]) -> Option<Carries> {
    unit.first().map(|header| h265_kind(header >> 1 & 63))
}

/// By a NAL unit's type (ITU-T H.265, table 7-1).
fn h265_kind(kind: u8) -> Carries {
    match kind {
        16..=21 => Carries::Key,
        32..=34 => Carries::Parameters,
        0..=31 => Carries::Delta,
        48.. => Carries::Unusual,
        _ => Carries::Nothing,
    }
}

fn most_wanted(units: impl Iterator<Item = Carries>) -> Carries {
    let rank = |carries: &Carries| match carries {
        Carries::Unusual => 4,
        Carries::Key => 3,
        Carries::Delta => 2,
        Carries::Parameters => 1,
        Carries::Nothing => 0,
    };
    units.max_by_key(rank).unwrap_or(Carries::Nothing)
}

/// The units of an aggregate, each behind its size. What is cut off is left out.
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

    /// `ue(v)` (ITU-T H.264, 9.1), of 16 bits at most.
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

    fn rtp(number: u16, time: u32, ends_frame: bool, payload: &[u8]) -> Vec<u8> {
        let kind = 96 | u8::from(ends_frame) << 7;
        [&[128, kind][..], &number.to_be_bytes(), &time.to_be_bytes(), &[0; 4], payload].concat()
    }

    fn carries(codec: Codec, payload: &[u8]) -> Option<Carries> {
        Packet::of(codec, &rtp(1, 2, false, payload)).map(|packet| packet.carries)
    }

    #[test]
    fn what_a_packet_carries_is_told_by_its_first_bytes() {
        let aggregate = |units: &[&[u8]]| {
            let sized = units.iter().flat_map(|unit| [&(unit.len() as u16).to_be_bytes()[..], unit].concat());
            [vec![0x78], sized.collect()].concat()
        };
        for (payload, expected) in [
            (KEY.to_vec(), Carries::Key),
            (DELTA.to_vec(), Carries::Delta),
            (INTRA.to_vec(), Carries::Unusual),
            (vec![0x41, 0x20], Carries::Delta), // An I slice's type is 011 behind the 1 of the first macroblock.
            (PARAMETERS.to_vec(), Carries::Parameters),
            (vec![0x09, 0xf0], Carries::Nothing),
            (vec![], Carries::Nothing),
            (vec![0x7d, 0x85, 0, 1, 0x88], Carries::Unusual), // FU-B
            (vec![0x7c, 0x85, 0x88], Carries::Key),
            (vec![0x7c, 0x05], Carries::Key),
            (vec![0x7c, 0x81, 0xb0], Carries::Unusual),
            (vec![0x7c, 0x01, 0xb0], Carries::Delta),
            (aggregate(&[PARAMETERS, &[0x68, 1], &[0x06, 5]]), Carries::Parameters),
            (aggregate(&[PARAMETERS, KEY]), Carries::Key),
            (aggregate(&[&[0x06, 5], DELTA]), Carries::Delta),
        ] {
            assert_eq!(carries(Codec::H264, &payload), Some(expected), "{payload:02x?}");
        }
        for (payload, expected) in [
            (vec![0x26, 1, 0xaf], Carries::Key),
            (vec![0x2a, 1, 0xaf], Carries::Key),
            (vec![0x02, 1, 0xd0], Carries::Delta),
            (vec![0x40, 1, 0x0c], Carries::Parameters),
            (vec![0x4e, 1, 5], Carries::Nothing),
            (vec![0x62, 1, 0x93], Carries::Key),
            (vec![0x62, 1, 0x01], Carries::Delta),
            (vec![0x60, 1, 0, 2, 0x40, 1, 0, 3, 0x26, 1, 0xaf], Carries::Key),
        ] {
            assert_eq!(carries(Codec::H265, &payload), Some(expected), "{payload:02x?}");
        }
    }

    #[test]
    fn what_comes_before_the_payload_is_passed_over() {
        let mut packet = rtp(7, 9, true, &[]);
        packet[0] |= 16 | 1;
        packet.extend([1, 2, 3, 4, 0xbe, 0xde, 0, 1, 5, 6, 7, 8]);
        packet.extend(KEY);
        let expected = Packet { number: 7, time: 9, ends_frame: true, carries: Carries::Key };
        assert_eq!(Packet::of(Codec::H264, &packet), Some(expected));
        let cut_off = packet.len() - KEY.len();
        assert!((0..cut_off).all(|length| Packet::of(Codec::H264, &packet[..length]).is_none()));
        let empty = Packet { carries: Carries::Nothing, ..expected };
        assert_eq!(Packet::of(Codec::H264, &packet[..cut_off]), Some(empty));
        packet[0] &= 63;
        assert_eq!(Packet::of(Codec::H264, &packet), None, "another version");
        let mut report = rtp(7, 9, true, KEY);
        report[1] = 200;
        assert_eq!(Packet::of(Codec::H264, &report), None, "a sender's report");
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            for codec in [Codec::H264, Codec::H265] {
                Packet::of(codec, &bytes);
            }
        }
    }
}
