//! Reads photos for enrolment. A photo comes from anywhere, so its size is read from its header before OpenCV unpacks
//! it: a file of a few kilobytes can claim gigabytes of pixels.
//!
//! Errors don't name the file, for its name may be a person's; the caller knows which one it asked for.

mod header;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use gatehouse_picture::{PictureError, Size, YuvPicture};
use opencv::core::{Mat, MatTraitConst, MatTraitConstManual, MatTraitManual, Rect};
use opencv::{imgcodecs, imgproc};
use zeroize::{Zeroize, Zeroizing};

use crate::planes::{Bgr, to_i32};

/// A photo that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PhotoError {
    /// The file can't be read.
    #[error("the photo can't be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// A file that is too long.
    #[error("the photo's file is longer than the {max} bytes allowed")]
    TooManyBytes {
        /// The limit.
        max: u64,
    },
    /// Neither JPEG nor PNG, or cut off within its header.
    #[error("the photo is no JPEG or PNG file")]
    UnknownFormat,
    /// Too many pixels.
    #[error("the photo has {size} pixels, more than the {max_pixels} allowed")]
    TooLarge {
        /// What its header says.
        size: Size,
        /// The limit.
        max_pixels: usize,
    },
    /// Too few pixels for a face.
    #[error("the photo has {size} pixels, expected {min_side} on each side at least")]
    TooSmall {
        /// What its header says.
        size: Size,
        /// The limit.
        min_side: usize,
    },
    /// Its header is right and the rest is not.
    #[error("the photo can't be decoded: {0}")]
    Undecodable(String),
}

/// What photos are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhotoLimits {
    /// Longest file.
    pub max_bytes: u64,
    /// Most pixels.
    pub max_pixels: usize,
    /// Shortest side in pixels.
    pub min_side: usize,
}

impl Default for PhotoLimits {
    /// 32 MB, 64 million pixels, 112 pixels a side: any camera's photos, and not less than one aligned face.
    fn default() -> Self {
        Self { max_bytes: 32_000_000, max_pixels: 64_000_000, min_side: 112 }
    }
}

/// An I420 picture that owns its planes, one after the other without padding. Overwritten when dropped.
pub struct OwnedI420 {
    size: Size,
    planes: Zeroizing<Vec<u8>>,
}

impl OwnedI420 {
    /// From Y, U and V planes one after the other.
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

/// A photo: its pixels in full colour, and the picture that a camera's video would have of them. Overwritten when dropped.
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
    /// In full colour: for a face, whose embedding is the nearer to the model's own the less was done to the picture.
    pub fn as_picture(&self) -> YuvPicture<'_> {
        let picture = self.as_video();
        let stride = 3 * picture.size().width;
        picture.with_bgr(&self.bgr, stride).unwrap_or_else(|_| unreachable!("as many as the planes' size says"))
    }

    /// As the frame of a camera, its chroma halved (4:2:0): for what stands for a camera's picture.
    pub fn as_video(&self) -> YuvPicture<'_> {
        self.video.as_picture()
    }
}

/// Reads a JPEG or PNG file and turns it upright as its EXIF says. An odd last row or column is left out.
///
/// # Errors
/// If it can't be read or decoded, or goes beyond the limits.
pub fn read_photo(path: &Path, limits: &PhotoLimits) -> Result<Photo, PhotoError> {
    let mut file = Zeroizing::new(Vec::new());
    File::open(path)?.take(limits.max_bytes.saturating_add(1)).read_to_end(&mut file)?;
    if file.len() as u64 > limits.max_bytes {
        return Err(PhotoError::TooManyBytes { max: limits.max_bytes });
    }
    let size = header::size(&file).ok_or(PhotoError::UnknownFormat)?;
    if size.width.saturating_mul(size.height) > limits.max_pixels {
        return Err(PhotoError::TooLarge { size, max_pixels: limits.max_pixels });
    }
    if size.width.min(size.height) < limits.min_side.max(2) {
        return Err(PhotoError::TooSmall { size, min_side: limits.min_side });
    }
    decode(&file).map_err(|error| PhotoError::Undecodable(error.message))
}

fn decode(file: &[u8]) -> opencv::Result<Photo> {
    // Turned by EXIF: OpenCV does so unless asked not to.
    let mut decoded = imgcodecs::imdecode(&Mat::from_slice(file)?, imgcodecs::IMREAD_COLOR)?;
    let photo = photo(&decoded);
    decoded.data_bytes_mut()?.zeroize();
    photo
}

fn photo(decoded: &Mat) -> opencv::Result<Photo> {
    let even = |side: i32| side / 2 * 2;
    let (columns, rows) = (even(decoded.cols()), even(decoded.rows()));
    let broken = |message: String| opencv::Error::new(opencv::core::StsError, message);
    if columns == 0 || rows == 0 {
        return Err(broken("no picture in it".to_owned()));
    }
    let side = |side: i32| usize::try_from(side).map_err(|error| broken(error.to_string()));
    let size = Size { width: side(columns)?, height: side(rows)? };
    let mut pixels = Zeroizing::new(vec![0; size.width * size.height * 3]);
    let mut bgr = Mat::new_rows_cols_with_bytes_mut::<Bgr>(rows, columns, &mut pixels)?;
    Mat::roi(decoded, Rect::new(0, 0, columns, rows))?.copy_to(&mut bgr)?;
    let mut planes = Zeroizing::new(vec![0; size.width * size.height / 2 * 3]);
    let mut yuv = Mat::new_rows_cols_with_bytes_mut::<u8>(to_i32(size.height / 2 * 3)?, columns, &mut planes)?;
    imgproc::cvt_color(&bgr, &mut yuv, imgproc::COLOR_BGR2YUV_I420, 1)?;
    average_chroma(&bgr, size, &mut planes)?;
    let video = OwnedI420::new(size, std::mem::take(&mut *planes)).map_err(|error| broken(error.to_string()))?;
    Ok(Photo { video, bgr: pixels })
}

/// Writes the chroma of four pixels each: OpenCV takes that of the upper left one, which shifts colours against the
/// picture by half a pixel. ITU-R BT.601, limited range.
fn average_chroma(bgr: &impl MatTraitConst, size: Size, planes: &mut [u8]) -> opencv::Result<()> {
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
            // `as` stays within 0–255.
            *u = (128.5 - 0.148_223 * r - 0.290_993 * g + 0.439_216 * b) as u8;
            *v = (128.5 + 0.439_216 * r - 0.367_788 * g - 0.071_427 * b) as u8;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
