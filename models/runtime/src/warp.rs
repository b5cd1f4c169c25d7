//! Warps planes of a picture by OpenCV.

use gatehouse_picture::{Plane, Size};
use opencv::core::{BORDER_CONSTANT, DataType, Mat, Matx23d, Scalar};
use opencv::imgproc;

use crate::error::ModelError;
use crate::planes::{Bgr, Pair, to_i32, with_matrix};

/// How a plane's bytes form pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelKind {
    /// One sample.
    Single,
    /// An interleaved chroma pair.
    Pair,
    /// Blue, green and red.
    Bgr,
}

/// An affine warp with bilinear interpolation (OpenCV's `warpAffine`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Warp {
    /// From source to target pixels: `(x, y)` goes to `(m[0]·x + m[1]·y + m[2], m[3]·x + m[4]·y +
    /// m[5])`.
    pub to_target: [f64; 6],
    /// Size of the target in pixels.
    pub size: Size,
    /// Value of each sample beyond the source's edges.
    pub beyond: f64,
}

impl Warp {
    /// Warps a plane into `target`, row by row without padding. `scratch` is working memory.
    ///
    /// # Errors
    /// If OpenCV refuses the plane or `target` has too few bytes.
    pub fn apply(
        &self,
        plane: &Plane<'_>,
        kind: PixelKind,
        target: &mut [u8],
        scratch: &mut Vec<u8>,
    ) -> Result<(), ModelError> {
        let warped = match kind {
            PixelKind::Single => self.warp::<u8>(plane, target, scratch),
            PixelKind::Pair => self.warp::<Pair>(plane, target, scratch),
            PixelKind::Bgr => self.warp::<Bgr>(plane, target, scratch),
        };
        warped.map_err(ModelError::opencv("warping a picture"))
    }

    fn warp<T: DataType>(&self, plane: &Plane<'_>, target: &mut [u8], scratch: &mut Vec<u8>) -> opencv::Result<()> {
        let (rows, columns) = (to_i32(self.size.height)?, to_i32(self.size.width)?);
        let matrix = Matx23d::from_array(self.to_target);
        let size = opencv::core::Size::new(columns, rows);
        let beyond = Scalar::all(self.beyond);
        let mut target = Mat::new_rows_cols_with_bytes_mut::<T>(rows, columns, target)?;
        with_matrix::<T, _>(plane, scratch, |source| {
            imgproc::warp_affine(source, &mut target, &matrix, size, imgproc::INTER_LINEAR, BORDER_CONSTANT, beyond)
        })
    }
}
