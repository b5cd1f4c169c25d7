//! Decodes WebP files, lossy and lossless (RFC 9649).

use std::io::Cursor;

use gatehouse_picture::Size;
use image_webp::WebPDecoder;
use zeroize::Zeroizing;

use super::decode::{Decoded, upright};
use super::orientation::Orientation;
use super::{PhotoError, PhotoLimits};

/// Memory that the decoder may use besides the pixels, for metadata.
const METADATA_BYTES: usize = 4 << 20;

pub(super) fn decode(file: &[u8], limits: &PhotoLimits) -> Result<Decoded, PhotoError> {
    let broken = |reason: &str| PhotoError::Undecodable(reason.to_owned());
    check_length(file)?;
    let mut decoder = WebPDecoder::new(Cursor::new(file)).map_err(|error| broken(&error.to_string()))?;
    let (width, height) = decoder.dimensions();
    let size = limits.check(Size { width: width as usize, height: height as usize })?;
    if decoder.is_animated() {
        return Err(broken("it is an animation, expected one picture"));
    }
    decoder.set_memory_limit(METADATA_BYTES);
    let exif = decoder.exif_metadata().map_err(|error| broken(&error.to_string()))?;
    let orientation = exif.map_or(Orientation::UPRIGHT, |exif| {
        // Some programs write the prefix that Exif has in JPEG files.
        Orientation::read(exif.strip_prefix(b"Exif\0\0").unwrap_or(&exif))
    });
    let too_large = || broken("it is too large for the memory");
    let mut pixels = Zeroizing::new(vec![0; decoder.output_buffer_size().ok_or_else(too_large)?]);
    decoder.read_image(&mut pixels).map_err(|error| broken(&error.to_string()))?;
    // Alpha is dropped.
    let samples = if decoder.has_alpha() { 4 } else { 3 };
    upright(size, orientation, |index| {
        let pixel = pixels.get(index * samples..(index + 1) * samples)?;
        Some([*pixel.get(2)?, *pixel.get(1)?, *pixel.first()?])
    })
}

/// Refuses a file that is shorter than its header says: a decoder may stop before it notices.
fn check_length(file: &[u8]) -> Result<(), PhotoError> {
    let stated = file.get(4..8).and_then(|size| size.first_chunk::<4>()).map(|size| u32::from_le_bytes(*size));
    match stated {
        Some(stated) if file.len() as u64 >= u64::from(stated) + 8 => Ok(()),
        _ => Err(PhotoError::Undecodable("its end is missing".to_owned())),
    }
}
