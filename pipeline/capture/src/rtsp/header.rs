//! The header of an RTP packet (RFC 3550, section 5.1).

use std::ops::Range;

use crate::codec::Codec;

/// The fixed part of the header, in bytes.
const FIXED: usize = 12;

/// A packet's header, and where its payload is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) payload_type: u8,
    pub(crate) sequence_number: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    pub(crate) marker: bool,
    /// Without padding.
    pub(crate) payload: Range<usize>,
}

impl Header {
    /// `None` for bytes that are no RTP packet.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let fixed: &[u8; FIXED] = bytes.first_chunk()?;
        let [flags, kind, n1, n0, t3, t2, t1, t0, s3, s2, s1, s0] = *fixed;
        if flags >> 6 != 2 || super::rtcp::is_rtcp(kind) {
            return None;
        }
        let mut start = FIXED + 4 * usize::from(flags & 15);
        if flags & 16 != 0 {
            let &[_, _, l1, l0] = bytes.get(start..)?.first_chunk()?;
            start += 4 + 4 * usize::from(u16::from_be_bytes([l1, l0]));
        }
        let padding = if flags & 32 != 0 { usize::from(*bytes.last()?) } else { 0 };
        let end = bytes.len().checked_sub(padding).filter(|end| *end >= start)?;
        Some(Self {
            payload_type: kind & 127,
            sequence_number: u16::from_be_bytes([n1, n0]),
            timestamp: u32::from_be_bytes([t3, t2, t1, t0]),
            ssrc: u32::from_be_bytes([s3, s2, s1, s0]),
            marker: kind & 128 != 0,
            payload: start..end,
        })
    }
}

/// Removes the padding behind the payload.
pub(crate) fn without_padding<'b>(bytes: &'b mut [u8], header: &Header) -> &'b mut [u8] {
    let bytes = &mut bytes[..header.payload.end];
    bytes[0] &= !32;
    bytes
}

/// Writes the sequence number.
pub(crate) fn renumber(bytes: &mut [u8], sequence_number: u16) {
    bytes[2..4].copy_from_slice(&sequence_number.to_be_bytes());
}

/// True if a payload holds the first part of a picture: parameter sets, a delimiter, SEI, or the
/// first slice from its start.
pub(crate) fn begins_picture(codec: Codec, payload: &[u8]) -> bool {
    match (codec, payload) {
        // STAP-A, FU-A, single (RFC 6184, section 5.2). A slice that begins at macroblock 0 has its
        // first bit set.
        (Codec::H264, [first, rest @ ..]) => match (first & 31, rest) {
            (24, [_, _, unit @ ..]) => begins_picture(codec, unit),
            (28, [fragment, slice, ..]) => fragment & 128 != 0 && slice & 128 != 0,
            (1..=5, [slice, ..]) => slice & 128 != 0,
            (6..=9, _) => true,
            _ => false,
        },
        // AP, FU, single (RFC 7798, section 4.4).
        (Codec::H265, [first, _, rest @ ..]) => match (first >> 1 & 63, rest) {
            (48, [_, _, unit @ ..]) => begins_picture(codec, unit),
            (49, [fragment, slice, ..]) => fragment & 128 != 0 && slice & 128 != 0,
            (0..=31, [slice, ..]) => slice & 128 != 0,
            (32..=35 | 39, _) => true,
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn extensions_sources_and_padding_are_no_payload() {
        let mut packet =
            vec![0x80 | 32 | 16 | 1, 0x80 | 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9, 9, 9, 9, 0xab, 0xac, 0, 1, 8, 8, 8, 8];
        packet.extend([0x65, 0x88, 1, 2, 3, 0, 0, 3]);
        let header = Header::parse(&packet).unwrap();
        assert_eq!((header.payload_type, header.sequence_number, header.timestamp, header.ssrc), (96, 1, 2, 3));
        assert!(header.marker && packet[header.payload.clone()] == [0x65, 0x88, 1, 2, 3]);
        let bytes = without_padding(&mut packet, &header);
        renumber(bytes, 500);
        let header = Header::parse(bytes).unwrap();
        assert!(header.marker && header.sequence_number == 500 && header.payload.len() == 5);
        packet[20] = 0;
        assert_eq!(Header::parse(&[0x80, 200, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0]), None, "a sender report");
        assert_eq!(Header::parse(&[0xa0, 96, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 7]), None, "more padding than bytes");
    }

    #[test]
    fn first_slices_differ_from_others() {
        let h264 = |payload: &[u8]| begins_picture(Codec::H264, payload);
        for first in
            [&[0x67, 0x42][..], &[9, 0xf0], &[6, 5], &[0x65, 0x88], &[0x7c, 0x85, 0x88], &[0x78, 0, 2, 0x67, 0x42]]
        {
            assert!(h264(first), "{first:?}");
        }
        for later in [&[0x65, 0x08][..], &[0x7c, 0x05, 0x88], &[0x7c, 0x85, 0x08], &[0x41], &[]] {
            assert!(!h264(later), "{later:?}");
        }
        assert!(begins_picture(Codec::H265, &[0x26, 1, 0xaf]) && begins_picture(Codec::H265, &[0x62, 1, 0x93, 0xaf]));
        assert!(!begins_picture(Codec::H265, &[0x26, 1, 0x2f]) && !begins_picture(Codec::H265, &[0x62, 1, 0x13, 0xaf]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(header) = Header::parse(&bytes) {
                let mut bytes = bytes;
                let length = without_padding(&mut bytes, &header).len();
                prop_assert_eq!(length, header.payload.end);
                begins_picture(Codec::H264, &bytes[header.payload.clone()]);
                begins_picture(Codec::H265, &bytes[header.payload]);
            }
        }
    }
}
