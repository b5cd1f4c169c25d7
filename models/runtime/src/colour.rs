//! Converts small 4:2:0 pictures to BGR or RGB in the colour space of their stream.
//!
//! BT.601 in limited range is OpenCV's own conversion, the only one that it has for 4:2:0 planes.
//! The other colour spaces take the same steps with other factors: fixed point, and one chroma
//! sample for four pixels.

use gatehouse_picture::{ColourSpace, PixelFormat, Size, ToRgb};
use opencv::core::{Mat, Vector};
use opencv::imgproc;

use crate::manifest::ColourOrder;
use crate::planes::{Bgr, to_i32};

/// Planes in sequence without padding, as OpenCV's 4:2:0 conversions want them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planes<'a> {
    pub(crate) yuv: &'a [u8],
    pub(crate) format: PixelFormat,
    /// Even sides.
    pub(crate) size: Size,
    pub(crate) colour: ColourSpace,
}

/// Working memory of conversions. It only grows.
#[derive(Debug, Default)]
pub(crate) struct Conversion {
    /// Red, green and blue, plane by plane.
    planar: Vec<u8>,
    rows: Vec<i16>,
}

impl Conversion {
    /// Overwrites the last picture with zeros.
    pub(crate) fn clear(&mut self) {
        self.planar.fill(0);
        self.rows.fill(0);
    }
}

impl Planes<'_> {
    /// Converts to rows × columns × 3 bytes.
    pub(crate) fn to_packed(
        self,
        order: ColourOrder,
        packed: &mut [u8],
        memory: &mut Conversion,
    ) -> opencv::Result<()> {
        if self.colour == ColourSpace::BT601 {
            self.by_opencv(order, packed)
        } else {
            self.by_factors(order, packed, memory)
        }
    }

    fn by_opencv(self, order: ColourOrder, packed: &mut [u8]) -> opencv::Result<()> {
        let code = match (self.format, order) {
            (PixelFormat::I420, ColourOrder::Bgr) => imgproc::COLOR_YUV2BGR_I420,
            (PixelFormat::I420, ColourOrder::Rgb) => imgproc::COLOR_YUV2RGB_I420,
            (PixelFormat::Nv12, ColourOrder::Bgr) => imgproc::COLOR_YUV2BGR_NV12,
            (PixelFormat::Nv12, ColourOrder::Rgb) => imgproc::COLOR_YUV2RGB_NV12,
        };
        let (rows, columns) = (to_i32(self.size.height)?, to_i32(self.size.width)?);
        let source = Mat::new_rows_cols_with_bytes::<u8>(rows / 2 * 3, columns, self.yuv)?;
        let mut target = Mat::new_rows_cols_with_bytes_mut::<Bgr>(rows, columns, packed)?;
        imgproc::cvt_color(&source, &mut target, code, 3)
    }

    /// Plane by plane and row by row, in simple loops that the compiler turns into vector
    /// instructions; OpenCV then interleaves the planes.
    fn by_factors(self, order: ColourOrder, packed: &mut [u8], memory: &mut Conversion) -> opencv::Result<()> {
        let Size { width, height } = self.size;
        let (rows, columns) = (to_i32(height)?, to_i32(width)?);
        let factors = Fixed::new(self.colour.to_rgb());
        let Conversion { planar, rows: scratch } = memory;
        planar.resize((3 * width * height).max(planar.len()), 0);
        scratch.resize((4 * width).max(scratch.len()), 0);
        let (red, rest) = planar.split_at_mut(width * height);
        let (green, rest) = rest.split_at_mut(width * height);
        let blue = &mut rest[..width * height];
        let (row, chroma_rows) = scratch[..4 * width].split_at_mut(width);
        let (luma, chroma) = self.yuv.split_at(width * height);
        let (u, v) = chroma.split_at(chroma.len() / 2);
        for pair in 0..height / 2 {
            let half = pair * width / 2..(pair + 1) * width / 2;
            match self.format {
                PixelFormat::I420 => factors.chroma(u[half.clone()].iter().zip(&v[half]), chroma_rows),
                PixelFormat::Nv12 => {
                    let pairs = chroma[pair * width..(pair + 1) * width].as_chunks::<2>().0;
                    factors.chroma(pairs.iter().map(|[u, v]| (u, v)), chroma_rows);
                }
            }
            for line in [2 * pair, 2 * pair + 1] {
                let line = line * width..(line + 1) * width;
                factors.luma(&luma[line.clone()], row);
                let planes = [&mut *red, &mut *green, &mut *blue];
                for (plane, chroma) in planes.into_iter().zip(chroma_rows.chunks_exact(width)) {
                    add(row, chroma, &mut plane[line.clone()]);
                }
            }
        }
        let planes = match order {
            ColourOrder::Rgb => [&*red, &*green, &*blue],
            ColourOrder::Bgr => [&*blue, &*green, &*red],
        };
        let [first, second, third] = planes.map(|plane| Mat::new_rows_cols_with_bytes::<u8>(rows, columns, plane));
        let mut target = Mat::new_rows_cols_with_bytes_mut::<Bgr>(rows, columns, packed)?;
        let mut planes = Vector::<Mat>::with_capacity(3);
        for plane in [first?, second?, third?] {
            planes.push(plane.clone_pointee());
        }
        opencv::core::merge(&planes, &mut target)
    }
}

