//! Decoded pictures as their decoder left them: 4:2:0 YUV planes of the stream's own colour space.
//!
//! A photo additionally has its pixels in full colour.

use crate::{ColourSpace, Size};

/// Layout of the planes of a [`YuvPicture`]: 4:2:0 with 8 bits per sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFormat {
    /// Three planes, Y, U and V, as software decoders write them.
    I420,
    /// Two planes, Y and interleaved UV, as hardware decoders write them.
    Nv12,
}

/// One plane of samples, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    /// Rows of `stride` bytes; the last row may end after its own samples.
    pub data: &'a [u8],
    /// Bytes from the start of one row to the start of the next.
    pub stride: usize,
    /// Bytes of samples in a row: the plane's width; twice the chroma width for interleaved chroma.
    pub row_bytes: usize,
    /// Number of rows.
    pub rows: usize,
}

/// Why planes do not form a picture.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PictureError {
    /// A side is odd or zero: 4:2:0 pictures have even sides.
    #[error("picture is {width}×{height}, expected even sides of at least 2")]
    Size {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
    /// A plane is shorter than its rows and stride need.
    #[error("plane {plane} holds {got} bytes, expected at least {expected}")]
    ShortPlane {
        /// Index of the plane.
        plane: usize,
        /// Bytes found.
        got: usize,
        /// Bytes needed.
        expected: usize,
    },
    /// A row does not fit its stride.
    #[error("plane {plane} has a stride of {stride} bytes, expected at least {row_bytes}")]
    Stride {
        /// Index of the plane.
        plane: usize,
        /// Stride found.
        stride: usize,
        /// Bytes that a row needs.
        row_bytes: usize,
    },
}

/// A 4:2:0 picture that borrows its decoder's planes.
#[derive(Debug, Clone, Copy)]
pub struct YuvPicture<'a> {
    format: PixelFormat,
    size: Size,
    colour: ColourSpace,
    planes: [Plane<'a>; 3],
    bgr: Option<Plane<'a>>,
}

