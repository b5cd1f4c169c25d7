//! Decodes JPEG and PNG files, and turns them upright.
//!
//! Memory-safe decoders read every file first. They refuse truncated and damaged ones, and sizes
//! beyond the limits. libjpeg then decodes a JPEG once more, because scores of faces depend on its
//! exact pixels.

use std::io::{self, Cursor};
use std::panic::catch_unwind;

use gatehouse_picture::Size;
use mozjpeg::{ColorSpace, Decompress};
use png::{ColorType, Transformations};
use zeroize::Zeroizing;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::orientation::Orientation;
use super::{PhotoError, PhotoLimits};

const JPEG_MAGIC: &[u8] = b"\xff\xd8";
const PNG_MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";

/// An upright picture with even sides.
pub(super) struct Decoded {
    pub(super) size: Size,
    /// Blue, green and red bytes, row by row without padding.
    pub(super) bgr: Zeroizing<Vec<u8>>,
}

/// Decodes a file after checking the size that its header claims.
pub(super) fn decode(file: &[u8], limits: &PhotoLimits) -> Result<Decoded, PhotoError> {
    if file.starts_with(JPEG_MAGIC) {
        decode_jpeg(file, limits)
    } else if file.starts_with(PNG_MAGIC) {
        decode_png(file, limits)
    } else {
        Err(PhotoError::UnknownFormat)
    }
}

fn decode_jpeg(file: &[u8], limits: &PhotoLimits) -> Result<Decoded, PhotoError> {
    let most = usize::from(u16::MAX);
    // Strict: a truncated file is an error, not a picture with a grey part.
    let options = DecoderOptions::default().set_strict_mode(true).set_max_width(most).set_max_height(most);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(|_| PhotoError::UnknownFormat)?;
    let (width, height) = decoder.dimensions().ok_or(PhotoError::UnknownFormat)?;
    let size = limits.check(Size { width, height })?;
    let orientation = decoder.exif().map_or(Orientation::UPRIGHT, |exif| Orientation::read(exif));
    drop(Zeroizing::new(decoder.decode().map_err(|error| PhotoError::Undecodable(error.to_string()))?));
    let pixels = decode_by_libjpeg(file).map_err(|error| PhotoError::Undecodable(error.to_string()))?;
    upright(size, orientation, |index| pixels.get(index).copied())
}

/// Decodes a checked JPEG as stored, to blue, green and red bytes.
///
/// zune-jpeg's own pixels differ: they moved the liveness score of a photo of the golden results by
/// 0.09, and the cosine of two photos by 0.003.
fn decode_by_libjpeg(file: &[u8]) -> io::Result<Zeroizing<Vec<[u8; 3]>>> {
    let decode = || {
        let mut decoder = Decompress::new_mem(file)?.to_colorspace(ColorSpace::JCS_EXT_BGR)?;
        let mut pixels = Zeroizing::new(vec![[0; 3]; decoder.width() * decoder.height()]);
        decoder.read_scanlines_into(&mut pixels)?;
        decoder.finish()?;
        Ok(pixels)
    };
    // The library unwinds where a file is broken.
    catch_unwind(decode).unwrap_or_else(|_| Err(io::Error::other("libjpeg can't read it")))
}

fn decode_png(file: &[u8], limits: &PhotoLimits) -> Result<Decoded, PhotoError> {
    let broken = |error: png::DecodingError| PhotoError::Undecodable(error.to_string());
    let mut decoder = png::Decoder::new(Cursor::new(file));
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
    // Alpha is dropped.
    let samples = reader.output_color_type().0.samples();
    let bgr = |pixel: &[u8]| match reader.output_color_type().0 {
        ColorType::Rgb | ColorType::Rgba => Some([*pixel.get(2)?, *pixel.get(1)?, *pixel.first()?]),
        _ => Some([*pixel.first()?; 3]),
    };
    upright(size, orientation, |index| bgr(pixels.get(index * samples..(index + 1) * samples)?))
}

/// Turns a stored picture upright and cuts it to even sides. `stored` gives a pixel by its index.
fn upright(
    size: Size,
    orientation: Orientation,
    stored: impl Fn(usize) -> Option<[u8; 3]>,
) -> Result<Decoded, PhotoError> {
    let turned = orientation.upright_size(size);
    let even = Size { width: turned.width / 2 * 2, height: turned.height / 2 * 2 };
    let mut bgr = Zeroizing::new(Vec::with_capacity(even.width * even.height * 3));
    for y in 0..even.height {
        for x in 0..even.width {
            let (column, row) = orientation.stored_place(size, x, y);
            let missing = || PhotoError::Undecodable("pixels are missing".to_owned());
            bgr.extend(stored(row * size.width + column).ok_or_else(missing)?);
        }
    }
    Ok(Decoded { size: even, bgr })
}
