//! Reads photos: JPEG, PNG and WebP. They are untrusted: memory-safe decoders check them first. The
//! size in the header is checked before decoding, because a few kilobytes can claim gigabytes of
//! pixels.
//!
//! Errors don't name the file, because its name may be a person's.

mod decode;
mod format;
mod jpeg_file;
mod orientation;
mod png_file;
mod webp_file;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use gatehouse_picture::{PictureError, Size, YuvPicture};
use opencv::core::{Mat, MatTraitConstManual};
use opencv::imgproc;
use zeroize::Zeroizing;

use self::decode::{Decoded, decode};
use crate::planes::{Bgr, to_i32};

/// A photo that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PhotoError {
    /// The file can't be read.
    #[error("the photo can't be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// The file is too long.
    #[error("the photo's file is longer than the {max} bytes allowed")]
    TooManyBytes {
        /// The limit.
        max: u64,
    },
    /// None of the formats that are read, or truncated within its header.
    #[error("the photo is no JPEG, PNG or WebP file")]
    UnknownFormat,
    /// A known format that is not read.
    #[error("the photo's format is {format}, which is not read; {advice}")]
    OtherFormat {
        /// What people call it.
        format: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// Too many pixels.
    #[error("the photo has {size} pixels, more than the {max_pixels} allowed")]
    TooLarge {
        /// Size in its header.
        size: Size,
        /// The limit.
        max_pixels: usize,
    },
    /// Too few pixels for a face.
    #[error("the photo has {size} pixels, expected {min_side} on each side at least")]
    TooSmall {
        /// Size in its header.
        size: Size,
        /// The limit.
        min_side: usize,
    },
    /// The header is right, but the rest is truncated or damaged.
    #[error("the photo can't be decoded, it may be truncated or damaged: {0}")]
    Undecodable(String),
}

/// Limits of accepted photos.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhotoLimits {
    /// Longest file in bytes.
    pub max_bytes: u64,
    /// Most pixels.
    pub max_pixels: usize,
    /// Shortest side in pixels.
    pub min_side: usize,
}

impl Default for PhotoLimits {
    /// 32 MB and 64 million pixels hold any camera's photos; 112 pixels a side hold one aligned
    /// face.
    fn default() -> Self {
        Self { max_bytes: 32_000_000, max_pixels: 64_000_000, min_side: 112 }
    }
}

impl PhotoLimits {
    /// Checks the size in a photo's header.
    fn check(&self, size: Size) -> Result<Size, PhotoError> {
        if size.width.saturating_mul(size.height) > self.max_pixels {
            return Err(PhotoError::TooLarge { size, max_pixels: self.max_pixels });
        }
        if size.width.min(size.height) < self.min_side.max(2) {
            return Err(PhotoError::TooSmall { size, min_side: self.min_side });
        }
        Ok(size)
    }
}

/// An I420 picture that owns its planes, in sequence without padding. Overwritten when dropped.
pub struct OwnedI420 {
    size: Size,
    planes: Zeroizing<Vec<u8>>,
}

impl OwnedI420 {
    /// Takes Y, U and V planes in sequence.
    ///
    /// # Errors
    /// If a side is odd or zero, or there are too few bytes.
    pub fn new(size: Size, planes: Vec<u8>) -> Result<Self, PictureError> {
        let planes = Zeroizing::new(planes);
        picture(size, &planes)?;
        Ok(Self { size, planes })
    }

    /// Borrows it as a picture.
    pub fn as_picture(&self) -> YuvPicture<'_> {
        picture(self.size, &self.planes).unwrap_or_else(|_| unreachable!("checked when it was made"))
    }
}

impl std::fmt::Debug for OwnedI420 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OwnedI420({})", self.size)
    }
}

fn picture(size: Size, planes: &[u8]) -> Result<YuvPicture<'_>, PictureError> {
    let chroma = size.width / 2;
    let (y, rest) = planes.split_at((size.width * size.height).min(planes.len()));
    let (u, v) = rest.split_at((chroma * (size.height / 2)).min(rest.len()));
    YuvPicture::i420(size, [y, u, v], [size.width, chroma, chroma])
}

