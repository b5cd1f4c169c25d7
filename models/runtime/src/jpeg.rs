//! Small pictures for people to look at: a decoded picture shrunk into planes of one's own, and those as JPEG.

use std::fmt;

use gatehouse_picture::{PixelFormat, Plane, Size, YuvPicture};
use opencv::core::{Mat, ToInputArray, ToOutputArray, Vec3b, Vector};
use opencv::{imgcodecs, imgproc};

use crate::error::ModelError;
use crate::planes::{Pair, to_i32, with_matrix};

/// Of 100; faces are no longer faces and text stays readable.
const QUALITY: i32 = 75;

/// A small picture in planes of its own (I420, 8 bits a sample, limited range), to be changed in place. Its memory is
/// used again for the next picture.
pub struct SmallPicture {
    /// Even sides; 0×0 before the first picture.
    size: Size,
    /// The planes one after the other without padding, as OpenCV's 4:2:0 conversions want them.
    yuv: Vec<u8>,
    interleaved: Vec<u8>,
    scratch: Vec<u8>,
}

/// A plane of a [`SmallPicture`].
#[derive(Debug)]
pub struct PlaneMut<'a> {
    /// Rows of `columns` samples without padding.
    pub samples: &'a mut [u8],
    /// Samples in a row.
    pub columns: usize,
    /// How many luma pixels one sample stands for, in either direction: 1 or 2.
    pub subsampling: usize,
}

impl Default for SmallPicture {
    fn default() -> Self {
        let size = Size { width: 0, height: 0 };
        Self { size, yuv: Vec::new(), interleaved: Vec::new(), scratch: Vec::new() }
    }
}

impl fmt::Debug for SmallPicture {
    /// Pixels never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmallPicture").field("size", &self.size).finish_non_exhaustive()
    }
}

impl SmallPicture {
    /// Takes over `picture` at `size` (even sides), by averaging areas, so that small things don't flicker.
    ///
    /// # Errors
    /// If OpenCV refuses the planes. The former picture is lost then.
    pub fn shrink(&mut self, picture: &YuvPicture<'_>, size: Size) -> Result<(), ModelError> {
        self.size = size;
        self.yuv.resize(size.width * size.height / 2 * 3, 0);
        self.shrink_planes(picture).map_err(ModelError::opencv("shrinking a picture"))
    }

    fn shrink_planes(&mut self, picture: &YuvPicture<'_>) -> opencv::Result<()> {
        let Size { width, height } = self.size;
        let (luma, chroma) = self.yuv.split_at_mut(width * height);
        shrink_plane(&picture.luma(), (height, width), luma, &mut self.scratch)?;
        let (u, v) = chroma.split_at_mut(chroma.len() / 2);
        match (picture.format(), picture.chroma()) {
            (PixelFormat::I420, [u_plane, v_plane]) => {
                shrink_plane(u_plane, (height / 2, width / 2), u, &mut self.scratch)?;
                shrink_plane(v_plane, (height / 2, width / 2), v, &mut self.scratch)
            }
            (_, pairs) => {
                self.interleaved.resize(u.len() + v.len(), 0);
                for plane in pairs {
                    let (rows, columns) = (to_i32(height / 2)?, to_i32(width / 2)?);
                    let mut target = Mat::new_rows_cols_with_bytes_mut::<Pair>(rows, columns, &mut self.interleaved)?;
                    with_matrix::<Pair, _>(plane, &mut self.scratch, |source| {
                        by_area(source, &mut target, rows, columns)
                    })?;
                }
                for ((u, v), pair) in u.iter_mut().zip(v).zip(self.interleaved.chunks_exact(2)) {
                    (*u, *v) = (pair[0], pair[1]);
                }
                Ok(())
            }
        }
    }

    /// Size in luma pixels.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Y, U and V.
    pub fn planes_mut(&mut self) -> [PlaneMut<'_>; 3] {
        let Size { width, height } = self.size;
        let (y, chroma) = self.yuv.split_at_mut(width * height);
        let (u, v) = chroma.split_at_mut(chroma.len() / 2);
        [(y, width, 1), (u, width / 2, 2), (v, width / 2, 2)].map(|(samples, columns, subsampling)| PlaneMut {
            samples,
            columns,
            subsampling,
        })
    }
}

fn shrink_plane(
    plane: &Plane<'_>,
    (rows, columns): (usize, usize),
    samples: &mut [u8],
    scratch: &mut Vec<u8>,
) -> opencv::Result<()> {
    let (rows, columns) = (to_i32(rows)?, to_i32(columns)?);
    let mut target = Mat::new_rows_cols_with_bytes_mut::<u8>(rows, columns, samples)?;
    with_matrix::<u8, _>(plane, scratch, |source| by_area(source, &mut target, rows, columns))
}

fn by_area(source: &impl ToInputArray, target: &mut impl ToOutputArray, rows: i32, columns: i32) -> opencv::Result<()> {
    imgproc::resize(source, target, opencv::core::Size::new(columns, rows), 0.0, 0.0, imgproc::INTER_AREA)
}

/// Encodes small pictures as JPEG (ITU-T T.81), into memory that is used again.
#[derive(Default)]
pub struct JpegEncoder {
    packed: Vec<u8>,
    jpeg: Vector<u8>,
}

