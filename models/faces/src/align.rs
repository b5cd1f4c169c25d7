//! Aligns a face: warps it so that its landmarks lie where the embedder expects them.

use std::fmt;

use gatehouse_picture::{PixelFormat, Plane, Point, Size, YuvPicture};
use gatehouse_runtime::{ModelError, PixelKind, Warp};
use ndarray::ArrayView3;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::error::FaceError;

/// Side of an aligned face in pixels.
pub const ALIGNED_SIDE: usize = 112;
const PIXELS: usize = ALIGNED_SIDE * ALIGNED_SIDE;

/// Landmarks of an aligned face: ArcFace's template (Deng et al., 2019) for 112 × 112 pixels.
/// The person's right eye, left eye, tip of the nose, right and left corner of the mouth.
pub const TEMPLATE_IN_CROP: [Point; 5] = [
    Point { x: 38.2946, y: 51.6963 },
    Point { x: 73.5318, y: 51.5014 },
    Point { x: 56.0252, y: 71.7366 },
    Point { x: 41.5493, y: 92.3655 },
    Point { x: 70.7299, y: 92.2041 },
];

/// A rotation, a scale and a shift: `(x, y)` goes to `(a·x − b·y + tx, b·x + a·y + ty)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similarity {
    /// Scale times cosine.
    pub a: f64,
    /// Scale times sine.
    pub b: f64,
    /// Shift along x.
    pub tx: f64,
    /// Shift along y.
    pub ty: f64,
}

impl Similarity {
    /// The least-squares transform from `from` to `to` (Umeyama 1991, without reflection, in closed
    /// form). None if all points of `from` coincide or a number is not finite.
    pub fn fit(from: &[Point; 5], to: &[Point; 5]) -> Option<Self> {
        let (from_mean, to_mean) = (mean(from), mean(to));
        let (mut dot, mut cross, mut spread) = (0.0, 0.0, 0.0);
        for (p, q) in from.iter().zip(to) {
            let (px, py) = (f64::from(p.x) - from_mean.0, f64::from(p.y) - from_mean.1);
            let (qx, qy) = (f64::from(q.x) - to_mean.0, f64::from(q.y) - to_mean.1);
            dot += px * qx + py * qy;
            cross += px * qy - py * qx;
            spread += px * px + py * py;
        }
        let (a, b) = (dot / spread, cross / spread);
        let tx = to_mean.0 - (a * from_mean.0 - b * from_mean.1);
        let ty = to_mean.1 - (b * from_mean.0 + a * from_mean.1);
        // Landmarks within a thousandth of a pixel are no face.
        let fits = spread > 1e-6 && a.hypot(b) > 0.0 && [a, b, tx, ty].into_iter().all(f64::is_finite);
        fits.then_some(Self { a, b, tx, ty })
    }

    /// Transforms a point.
    pub fn apply(&self, point: Point) -> Point {
        let (x, y) = (f64::from(point.x), f64::from(point.y));
        Point { x: (self.a * x - self.b * y + self.tx) as f32, y: (self.b * x + self.a * y + self.ty) as f32 }
    }

    /// The same for a chroma plane of half the size. Its samples lie between four luma samples.
    fn of_chroma(&self) -> Self {
        Self {
            a: 2.0 * self.a,
            b: 2.0 * self.b,
            tx: self.tx + 0.5 * (self.a - self.b),
            ty: self.ty + 0.5 * (self.b + self.a),
        }
    }
}

fn mean(points: &[Point; 5]) -> (f64, f64) {
    let sum = points.iter().fold((0.0, 0.0), |(x, y), p| (x + f64::from(p.x), y + f64::from(p.y)));
    (sum.0 / 5.0, sum.1 / 5.0)
}

/// A face of 112 × 112 RGB pixels, landmarks at [`TEMPLATE_IN_CROP`]. Overwritten when dropped.
#[derive(ZeroizeOnDrop)]
pub struct AlignedFace {
    // Planes of R, G and B. On the heap: moving it leaves no copy behind.
    rgb: Vec<u8>,
}