/// [`ToRgb`] in fixed point, for 16-bit arithmetic.
#[derive(Debug, Clone, Copy)]
struct Fixed {
    black: i16,
    /// With 14 bits behind the point.
    luma: i16,
    /// With 13 bits behind the point.
    red_v: i16,
    green_u: i16,
    green_v: i16,
    blue_u: i16,
}

/// Bits behind the point of products.
const SHIFT: u32 = 4;

impl Fixed {
    fn new(factors: ToRgb) -> Self {
        let fixed = |factor: f32, bits: u32| (factor * (1u32 << bits) as f32).round() as i16;
        Self {
            black: i16::from(factors.black),
            luma: fixed(factors.luma, 14),
            red_v: fixed(factors.red_v, 13),
            green_u: fixed(factors.green_u, 13),
            green_v: fixed(factors.green_v, 13),
            blue_u: fixed(factors.blue_u, 13),
        }
    }

    fn luma(&self, samples: &[u8], row: &mut [i16]) {
        for (value, sample) in row.iter_mut().zip(samples) {
            *value = high(i16::from(*sample).wrapping_sub(self.black).max(0) << 6, self.luma);
        }
    }

    /// What the chroma of two rows adds to red, to green and to blue: three rows. Half a level is
    /// in it, for rounding.
    #[inline(always)]
    fn chroma<'a>(&self, samples: impl Iterator<Item = (&'a u8, &'a u8)>, rows: &mut [i16]) {
        let (red, rest) = rows.split_at_mut(rows.len() / 3);
        let (green, blue) = rest.split_at_mut(rest.len() / 2);
        let pairs = red.as_chunks_mut::<2>().0.iter_mut().zip(green.as_chunks_mut::<2>().0);
        let pairs = pairs.zip(blue.as_chunks_mut::<2>().0);
        let half = 1i16 << (SHIFT - 1);
        for (((red, green), blue), (u, v)) in pairs.zip(samples) {
            let (u, v) = (i16::from(*u).wrapping_sub(128) << 7, i16::from(*v).wrapping_sub(128) << 7);
            *red = [high(v, self.red_v).wrapping_add(half); 2];
            *green = [half.wrapping_sub(high(u, self.green_u)).wrapping_sub(high(v, self.green_v)); 2];
            *blue = [high(u, self.blue_u).wrapping_add(half); 2];
        }
    }
}

/// The upper half of the product. No value of 8 bits overflows here: the checked operations of a
/// build with debug assertions would keep the loops from being vectors.
#[inline(always)]
fn high(a: i16, b: i16) -> i16 {
    (i32::from(a).wrapping_mul(i32::from(b)) >> 16) as i16
}

fn add(luma: &[i16], chroma: &[i16], plane: &mut [u8]) {
    for ((value, luma), chroma) in plane.iter_mut().zip(luma).zip(chroma) {
        *value = (luma.wrapping_add(*chroma) >> SHIFT).clamp(0, 255) as u8;
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_picture::testing::COLOUR_SPACES;
    use proptest::prelude::*;

    use super::*;

    const ORDERS: [ColourOrder; 2] = [ColourOrder::Bgr, ColourOrder::Rgb];
    const FORMATS: [PixelFormat; 2] = [PixelFormat::I420, PixelFormat::Nv12];

    fn noise(bytes: usize, seed: u32) -> Vec<u8> {
        (0..bytes).map(|i| (i as u32 ^ seed).wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect()
    }

    proptest! {
        #[test]
        fn bt601_is_within_a_level_of_opencvs(half_width in 1usize..60, half_height in 1usize..40, seed: u32) {
            let size = Size { width: 2 * half_width, height: 2 * half_height };
            let yuv = noise(size.width * size.height / 2 * 3, seed);
            for format in FORMATS {
                for order in ORDERS {
                    let planes = Planes { yuv: &yuv, format, size, colour: ColourSpace::BT601 };
                    let [mut ours, mut theirs] = [(); 2].map(|()| vec![0; size.width * size.height * 3]);
                    planes.by_factors(order, &mut ours, &mut Conversion::default()).expect("converted");
                    planes.by_opencv(order, &mut theirs).expect("converted");
                    // OpenCV rounds its factors to three digits.
                    let off = ours.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b)).max();
                    prop_assert!(off <= Some(1), "{:?} {:?} {}: {:?}", format, order, size, off);
                }
            }
        }

        #[test]
        fn every_colour_space_is_what_its_factors_say(seed: u32, space in 0usize..6, bgr: bool) {
            let size = Size { width: 8, height: 6 };
            let yuv = noise(size.width * size.height / 2 * 3, seed);
            let (colour, order) = (COLOUR_SPACES[space], ORDERS[usize::from(!bgr)]);
            let mut packed = vec![0; size.width * size.height * 3];
            Planes { yuv: &yuv, format: PixelFormat::I420, size, colour }.to_packed(order, &mut packed, &mut Conversion::default()).expect("converted");
            for (i, pixel) in packed.as_chunks::<3>().0.iter().enumerate() {
                let half = i / 8 / 2 * 4 + i % 8 / 2;
                let mut expected = colour.to_rgb().apply(yuv[i].max(colour.range.black()), yuv[48 + half], yuv[60 + half]);
                if bgr {
                    expected.reverse();
                }
                let off = pixel.iter().zip(expected).map(|(a, b)| a.abs_diff(b)).max();
                prop_assert!(off <= Some(1), "{:?}: {:?}, expected {:?}", colour, pixel, expected);
            }
        }
    }
}