impl fmt::Debug for JpegEncoder {
    /// Pixels never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JpegEncoder").finish_non_exhaustive()
    }
}

impl JpegEncoder {
    /// The picture as JPEG. Colours are read as ITU-R BT.601, limited range.
    ///
    /// # Errors
    /// If OpenCV refuses it, as it does a [`SmallPicture`] that has taken over no picture yet.
    pub fn encode(&mut self, picture: &SmallPicture) -> Result<&[u8], ModelError> {
        self.packed.resize(picture.yuv.len() * 2, 0);
        self.encode_planes(picture).map_err(ModelError::opencv("encoding a JPEG"))?;
        Ok(self.jpeg.as_slice())
    }

    fn encode_planes(&mut self, picture: &SmallPicture) -> opencv::Result<()> {
        let (rows, columns) = (to_i32(picture.size.height)?, to_i32(picture.size.width)?);
        let yuv = Mat::new_rows_cols_with_bytes::<u8>(rows / 2 * 3, columns, &picture.yuv)?;
        let mut bgr = Mat::new_rows_cols_with_bytes_mut::<Vec3b>(rows, columns, &mut self.packed)?;
        imgproc::cvt_color(&yuv, &mut bgr, imgproc::COLOR_YUV2BGR_I420, 3)?;
        let options = Vector::from_slice(&[imgcodecs::IMWRITE_JPEG_QUALITY, QUALITY]);
        if imgcodecs::imencode(".jpg", &bgr, &mut self.jpeg, &options)? {
            Ok(())
        } else {
            Err(opencv::Error::new(opencv::core::StsError, "the encoder gave no picture"))
        }
    }
}

#[cfg(test)]
mod tests {
    use opencv::prelude::*;

    use super::*;

    /// A ramp to the right in luma; reddish on the left and bluish on the right.
    fn planes(width: usize, height: usize) -> [Vec<u8>; 3] {
        let luma = (0..width * height).map(|i| 60 + (i % width * 120 / width) as u8).collect();
        let halves = |left, right| {
            (0..width / 2 * height / 2).map(move |i| if i % (width / 2) < width / 4 { left } else { right }).collect()
        };
        [luma, halves(110, 146), halves(148, 112)]
    }

    fn interleaved(u: &[u8], v: &[u8]) -> Vec<u8> {
        u.iter().zip(v).flat_map(|(u, v)| [*u, *v]).collect()
    }

    #[test]
    fn i420_and_nv12_shrink_to_the_same_planes() {
        let (from, to) = (Size { width: 96, height: 64 }, Size { width: 48, height: 32 });
        let [y, u, v] = planes(96, 64);
        let uv = interleaved(&u, &v);
        let mut a = SmallPicture::default();
        a.shrink(&YuvPicture::i420(from, [&y, &u, &v], [96, 48, 48]).expect("planes fit"), to).expect("shrinks");
        let mut b = SmallPicture::default();
        b.shrink(&YuvPicture::nv12(from, [&y, &uv], [96, 96]).expect("planes fit"), to).expect("shrinks");
        assert_eq!(a.yuv, b.yuv);
        let [y, u, v] = a.planes_mut();
        assert_eq!((y.samples.len(), u.samples.len(), v.samples.len()), (48 * 32, 24 * 16, 24 * 16));
        assert_eq!((u.samples[0], u.samples[23], v.samples[0], v.samples[23]), (110, 146, 148, 112));
        assert!(y.samples[..48].is_sorted() && y.samples[0] < 64 && y.samples[47] > 176);
    }

    #[test]
    fn a_jpeg_decodes_to_the_picture_again() {
        let (mut small, mut encoder) = (SmallPicture::default(), JpegEncoder::default());
        for size in [Size { width: 96, height: 64 }, Size { width: 50, height: 38 }] {
            let [y, u, v] = planes(size.width, size.height);
            let strides = [size.width, size.width / 2, size.width / 2];
            let picture = YuvPicture::i420(size, [&y, &u, &v], strides).expect("planes fit");
            small.shrink(&picture, size).expect("the same size is taken over");
            let jpeg = Vector::<u8>::from_slice(encoder.encode(&small).expect("encodes"));
            let bgr = imgcodecs::imdecode(&jpeg, imgcodecs::IMREAD_COLOR).expect("decodes");
            assert_eq!((bgr.rows() as usize, bgr.cols() as usize), (size.height, size.width));
            for column in [5, size.width / 2 - 9, size.width / 2 + 9, size.width - 6] {
                let pixel = bgr.at_2d::<Vec3b>(10, column as i32).expect("inside");
                let [blue, green, red] = pixel.0.map(f32::from);
                let got = 0.114 * blue + 0.587 * green + 0.299 * red;
                let expected = (f32::from(y[column]) - 16.0) * 255.0 / 219.0;
                assert!((got - expected).abs() < 8.0, "column {column}: luma {got}, expected about {expected}");
                assert_eq!(red > blue + 20.0, column < size.width / 2, "column {column}: {pixel:?}");
            }
        }
    }

    #[test]
    fn without_a_picture_there_is_no_jpeg() {
        assert!(matches!(JpegEncoder::default().encode(&SmallPicture::default()), Err(ModelError::OpenCv { .. })));
    }
}