impl<'a> YuvPicture<'a> {
    /// A picture of three separate planes; `strides` in bytes.
    ///
    /// # Errors
    /// If a side is odd or zero, or a plane is too short.
    pub fn i420(size: Size, planes: [&'a [u8]; 3], strides: [usize; 3]) -> Result<Self, PictureError> {
        let (w, h) = (size.width, size.height);
        let plane = |i: usize, row_bytes, rows| Plane { data: planes[i], stride: strides[i], row_bytes, rows };
        Self::checked(PixelFormat::I420, size, [plane(0, w, h), plane(1, w / 2, h / 2), plane(2, w / 2, h / 2)])
    }

    /// A picture of luma and interleaved chroma; `strides` in bytes.
    ///
    /// # Errors
    /// If a side is odd or zero, or a plane is too short.
    pub fn nv12(size: Size, planes: [&'a [u8]; 2], strides: [usize; 2]) -> Result<Self, PictureError> {
        let (w, h) = (size.width, size.height);
        let y = Plane { data: planes[0], stride: strides[0], row_bytes: w, rows: h };
        let uv = Plane { data: planes[1], stride: strides[1], row_bytes: w, rows: h / 2 };
        let none = Plane { data: &[], stride: 0, row_bytes: 0, rows: 0 };
        Self::checked(PixelFormat::Nv12, size, [y, uv, none])
    }

    fn checked(format: PixelFormat, size: Size, planes: [Plane<'a>; 3]) -> Result<Self, PictureError> {
        let Size { width, height } = size;
        if width < 2 || height < 2 || width % 2 != 0 || height % 2 != 0 {
            return Err(PictureError::Size { width, height });
        }
        for (i, plane) in planes.iter().enumerate().filter(|(_, plane)| plane.rows > 0) {
            plane.check(i)?;
        }
        Ok(Self { format, size, colour: ColourSpace::BT601, planes, bgr: None })
    }

    /// The same planes, in another colour space than BT.601 in limited range.
    #[must_use]
    pub fn with_colour(self, colour: ColourSpace) -> Self {
        Self { colour, ..self }
    }

    /// Adds the pixels in full colour: rows of blue, green and red bytes, full range, `stride`
    /// bytes apart. Models then read these, as their own Python programs do.
    ///
    /// # Errors
    /// If there are too few bytes. The error calls this plane number 3.
    pub fn with_bgr(self, data: &'a [u8], stride: usize) -> Result<Self, PictureError> {
        let bgr = Plane { data, stride, row_bytes: 3 * self.size.width, rows: self.size.height };
        bgr.check(3)?;
        Ok(Self { bgr: Some(bgr), ..self })
    }

    /// The part of this `size` whose top left corner is at `left_px`, `top_px`, without a copy.
    ///
    /// `None` unless it lies inside, starts at even pixels and has even sides of at least 2:
    /// otherwise it would share chroma samples with its neighbours.
    pub fn part(&self, left_px: usize, top_px: usize, size: Size) -> Option<Self> {
        let fits = |from: usize, side: usize, all: usize| {
            let end = from.checked_add(side).filter(|end| *end <= all);
            from.is_multiple_of(2) && side.is_multiple_of(2) && side > 0 && end.is_some()
        };
        if !fits(left_px, size.width, self.size.width) || !fits(top_px, size.height, self.size.height) {
            return None;
        }
        let luma = self.planes[0].part(left_px, top_px, size.width, size.height)?;
        let (left, top, width, height) = (left_px / 2, top_px / 2, size.width / 2, size.height / 2);
        let chroma = |index: usize| self.planes[index].part(left, top, width, height);
        let planes = match self.format {
            PixelFormat::I420 => [luma, chroma(1)?, chroma(2)?],
            PixelFormat::Nv12 => [luma, self.planes[1].part(2 * left, top, 2 * width, height)?, self.planes[2]],
        };
        let bgr = match &self.bgr {
            Some(bgr) => Some(bgr.part(3 * left_px, top_px, 3 * size.width, size.height)?),
            None => None,
        };
        Some(Self { size, planes, bgr, ..*self })
    }

    /// Layout of the planes.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// Size in luma pixels.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Matrix and range of the planes.
    pub fn colour(&self) -> ColourSpace {
        self.colour
    }

    /// The luma plane.
    pub fn luma(&self) -> Plane<'a> {
        self.planes[0]
    }

    /// The chroma planes: U and V, or the one interleaved UV plane.
    pub fn chroma(&self) -> &[Plane<'a>] {
        match self.format {
            PixelFormat::I420 => &self.planes[1..],
            PixelFormat::Nv12 => &self.planes[1..2],
        }
    }

    /// The pixels in full colour (blue, green, red) of [`Self::with_bgr`]. Only photos have them.
    pub fn bgr(&self) -> Option<Plane<'a>> {
        self.bgr
    }
}

impl<'a> Plane<'a> {
    fn check(&self, plane: usize) -> Result<(), PictureError> {
        let Self { data, stride, row_bytes, rows } = *self;
        if stride < row_bytes {
            return Err(PictureError::Stride { plane, stride, row_bytes });
        }
        let expected = stride * rows.saturating_sub(1) + row_bytes;
        if data.len() < expected {
            return Err(PictureError::ShortPlane { plane, got: data.len(), expected });
        }
        Ok(())
    }

    /// The samples of one row.
    ///
    /// # Panics
    /// If `row` is not below `rows`.
    pub fn row(&self, row: usize) -> &'a [u8] {
        assert!(row < self.rows, "row {row} of a plane with {} rows", self.rows);
        &self.data[row * self.stride..row * self.stride + self.row_bytes]
    }