/// A photo in full colour and as a camera's frame. Overwritten when dropped.
pub struct Photo {
    video: OwnedI420,
    /// Blue, green and red bytes, row by row without padding.
    bgr: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Photo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Photo({})", self.video.size)
    }
}

impl Photo {
    /// The picture with full-colour pixels. Face embeddings are best from these.
    pub fn as_picture(&self) -> YuvPicture<'_> {
        let picture = self.as_video();
        let stride = 3 * picture.size().width;
        picture.with_bgr(&self.bgr, stride).unwrap_or_else(|_| unreachable!("as many as the planes' size says"))
    }

    /// The picture as a camera's frame, with halved chroma (4:2:0).
    pub fn as_video(&self) -> YuvPicture<'_> {
        self.video.as_picture()
    }
}

/// Reads a JPEG, PNG or WebP file and turns it upright by its Exif orientation. An odd last row or
/// column is cut off.
///
/// # Errors
/// If the file can't be read or decoded, is truncated, or exceeds a limit.
pub fn read_photo(path: &Path, limits: &PhotoLimits) -> Result<Photo, PhotoError> {
    let mut file = Zeroizing::new(Vec::new());
    File::open(path)?.take(limits.max_bytes.saturating_add(1)).read_to_end(&mut file)?;
    if file.len() as u64 > limits.max_bytes {
        return Err(PhotoError::TooManyBytes { max: limits.max_bytes });
    }
    let Decoded { size, bgr } = decode(&file, limits)?;
    let video = video_of(size, &bgr).map_err(|error| PhotoError::Undecodable(error.message))?;
    Ok(Photo { video, bgr })
}

/// Converts BGR pixels to the frame that a camera would give.
fn video_of(size: Size, bgr: &[u8]) -> opencv::Result<OwnedI420> {
    let (columns, rows) = (to_i32(size.width)?, to_i32(size.height)?);
    let bgr = Mat::new_rows_cols_with_bytes::<Bgr>(rows, columns, bgr)?;
    let mut planes = Zeroizing::new(vec![0; size.width * size.height / 2 * 3]);
    let mut yuv = Mat::new_rows_cols_with_bytes_mut::<u8>(rows / 2 * 3, columns, &mut planes)?;
    imgproc::cvt_color(&bgr, &mut yuv, imgproc::COLOR_BGR2YUV_I420, 1)?;
    average_chroma(&bgr, size, &mut planes)?;
    let broken = |error: PictureError| opencv::Error::new(opencv::core::StsError, error.to_string());
    OwnedI420::new(size, std::mem::take(&mut *planes)).map_err(broken)
}

/// Writes the mean chroma of each 2×2 pixels (ITU-R BT.601, limited range). OpenCV takes the chroma
/// of the upper left pixel, which shifts colours by half a pixel.
fn average_chroma(bgr: &impl MatTraitConstManual, size: Size, planes: &mut [u8]) -> opencv::Result<()> {
    let (_, chroma) = planes.split_at_mut(size.width * size.height);
    let (u, v) = chroma.split_at_mut(chroma.len() / 2);
    let half = size.width / 2;
    let rows = u.chunks_exact_mut(half).zip(v.chunks_exact_mut(half)).take(size.height / 2);
    for ((u, v), row) in rows.zip((0..).step_by(2)) {
        let upper: &[Bgr] = bgr.at_row(row)?;
        let lower: &[Bgr] = bgr.at_row(row + 1)?;
        let blocks = upper.chunks_exact(2).zip(lower.chunks_exact(2));
        for ((u, v), (upper, lower)) in u.iter_mut().zip(v).zip(blocks) {
            let four = upper.iter().chain(lower);
            let [b, g, r] = four.fold([0u32; 3], |sum, pixel| [0, 1, 2].map(|i| sum[i] + u32::from(pixel[i])));
            let [b, g, r] = [b, g, r].map(|sum| sum as f32 / 4.0);
            // `as` saturates at 0 and 255.
            *u = (128.5 - 0.148_223 * r - 0.290_993 * g + 0.439_216 * b) as u8;
            *v = (128.5 + 0.439_216 * r - 0.367_788 * g - 0.071_427 * b) as u8;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
