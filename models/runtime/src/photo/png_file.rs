//! Decodes PNG files.

use std::io::Cursor;

use gatehouse_picture::Size;
use png::{ColorType, DecodeOptions, Transformations};
use zeroize::Zeroizing;

use super::decode::{Decoded, upright};
use super::orientation::Orientation;
use super::{PhotoError, PhotoLimits};

pub(super) fn decode(file: &[u8], limits: &PhotoLimits) -> Result<Decoded, PhotoError> {
    let broken = |error: png::DecodingError| PhotoError::Undecodable(error.to_string());
    // Every checksum counts, also those that the library skips if it is not asked.
    let mut options = DecodeOptions::default();
    options.set_ignore_checksums(false);
    options.set_skip_ancillary_crc_failures(false);
    let mut decoder = png::Decoder::new_with_options(Cursor::new(file), options);
    decoder.set_transformations(Transformations::normalize_to_color8());
    let header = decoder.read_header_info().map_err(|_| PhotoError::UnknownFormat)?;
    let size = Size { width: header.width as usize, height: header.height as usize };
    limits.check(size)?;
    let mut reader = decoder.read_info().map_err(broken)?;
    let exif = reader.info().exif_metadata.as_deref();
    let orientation = exif.map_or(Orientation::UPRIGHT, Orientation::read);
    let too_large = || PhotoError::Undecodable("it is too large for the memory".to_owned());
    let mut pixels = Zeroizing::new(vec![0; reader.output_buffer_size().ok_or_else(too_large)?]);
    reader.next_frame(&mut pixels).map_err(broken)?;
    // To the last chunk: a file may have been cut behind its last pixel.
    reader.finish().map_err(broken)?;
    // Alpha is dropped.
    let samples = reader.output_color_type().0.samples();
    let bgr = |pixel: &[u8]| match reader.output_color_type().0 {
        ColorType::Rgb | ColorType::Rgba => Some([*pixel.get(2)?, *pixel.get(1)?, *pixel.first()?]),
        _ => Some([*pixel.first()?; 3]),
    };
    upright(size, orientation, |index| bgr(pixels.get(index * samples..(index + 1) * samples)?))
}
