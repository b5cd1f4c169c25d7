//! The size that a JPEG or PNG file claims.

use gatehouse_picture::Size;

/// Columns and rows as stored, before any turning by EXIF; none if it is neither format or its header is cut off.
pub(super) fn size(file: &[u8]) -> Option<Size> {
    png(file).or_else(|| jpeg(file))
}

/// The IHDR chunk, which the format puts first (ISO/IEC 15948, 11.2.2).
fn png(file: &[u8]) -> Option<Size> {
    let header = file.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(4..)?.strip_prefix(b"IHDR")?;
    let number = |at: usize| usize::try_from(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?)).ok();
    Some(Size { width: number(0)?, height: number(4)? })
}

/// The frame header, found by walking the segments before it (ITU-T T.81, B.2.2).
fn jpeg(file: &[u8]) -> Option<Size> {
    let mut rest = file.strip_prefix(b"\xff\xd8")?;
    loop {
        rest = rest.strip_prefix(b"\xff")?;
        let marker = *rest.first()?;
        rest = &rest[1..];
        let number = |at: usize| Some(usize::from(u16::from_be_bytes(rest.get(at..at + 2)?.try_into().ok()?)));
        match marker {
            // A fill byte before the marker proper.
            0xff => rest = file.get(file.len() - rest.len() - 1..)?,
            // Start of frame of any kind; C4, C8 and CC are tables and an extension.
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                return Some(Size { width: number(5)?, height: number(3)? });
            }
            // Pictures begin, or end, without a frame header.
            0xd8..=0xda => return None,
            _ => rest = rest.get(number(0)?..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xc4\0\x03x\xff\xc2\0\x11\x08\x01\x02\x03\x04\x03";
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x03\x04\0\0\x01\x02\x08";

    #[test]
    fn both_headers_give_columns_and_rows() {
        let wanted = Some(Size { width: 0x304, height: 0x102 });
        assert_eq!(size(JPEG), wanted);
        assert_eq!(size(PNG), wanted);
    }

    #[test]
    fn a_cut_header_gives_nothing() {
        for whole in [&JPEG[..JPEG.len() - 1], &PNG[..PNG.len() - 1]] {
            assert!((0..whole.len()).all(|end| size(&whole[..end]).is_none()));
        }
        assert_eq!(size(b"GIF89a\x10\0\x10\0"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_hang_or_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            size(&bytes);
            size(&[b"\xff\xd8".as_slice(), &bytes].concat());
            size(&[b"\x89PNG\r\n\x1a\n".as_slice(), &bytes].concat());
        }
    }
}
