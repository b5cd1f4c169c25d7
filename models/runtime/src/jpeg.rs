//! Previews: shrinks a decoded picture into planes of its own, and encodes them as JPEG.

use std::fmt;

use gatehouse_picture::{ColourSpace, PixelFormat, Plane, Size, YuvPicture};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use opencv::core::{Mat, ToInputArray, ToOutputArray};
use opencv::imgproc;

use crate::colour::{Conversion, Planes};
use crate::error::ModelError;
use crate::manifest::ColourOrder;
use crate::planes::{Pair, to_i32, with_matrix};

/// JPEG quality, 1–100: text stays readable.
const QUALITY: u8 = 75;

/// A small picture in planes of its own (I420, 8 bits a sample), which the caller can change. It
/// keeps the colour space of the picture, and reuses its memory.
pub struct SmallPicture {
    /// Even sides; 0×0 before the first picture.
    size: Size,
    colour: ColourSpace,
    /// Planes in sequence without padding, as OpenCV's 4:2:0 conversions want them.
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
    /// Luma pixels per sample in each direction: 1 or 2.
    pub subsampling: usize,
}

impl Default for SmallPicture {
    fn default() -> Self {
        let size = Size { width: 0, height: 0 };
        Self { size, colour: ColourSpace::BT601, yuv: Vec::new(), interleaved: Vec::new(), scratch: Vec::new() }
    }
}

impl fmt::Debug for SmallPicture {
    /// Pixels never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmallPicture").field("size", &self.size).finish_non_exhaustive()
    }
}

impl SmallPicture {
    /// Shrinks `picture` to `size` (even sides). It averages areas, so that small things don't
    /// flicker.
    ///
    /// # Errors
    /// If OpenCV refuses the planes. The former picture is lost then.
    pub fn shrink(&mut self, picture: &YuvPicture<'_>, size: Size) -> Result<(), ModelError> {
        self.size = size;
        self.colour = picture.colour();
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

/// Encodes small pictures as JPEG (ITU-T T.81). It reuses its memory.
#[derive(Default)]
pub struct JpegEncoder {
    bgr: Vec<u8>,
    jpeg: Vec<u8>,
    conversion: Conversion,
}

impl fmt::Debug for JpegEncoder {
    /// Pixels never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JpegEncoder").finish_non_exhaustive()
    }
}

impl JpegEncoder {
    /// Encodes a picture.
    ///
    /// # Errors
    /// If the picture is empty, as a new [`SmallPicture`] is.
    pub fn encode(&mut self, picture: &SmallPicture) -> Result<&[u8], ModelError> {
        self.bgr.resize(picture.yuv.len() * 2, 0);
        self.convert(picture).map_err(ModelError::opencv("converting a preview"))?;
        let side = |side: usize| u16::try_from(side).unwrap_or(u16::MAX);
        self.jpeg.clear();
        let mut encoder = Encoder::new(&mut self.jpeg, QUALITY);
        encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
        let Size { width, height } = picture.size;
        let encoded = encoder.encode(&self.bgr, side(width), side(height), ColorType::Bgr);
        encoded.map_err(|error| ModelError::Encode { message: error.to_string() })?;
        Ok(&self.jpeg)
    }

    fn convert(&mut self, picture: &SmallPicture) -> opencv::Result<()> {
        let SmallPicture { size, colour, ref yuv, .. } = *picture;
        Planes { yuv, format: PixelFormat::I420, size, colour }.to_packed(
            ColourOrder::Bgr,
            &mut self.bgr,
            &mut self.conversion,
        )
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_picture::testing::TestPicture;
    use zune_jpeg::JpegDecoder;
    use zune_jpeg::zune_core::bytestream::ZCursor;

    use super::*;

    /// Luma rises to the right; reddish on the left and bluish on the right.
    fn ramp(size: Size) -> TestPicture {
        let Size { width, height } = size;
        let luma = (0..width * height).map(|i| 60 + (i % width * 120 / width) as u8).collect();
        let halves = |left, right| {
            (0..width / 2 * height / 2).map(move |i| if i % (width / 2) < width / 4 { left } else { right }).collect()
        };
        TestPicture::new(size, luma, [halves(110, 146), halves(148, 112)])
    }

    #[test]
    fn i420_and_nv12_shrink_to_the_same_planes() {
        let (from, to) = (Size { width: 96, height: 64 }, Size { width: 48, height: 32 });
        let picture = ramp(from);
        let mut a = SmallPicture::default();
        a.shrink(&picture.i420(), to).expect("shrinks");
        let mut b = SmallPicture::default();
        b.shrink(&picture.nv12(), to).expect("shrinks");
        assert_eq!(a.yuv, b.yuv);
        let [y, u, v] = a.planes_mut();
        assert_eq!((y.samples.len(), u.samples.len(), v.samples.len()), (48 * 32, 24 * 16, 24 * 16));
        assert_eq!((u.samples[0], u.samples[23], v.samples[0], v.samples[23]), (110, 146, 148, 112));
        assert!(y.samples[..48].is_sorted() && y.samples[0] < 64 && y.samples[47] > 176);
    }

    #[test]
    fn an_encoded_jpeg_decodes_to_the_same_picture() {
        let (mut small, mut encoder) = (SmallPicture::default(), JpegEncoder::default());
        for size in [Size { width: 96, height: 64 }, Size { width: 50, height: 38 }] {
            let picture = ramp(size);
            let luma = picture.i420().luma();
            small.shrink(&picture.i420(), size).expect("the same size is taken over");
            let mut decoder = JpegDecoder::new(ZCursor::new(encoder.encode(&small).expect("encodes")));
            let rgb = decoder.decode().expect("decodes");
            assert_eq!(decoder.dimensions(), Some((size.width, size.height)));
            for column in [5, size.width / 2 - 9, size.width / 2 + 9, size.width - 6] {
                let pixel = rgb.as_chunks::<3>().0[10 * size.width + column];
                let [red, green, blue] = pixel.map(f32::from);
                let got = 0.114 * blue + 0.587 * green + 0.299 * red;
                let expected = (f32::from(luma.row(0)[column]) - 16.0) * 255.0 / 219.0;
                assert!((got - expected).abs() < 8.0, "column {column}: luma {got}, expected about {expected}");
                assert_eq!(red > blue + 20.0, column < size.width / 2, "column {column}: {pixel:?}");
            }
        }
    }

    #[test]
    fn an_empty_picture_is_refused() {
        assert!(matches!(JpegEncoder::default().encode(&SmallPicture::default()), Err(ModelError::OpenCv { .. })));
    }
}
