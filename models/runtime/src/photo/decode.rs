//! Decodes JPEG, PNG and WebP files, and turns them upright.
//!
//! Memory-safe decoders read every file. They refuse truncated and damaged ones, and sizes beyond
//! the limits.

use gatehouse_picture::Size;
use zeroize::Zeroizing;

use super::format::{Format, recognise};
use super::orientation::Orientation;
use super::{PhotoError, PhotoLimits, jpeg_file, png_file, webp_file};

/// An upright picture with even sides.
pub(super) struct Decoded {
    pub(super) size: Size,
    /// Blue, green and red bytes, row by row without padding.
    pub(super) bgr: Zeroizing<Vec<u8>>,
}

/// Decodes a file after checking the size that its header claims.
pub(super) fn decode(file: &[u8], limits: &PhotoLimits) -> Result<Decoded, PhotoError> {
    match recognise(file)? {
        Format::Jpeg => jpeg_file::decode(file, limits),
        Format::Png => png_file::decode(file, limits),
        Format::WebP => webp_file::decode(file, limits),
    }
}

/// Turns a stored picture upright and cuts it to even sides. `stored` gives a pixel by its index.
pub(super) fn upright(
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