impl AlignedFace {
    /// Channel (R, G, B), row, column.
    pub fn rgb(&self) -> ArrayView3<'_, u8> {
        ArrayView3::from_shape((3, ALIGNED_SIDE, ALIGNED_SIDE), &self.rgb)
            .unwrap_or_else(|_| unreachable!("made with this many pixels"))
    }
}

impl fmt::Debug for AlignedFace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AlignedFace(…)")
    }
}

/// Aligns the face with these landmarks (in the order of [`crate::Face`]), from full resolution.
///
/// Warps each plane bilinearly and converts the crop to RGB by the picture's colour space. Of a
/// photo, it warps the full-colour pixels. Pixels beyond the picture's edges are black.
///
/// # Errors
/// If the landmarks are not finite or coincide, or OpenCV fails.
pub fn align_face(picture: &YuvPicture<'_>, landmarks_in_frame: &[Point; 5]) -> Result<AlignedFace, FaceError> {
    let luma_to_crop = Similarity::fit(landmarks_in_frame, &TEMPLATE_IN_CROP).ok_or(FaceError::Landmarks)?;
    let rgb = match picture.bgr() {
        Some(bgr) => crop_of_pixels(&bgr, &luma_to_crop),
        None => crop_of_planes(picture, &luma_to_crop),
    };
    Ok(AlignedFace { rgb: rgb? })
}

fn crop_of_pixels(bgr: &Plane<'_>, to_crop: &Similarity) -> Result<Vec<u8>, ModelError> {
    let mut crop = Zeroizing::new(vec![0; 3 * PIXELS]);
    warp(bgr, PixelKind::Bgr, to_crop, 0.0, &mut crop)?;
    let mut rgb = vec![0; 3 * PIXELS];
    for (i, [b, g, r]) in crop.as_chunks::<3>().0.iter().enumerate() {
        (rgb[i], rgb[PIXELS + i], rgb[2 * PIXELS + i]) = (*r, *g, *b);
    }
    Ok(rgb)
}

fn crop_of_planes(picture: &YuvPicture<'_>, luma_to_crop: &Similarity) -> Result<Vec<u8>, ModelError> {
    let chroma_to_crop = luma_to_crop.of_chroma();
    let to_rgb = picture.colour().to_rgb();
    let mut y = Zeroizing::new(vec![0; PIXELS]);
    let mut chroma = Zeroizing::new(vec![0; 2 * PIXELS]);
    warp(&picture.luma(), PixelKind::Single, luma_to_crop, f64::from(to_rgb.black), &mut y)?;
    match picture.format() {
        PixelFormat::I420 => {
            for (plane, crop) in picture.chroma().iter().zip(chroma.chunks_exact_mut(PIXELS)) {
                warp(plane, PixelKind::Single, &chroma_to_crop, NEUTRAL_CHROMA, crop)?;
            }
        }
        PixelFormat::Nv12 => {
            for plane in picture.chroma() {
                warp(plane, PixelKind::Pair, &chroma_to_crop, NEUTRAL_CHROMA, &mut chroma)?;
            }
        }
    }
    let mut rgb = vec![0; 3 * PIXELS];
    for pixel in 0..PIXELS {
        let (u, v) = match picture.format() {
            PixelFormat::I420 => (chroma[pixel], chroma[PIXELS + pixel]),
            PixelFormat::Nv12 => (chroma[2 * pixel], chroma[2 * pixel + 1]),
        };
        for (channel, value) in to_rgb.apply(y[pixel], u, v).into_iter().enumerate() {
            rgb[channel * PIXELS + pixel] = value;
        }
    }
    Ok(rgb)
}

const NEUTRAL_CHROMA: f64 = 128.0;

fn warp(
    plane: &Plane<'_>,
    kind: PixelKind,
    to_crop: &Similarity,
    beyond: f64,
    crop: &mut [u8],
) -> Result<(), ModelError> {
    let Similarity { a, b, tx, ty } = *to_crop;
    let size = Size { width: ALIGNED_SIDE, height: ALIGNED_SIDE };
    let mut scratch = Zeroizing::new(Vec::new());
    Warp { to_target: [a, -b, tx, b, a, ty], size, beyond }.apply(plane, kind, crop, &mut scratch)
}

#[cfg(test)]
mod tests;
