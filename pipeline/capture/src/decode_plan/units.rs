//! Reads from an access unit's first bytes whether decoding can begin with it.

use crate::codec::Codec;

/// How an access unit depends on others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnitKind {
    /// It refers to no other unit, and none behind it refers to one before it.
    Key,
    /// It refers to no other unit, and its decoder doesn't know that: a picture of I slices that is
    /// marked neither as IDR nor as a recovery point. Counts as a key frame.
    Intra,
    /// A gradual refresh begins: from here on, this number of pictures later they are clean
    /// (recovery point SEI; ITU-T H.264, section D.2.8, and H.265, section D.3.8).
    RecoveryPoint(u32),
    /// It refers to others.
    Delta,
}

impl UnitKind {
    /// True if it can be decoded by itself.
    pub(crate) fn is_key(self) -> bool {
        matches!(self, Self::Key | Self::Intra)
    }
}

/// The kind of an access unit in byte-stream format. `None` if it holds no picture.
pub(crate) fn kind_of(codec: Codec, unit: &[u8]) -> Option<UnitKind> {
    let mut recovery = None;
    for nal in NalUnits(unit) {
        match codec {
            Codec::H264 => match nal.first()? & 31 {
                5 => return Some(UnitKind::Key),
                1 | 2 => {
                    return Some(match (recovery, is_intra(nal.get(1..)?)) {
                        (Some(0), true) => UnitKind::Key,
                        (None, true) => UnitKind::Intra,
                        (Some(pictures), _) => UnitKind::RecoveryPoint(pictures),
                        (None, false) => UnitKind::Delta,
                    });
                }
                6 => recovery = recovery_point(nal.get(1..)?, codec).or(recovery),
                _ => {}
            },
            Codec::H265 => match nal.first()? >> 1 & 63 {
                16..=21 => return Some(UnitKind::Key),
                0..=31 => return Some(recovery.map_or(UnitKind::Delta, UnitKind::RecoveryPoint)),
                39 => recovery = recovery_point(nal.get(2..)?, codec).or(recovery),
                _ => {}
            },
        }
    }
    None
}

/// The NAL units of a byte stream (ITU-T H.264, annex B), each from its header on.
struct NalUnits<'u>(&'u [u8]);

impl<'u> Iterator for NalUnits<'u> {
    type Item = &'u [u8];

    fn next(&mut self) -> Option<&'u [u8]> {
        let begin = self.0.windows(3).position(|bytes| bytes == [0, 0, 1])? + 3;
        let nal = &self.0[begin..];
        self.0 = nal;
        Some(nal)
    }
}

/// True for an I or SI slice, by its header's `first_mb_in_slice` and `slice_type` (ITU-T H.264,
/// section 7.3.3).
pub(super) fn is_intra(slice: &[u8]) -> bool {
    let mut bits = Bits { bytes: slice, at: 0 };
    bits.exp_golomb().and_then(|_| bits.exp_golomb()).is_some_and(|kind| [2, 4].contains(&(kind % 5)))
}

/// The pictures until a recovery point's refresh is complete, if these SEI messages have one.
fn recovery_point(mut messages: &[u8], codec: Codec) -> Option<u32> {
    const RECOVERY_POINT: u32 = 6;
    // At most a few messages: an SEI ends at the next start code, which isn't looked for here.
    for _ in 0..8 {
        let (kind, rest) = sei_number(messages)?;
        let (size, rest) = sei_number(rest)?;
        let size = usize::try_from(size).ok()?;
        if kind == RECOVERY_POINT {
            let mut bits = Bits { bytes: rest, at: 0 };
            let number = bits.exp_golomb()?;
            return Some(match codec {
                Codec::H264 => number,
                // A signed count of pictures in display order; a negative one is complete already.
                Codec::H265 if number % 2 == 1 => number.div_ceil(2),
                Codec::H265 => 0,
            });
        }
        messages = rest.get(size..)?;
        if messages.first() == Some(&0x80) {
            return None;
        }
    }
    None
}

/// A number of an SEI message's header: bytes of 255 and a last one (ITU-T H.264, section
/// 7.3.2.3.1).
fn sei_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let full = bytes.iter().take(64).take_while(|byte| **byte == 255).count();
    let last = *bytes.get(full)?;
    Some((255 * u32::try_from(full).ok()? + u32::from(last), &bytes[full + 1..]))
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

    fn unit(nals: &[&[u8]]) -> Vec<u8> {
        nals.iter().flat_map(|nal| [&[0, 0, 0, 1][..], nal].concat()).collect()
    }

    #[test]
    fn decoding_begins_at_key_frames_and_recovery_points() {
        const AUD: &[u8] = &[0x09, 0xf0];
        const SPS: &[u8] = &[0x67, 0x42];
        const USER_DATA: &[u8] = &[0x06, 5, 3, 1, 2, 3, 0x80];
        let recovery = |bits: u8| vec![0x06, 5, 1, 9, 6, 1, bits, 0x80];
        for (nals, expected) in [
            (vec![AUD, SPS, USER_DATA, &[0x65, 0x88]], Some(UnitKind::Key)),
            (vec![USER_DATA, &[0x41, 0x9a]], Some(UnitKind::Delta)),
            (vec![AUD, &[0x41, 0xb0]], Some(UnitKind::Intra)),
            (vec![USER_DATA], None),
            (vec![SPS], None),
            (vec![], None),
            // A recovery frame count of 0 is `1`, of 4 `00101`.
            (vec![&recovery(0b1000_0000), &[0x41, 0xb0]], Some(UnitKind::Key)),
            (vec![&recovery(0b0010_1000), &[0x41, 0x9a]], Some(UnitKind::RecoveryPoint(4))),
        ] {
            assert_eq!(kind_of(Codec::H264, &unit(&nals)), expected, "{nals:02x?}");
        }
        for (nals, expected) in [
            (vec![&[0x40, 1, 0x0c][..], &[0x26, 1, 0xaf]], Some(UnitKind::Key)),
            (vec![&[0x2a, 1, 0xaf]], Some(UnitKind::Key)),
            (vec![&[0x02, 1, 0xd0]], Some(UnitKind::Delta)),
            (vec![&[0x4e, 1, 6, 1, 0b0011_0000, 0x80], &[0x02, 1, 0xd0]], Some(UnitKind::RecoveryPoint(3))),
        ] {
            assert_eq!(kind_of(Codec::H265, &unit(&nals)), expected, "{nals:02x?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_read_without_panic(
            nals in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..5),
        ) {
            let nals: Vec<_> = nals.iter().map(Vec::as_slice).collect();
            for codec in [Codec::H264, Codec::H265] {
                kind_of(codec, &unit(&nals));
            }
        }
    }
}