    // Starts at the part's first sample. The last row may end after its own samples, as in the
    // whole plane.
    fn part(&self, left_bytes: usize, top: usize, row_bytes: usize, rows: usize) -> Option<Self> {
        let data = self.data.get(top * self.stride + left_bytes..)?;
        Some(Self { data, stride: self.stride, row_bytes, rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_row_may_end_after_its_samples() {
        let size = Size { width: 4, height: 2 };
        let y = [0u8; 8 + 4];
        let c = [0u8; 2];
        let picture = YuvPicture::i420(size, [&y, &c, &c], [8, 2, 2]).expect("planes are long enough");
        assert_eq!(picture.luma().row(1).len(), 4);
        assert_eq!(picture.chroma().len(), 2);
    }

    #[test]
    fn a_part_has_its_own_luma_and_chroma() {
        let size = Size { width: 8, height: 4 };
        // Rows have 2 bytes of padding. A sample's tens are its row, its ones are its column.
        let plane = |width: u8, rows: u8| -> Vec<u8> {
            (0..rows).flat_map(|row| (0..width + 2).map(move |column| 10 * row + column)).collect()
        };
        let (y, c, uv) = (plane(8, 4), plane(4, 2), plane(8, 2));
        let rows = |plane: &Plane<'_>| (0..plane.rows).map(|row| plane.row(row).to_vec()).collect::<Vec<_>>();
        let part = Size { width: 4, height: 2 };
        let i420 =
            YuvPicture::i420(size, [&y, &c, &c], [10, 6, 6]).expect("a picture").part(4, 2, part).expect("inside");
        assert_eq!(i420.size(), part);
        assert_eq!(rows(&i420.luma()), [[24, 25, 26, 27], [34, 35, 36, 37]]);
        assert_eq!(i420.chroma().iter().map(rows).collect::<Vec<_>>(), [[[12, 13]], [[12, 13]]]);
        let nv12 = YuvPicture::nv12(size, [&y, &uv], [10, 10]).expect("a picture").part(4, 2, part).expect("inside");
        assert_eq!(nv12.chroma().iter().map(rows).collect::<Vec<_>>(), [[[14, 15, 16, 17]]]);
        assert!(nv12.bgr().is_none());
    }

    #[test]
    fn a_part_has_its_own_pixels_in_full_colour() {
        let size = Size { width: 4, height: 4 };
        let bgr: Vec<u8> = (0..4 * 13).collect();
        let picture = YuvPicture::i420(size, [&[0; 16], &[0; 4], &[0; 4]], [4, 2, 2]).expect("a picture");
        let short = picture.with_bgr(&bgr[..50], 13).expect_err("a byte short");
        assert_eq!(short, PictureError::ShortPlane { plane: 3, got: 50, expected: 51 });
        let picture = picture.with_bgr(&bgr, 13).expect("long enough");
        let part = picture.part(2, 2, Size { width: 2, height: 2 }).expect("inside");
        let pixels = part.bgr().expect("the picture has them");
        assert_eq!((pixels.row(0), pixels.row(1)), (&bgr[32..38], &bgr[45..51]));
    }

    #[test]
    fn a_part_outside_or_at_odd_pixels_is_refused() {
        let size = Size { width: 8, height: 4 };
        let picture = YuvPicture::nv12(size, [&[0; 32], &[0; 16]], [8, 8]).expect("a picture");
        let part = |x, y, width, height| picture.part(x, y, Size { width, height }).is_some();
        assert!(part(0, 0, 8, 4) && part(6, 2, 2, 2));
        for (x, y, width, height) in [
            (1, 0, 2, 2),
            (0, 1, 2, 2),
            (0, 0, 3, 2),
            (0, 0, 0, 2),
            (6, 0, 4, 2),
            (0, 4, 2, 2),
            (usize::MAX - 1, 0, 2, 2),
        ] {
            assert!(!part(x, y, width, height), "{x} {y} {width} {height}");
        }
    }

    #[test]
    fn short_planes_odd_sides_and_narrow_strides_are_refused() {
        let y = [0u8; 7];
        let c = [0u8; 2];
        let even = Size { width: 4, height: 2 };
        assert_eq!(
            YuvPicture::i420(even, [&y, &c, &c], [4, 2, 2]).expect_err("y is a byte short"),
            PictureError::ShortPlane { plane: 0, got: 7, expected: 8 }
        );
        assert_eq!(
            YuvPicture::nv12(Size { width: 3, height: 2 }, [&y, &c], [4, 4]).expect_err("odd width"),
            PictureError::Size { width: 3, height: 2 }
        );
        assert_eq!(
            YuvPicture::nv12(even, [&[0; 8], &c], [4, 3]).expect_err("chroma rows overlap"),
            PictureError::Stride { plane: 1, stride: 3, row_bytes: 4 }
        );
    }
}
