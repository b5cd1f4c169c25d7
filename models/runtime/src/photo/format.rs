//! Recognises a photo's format by its first bytes, whatever the file is called.

use super::PhotoError;

/// A format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Jpeg,
    Png,
    WebP,
}

/// Brands of files in an ISO base media container (ISO/IEC 14496-12), by what people call them.
const BRANDS: [(&str, &[&[u8; 4]]); 4] = [
    ("AVIF", &[b"avif", b"avis"]),
    ("HEIC", &[b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"]),
    ("HEIF", &[b"mif1", b"mif2", b"msf1", b"miaf"]),
    ("a camera's raw format", &[b"crx "]),
];

/// Beginnings of further formats.
const MAGICS: [(&str, &[u8]); 12] = [
    ("GIF", b"GIF87a"),
    ("GIF", b"GIF89a"),
    ("BMP", b"BM"),
    ("TIFF or a camera's raw format", b"II*\0"),
    ("TIFF or a camera's raw format", b"MM\0*"),
    ("TIFF or a camera's raw format", b"II+\0"),
    ("JPEG XL", b"\xff\x0a"),
    ("JPEG XL", b"\0\0\0\x0cJXL "),
    ("JPEG 2000", b"\0\0\0\x0cjP  "),
    ("JPEG 2000", b"\xff\x4f\xff\x51"),
    ("PDF", b"%PDF-"),
    ("Photoshop", b"8BPS"),
];

const HEIF_ADVICE: &str = "convert it to JPEG, for example with `heif-convert PHOTO.heic PHOTO.jpg` (Debian package \
                           libheif-examples), or set the phone to take JPEG (\"Most Compatible\")";
const ADVICE: &str = "save it as JPEG or PNG with the program that shows it";

/// The format of a file. A known one that is not read is an error with its name and a remedy.
pub(super) fn recognise(file: &[u8]) -> Result<Format, PhotoError> {
    if file.starts_with(b"\xff\xd8") {
        return Ok(Format::Jpeg);
    }
    if file.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Ok(Format::Png);
    }
    if file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WEBP") {
        return Ok(Format::WebP);
    }
    if let Some(format) = container(file) {
        let advice = if ["AVIF", "HEIC", "HEIF"].contains(&format) { HEIF_ADVICE } else { ADVICE };
        return Err(PhotoError::OtherFormat { format, advice });
    }
    let known = MAGICS.iter().find(|(_, magic)| file.starts_with(magic));
    Err(known.map_or(PhotoError::UnknownFormat, |(format, _)| PhotoError::OtherFormat { format, advice: ADVICE }))
}

/// The name of a file in an ISO base media container, by the brands of its first box. The major
/// brand of a phone's photo may be a general one, so the compatible ones count as well.
fn container(file: &[u8]) -> Option<&'static str> {
    if file.get(4..8) != Some(b"ftyp") {
        return None;
    }
    let size = file.first_chunk::<4>().map_or(0, |size| u32::from_be_bytes(*size) as usize);
    let brands = file.get(8..size.clamp(12, 256).min(file.len()))?;
    // The second field is a version and no brand.
    let brands = || brands.chunks_exact(4).enumerate().filter(|(index, _)| *index != 1).map(|(_, brand)| brand);
    let named = |of: &[&[u8; 4]]| brands().any(|brand| of.iter().any(|known| brand == known.as_slice()));
    let known = BRANDS.iter().find(|(_, of)| named(of)).map(|(format, _)| *format);
    Some(known.unwrap_or("a video's"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_box(major: &[u8; 4], compatible: &[&[u8; 4]]) -> Vec<u8> {
        let size = (16 + 4 * compatible.len()) as u32;
        let compatible: Vec<u8> = compatible.iter().flat_map(|brand| brand.iter().copied()).collect();
        [&size.to_be_bytes(), b"ftyp", major, &[0; 4], compatible.as_slice(), b"\0\0\0\x20meta"].concat()
    }

    #[test]
    fn formats_that_are_not_read_are_named_with_a_remedy() {
        for (file, expected) in [
            (first_box(b"heic", &[b"mif1", b"heic"]), "is HEIC,"),
            (first_box(b"heix", &[]), "is HEIC,"),
            (first_box(b"mif1", &[b"mif1", b"heic", b"miaf"]), "is HEIC,"),
            (first_box(b"mif1", &[b"mif1", b"avif", b"miaf"]), "is AVIF,"),
            (first_box(b"msf1", &[]), "is HEIF,"),
            (first_box(b"avif", &[b"mif1"]), "is AVIF,"),
            (first_box(b"mp42", &[b"isom"]), "is a video's,"),
            (b"GIF89a\x01\0\x01\0".to_vec(), "is GIF,"),
            (b"BM\x46\0\0\0".to_vec(), "is BMP,"),
            (b"II*\0\x08\0".to_vec(), "is TIFF or a camera's raw format,"),
            (b"MM\0*\0\0".to_vec(), "is TIFF or a camera's raw format,"),
        ] {
            let error = recognise(&file).expect_err(expected).to_string();
            assert!(error.contains(expected) && error.contains("JPEG"), "{error}");
            assert_eq!(
                error.contains("heif-convert"),
                expected.contains("HEI") || expected.contains("AVIF"),
                "{error}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_have_a_format_or_none(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64)) {
            for file in [bytes.clone(), [b"\0\0\0\x18ftyp", bytes.as_slice()].concat()] {
                let _ = recognise(&file);
            }
        }
    }
}
