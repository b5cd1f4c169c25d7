//! Converts small 4:2:0 pictures to BGR or RGB in the colour space of their stream.
//!
//! BT.601 in limited range is OpenCV's own conversion, the only one that it has for 4:2:0 planes.
//! The other colour spaces take the same steps with other factors: fixed point, and one chroma
//! sample for four pixels.

use gatehouse_picture::{ColourSpace, PixelFormat, Size, ToRgb};
use opencv::core::Mat;
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

impl Planes<'_> {
    /// Converts to rows × columns × 3 bytes.
    pub(crate) fn to_packed(self, order: ColourOrder, packed: &mut [u8]) -> opencv::Result<()> {
        if self.colour == ColourSpace::BT601 {
            self.by_opencv(order, packed)
        } else {
            self.by_factors(order, packed);
            Ok(())
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

    fn by_factors(self, order: ColourOrder, packed: &mut [u8]) {
        let Size { width, height } = self.size;
        if width == 0 || height == 0 {
            return;
        }
        let factors = Fixed::new(self.colour.to_rgb());
        let (luma, chroma) = self.yuv.split_at(width * height);
        let (u, v) = chroma.split_at(chroma.len() / 2);
        let rows = luma.chunks_exact(2 * width).zip(packed.chunks_exact_mut(6 * width)).enumerate();
        for (pair, (luma, packed)) in rows {
            let half = pair * width / 2..(pair + 1) * width / 2;
            match self.format {
                PixelFormat::I420 => {
                    let chroma = u[half.clone()].iter().zip(&v[half]).map(|(u, v)| [*u, *v]);
                    factors.convert_rows(luma, chroma, order, packed);
                }
                PixelFormat::Nv12 => {
                    let pairs = chroma[pair * width..(pair + 1) * width].as_chunks::<2>().0.iter().copied();
                    factors.convert_rows(luma, pairs, order, packed);
                }
            }
        }
    }
}

/// Bits behind the point, as in OpenCV.
const SHIFT: u32 = 20;

/// [`ToRgb`] in fixed point.
#[derive(Debug, Clone, Copy)]
struct Fixed {
    black: i32,
    luma: i32,
    red_v: i32,
    green_u: i32,
    green_v: i32,
    blue_u: i32,
}

impl Fixed {
    fn new(factors: ToRgb) -> Self {
        let fixed = |factor: f32| (f64::from(factor) * f64::from(1u32 << SHIFT)).round() as i32;
        Self {
            black: i32::from(factors.black),
            luma: fixed(factors.luma),
            red_v: fixed(factors.red_v),
            green_u: fixed(factors.green_u),
            green_v: fixed(factors.green_v),
            blue_u: fixed(factors.blue_u),
        }
    }

    /// Converts two rows, which share their chroma.
    #[inline(always)]
    fn convert_rows(&self, luma: &[u8], chroma: impl Iterator<Item = [u8; 2]>, order: ColourOrder, packed: &mut [u8]) {
        match order {
            ColourOrder::Rgb => self.convert_rows_in::<false>(luma, chroma, packed),
            ColourOrder::Bgr => self.convert_rows_in::<true>(luma, chroma, packed),
        }
    }

    #[inline(always)]
    fn convert_rows_in<const BGR: bool>(&self, luma: &[u8], chroma: impl Iterator<Item = [u8; 2]>, packed: &mut [u8]) {
        let (upper, lower) = luma.split_at(luma.len() / 2);
        let (upper_out, lower_out) = packed.split_at_mut(packed.len() / 2);
        let luma = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
        let out = upper_out.as_chunks_mut::<6>().0.iter_mut().zip(lower_out.as_chunks_mut::<6>().0);
        for (([u, v], (upper, lower)), (upper_out, lower_out)) in chroma.zip(luma).zip(out) {
            let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
            let half = 1 << (SHIFT - 1);
            let red = half + self.red_v * v;
            let green = half - self.green_u * u - self.green_v * v;
            let blue = half + self.blue_u * u;
            for (luma, out) in [(upper, upper_out), (lower, lower_out)] {
                for (y, pixel) in luma.iter().zip(out.as_chunks_mut::<3>().0) {
                    let y = (i32::from(*y) - self.black).max(0) * self.luma;
                    let [r, g, b] = [y + red, y + green, y + blue].map(|value| (value >> SHIFT).clamp(0, 255) as u8);
                    *pixel = if BGR { [b, g, r] } else { [r, g, b] };
                }
            }
        }
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
                    planes.by_factors(order, &mut ours);
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
            Planes { yuv: &yuv, format: PixelFormat::I420, size, colour }.to_packed(order, &mut packed).expect("converted");
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
