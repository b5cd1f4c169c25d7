//! Reads QR codes in a camera's own frames.
//!
//! A frame is searched as it is. If that finds no code of ours but something like a finder pattern,
//! it is searched again with sharpened edges, which recovers codes that a fixed-focus camera blurs
//! over half a module. (Without such a pattern sharpening found a code in 3 of 960 drawn frames,
//! and took half of the time.) Every other frame is searched for codes that are light on dark as
//! well, as phones in dark mode show them. Detection and decoding are `rxing`'s (the port of
//! zxing-cpp's reader). The work is bounded, since anyone can hold anything up to a gate.
//!
//! Measured on drawn frames of 1280 × 720 (`tests/scene`: paper and phone, turned and tilted up to
//! 30° each, uneven light, noise, JPEG at quality 40–90, a cluttered background), one frame each,
//! 10 frames a cell, pass (41 modules) / card (61):
//!
//! | blur (σ) | 2 px a module | 2.5 px | 3 px | 4 px | 6 px | 8 px |
//! |---|---|---|---|---|---|---|
//! | 0.5 px | 100 / 100 % | 100 / 100 % | 100 / 100 % | 100 / 100 % | 100 / 100 % | 100 / 100 % |
//! | 1 px | 0 / 0 % | 100 / 100 % | 100 / 100 % | 100 / 100 % | 100 / 100 % | 100 / 100 % |
//! | 1.5 px | 0 / 0 % | 0 / 0 % | 60 / 80 % | 100 / 100 % | 100 / 100 % | 100 / 100 % |
//! | 2 px | 0 / 0 % | 0 / 0 % | 0 / 0 % | 60 / 50 % | 100 / 100 % | 100 / 100 % |
//!
//! So a code needs about 3 pixels a module in a sharp picture. Medians on one core of an AMD EPYC
//! (Zen 3), 4 pixels a module: 0.6 ms for a frame with a pass, 1.5 ms with a card, 0.2 ms without a
//! code, and 0.6 ms for a street with people. The worst case found, a wall of ten thousand finder
//! patterns, takes 1.1 s.
//!
//! Compared on frames of these kinds (144 of them, blur up to 0.65 module; this reader's share is
//! of 360 others; times are wall time on a shared machine): this reader reads 85 %; `rxing`'s
//! zxing-cpp port alone 76 %, 5–10 ms a frame; zbar 0.23 71 %, 50–120 ms; `rxing`'s older reader 62
//! %, 6–10 ms; `rqrr` 0.11 40 %, 40–80 ms. Halving frames first lost more than it gained (`rqrr`);
//! doubling them took ten times as long (`rxing`) for no more reads.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rxing::common::{BitMatrix, DetectorRXingResult};
use rxing::qrcode::cpp_port::decoder::Decode;
use rxing::qrcode::cpp_port::detector::{FindFinderPatterns, GenerateFinderPatternSets, SampleQR};

use crate::black_and_white::BlackAndWhite;
use crate::envelope::PREFIX;
use crate::texture::{Part, SearchedInVain, Texture};

/// Larger frames are first reduced by a whole factor: a code that is held up at a gate is readable
/// at this size, and time grows with the pixels.
const MOST_PIXELS: usize = 1920 * 1088;
/// Most finder patterns, and combinations of them, that are tried in a frame. A frame with one code
/// has three patterns and a few false ones; a wall of them must not block the gate.
const MOST_PATTERNS: usize = 200;
const MOST_TRIES: usize = 100;
/// Most codes that are read in one frame.
const MOST_CODES: usize = 8;

/// Reads QR codes. Keeps its buffers from frame to frame, from the first one on.
#[derive(Debug, Default)]
pub struct QrReader {
    /// Buffer for a reduced frame.
    smaller: Vec<u8>,
    texture: Texture,
    parts: Vec<Part>,
    /// Buffers for a part of the picture, as it is and sharpened.
    plain: Vec<u8>,
    sharp: Vec<u8>,
    column_sums: Vec<u16>,
    black_and_white: BlackAndWhite,
}

impl QrReader {
    /// Reads the QR codes in a luma plane of `width` × `height` pixels, whose rows begin every
    /// `stride` bytes. Returns none for a plane that is too short for its size.
    pub fn read(&mut self, luma: &[u8], width: usize, height: usize, stride: usize) -> Vec<String> {
        self.read_next(luma, width, height, stride, &mut SearchedInVain::default())
    }

    /// As [`Self::read`], for the next frame of a camera: parts that have not changed since
    /// `before` are searched only now and then.
    pub fn read_next(
        &mut self,
        luma: &[u8],
        width: usize,
        height: usize,
        stride: usize,
        before: &mut SearchedInVain,
    ) -> Vec<String> {
        let Self { smaller, texture, parts, plain, sharp, column_sums, black_and_white } = self;
        let Some(Plane { luma: picture, width, height, stride }) = fit(luma, width, height, stride, smaller) else {
            return Vec::new();
        };
        let mut texts = Vec::new();
        texture.parts(picture, [width, height], stride, before, parts);
        let light_on_dark = !parts.is_empty() && before.is_turn_of_light_on_dark();
        for part in parts.iter() {
            let found_before = texts.len();
            plain.clear();
            let rows = picture[part.y * stride..].chunks(stride).take(part.height);
            rows.for_each(|row| plain.extend_from_slice(&row[part.x..][..part.width]));
            let size = (part.width, part.height);
            let corners = search(black_and_white.of(plain, size.0, size.1), [true, light_on_dark], &mut texts);
            if corners.contains(&true) && !is_one_ours(&texts) {
                sharpen(plain, size.0, size.1, column_sums, sharp);
                search(black_and_white.of(sharp, size.0, size.1), corners, &mut texts);
            }
            // In vain only after both searches: the next frame makes up for the one left out.
            if texts.len() == found_before && light_on_dark {
                texture.was_in_vain(*part, before);
            }
        }
        texts
    }
}

/// A luma plane, whose rows begin every `stride` bytes.
struct Plane<'p> {
    luma: &'p [u8],
    width: usize,
    height: usize,
    stride: usize,
}

/// The plane itself, or, if it is too large, a reduced one in `smaller`. `None` for a plane that is
/// too short for its size.
fn fit<'p>(luma: &'p [u8], width: usize, height: usize, stride: usize, smaller: &'p mut Vec<u8>) -> Option<Plane<'p>> {
    let last_row = stride.checked_mul(height.checked_sub(1)?)?;
    if width == 0 || stride < width || luma.len() < last_row.checked_add(width)? {
        return None;
    }
    let factor = (1..).find(|n| (width / n) * (height / n) <= MOST_PIXELS)?;
    if factor == 1 {
        return Some(Plane { luma, width, height, stride });
    }
    let (width, height) = (width / factor, height / factor);
    smaller.clear();
    for y in 0..height {
        smaller.extend((0..width).map(|x| {
            let rows = luma[y * factor * stride..].chunks(stride).take(factor);
            let sum: usize = rows.flat_map(|row| &row[x * factor..][..factor]).map(|luma| usize::from(*luma)).sum();
            (sum / (factor * factor)) as u8
        }));
    }
    Some(Plane { luma: smaller, width, height, stride: width })
}

/// Unsharp mask: the difference of a pixel from the mean of 5 × 5 around it counts three times.
fn sharpen(plain: &[u8], width: usize, height: usize, column_sums: &mut Vec<u16>, sharp: &mut Vec<u8>) {
    sharp.clear();
    sharp.extend_from_slice(plain);
    if width < 5 || height < 5 {
        return;
    }
    let row = |y: usize| &plain[y * width..][..width];
    column_sums.clear();
    column_sums.resize(width, 0);
    for y in 0..4 {
        column_sums.iter_mut().zip(row(y)).for_each(|(sum, luma)| *sum += u16::from(*luma));
    }
    for y in 2..height - 2 {
        column_sums.iter_mut().zip(row(y + 2)).for_each(|(sum, luma)| *sum += u16::from(*luma));
        // Slices of equal length and wrapping sums let many pixels be computed at once.
        let inner = width - 4;
        let near: [&[u16]; 5] = std::array::from_fn(|i| &column_sums[i..][..inner]);
        let (to, from) = (&mut sharp[y * width + 2..][..inner], &row(y)[2..][..inner]);
        for x in 0..inner {
            let sum = near.iter().fold(0u16, |sum, near| sum.wrapping_add(near[x]));
            // 2 ÷ 25 in 16 bits of fraction.
            let twice_mean = (u32::from(sum).wrapping_mul(5243) >> 16) as u16;
            to[x] = i16::from(from[x]).wrapping_mul(3).wrapping_sub(twice_mean.cast_signed()).clamp(0, 255) as u8;
        }
        column_sums.iter_mut().zip(row(y - 2)).for_each(|(sum, luma)| *sum -= u16::from(*luma));
    }
}

fn is_one_ours(texts: &[String]) -> bool {
    texts.iter().any(|text| text.starts_with(PREFIX))
}

/// Searches a black-and-white picture for codes that are dark on light, and for codes that are
/// light on dark, as phones in dark mode show them. Adds new texts, and returns for which of both
/// anything looks like a finder pattern. Once a code of ours is found, the rest is left out.
fn search(picture: Option<BitMatrix>, [dark_on_light, light_on_dark]: [bool; 2], texts: &mut Vec<String>) -> [bool; 2] {
    let Some(mut picture) = picture else { return [false; 2] };
    let dark = if dark_on_light { search_dark_on_light(&picture, texts) } else { 0 };
    // A wall of patterns has taken long enough.
    if !light_on_dark || dark == MOST_PATTERNS || is_one_ours(texts) {
        return [dark > 0, false];
    }
    picture.flip_self();
    [dark > 0, search_dark_on_light(&picture, texts) > 0]
}

/// Returns the number of places that look like a finder pattern. A picture that makes the library
/// panic counts as empty, since anyone can hold it up to a gate.
fn search_dark_on_light(picture: &BitMatrix, texts: &mut Vec<String>) -> usize {
    let found = catch_unwind(AssertUnwindSafe(|| search_unguarded(picture)));
    let Ok(Found { texts: found, corners }) = found else { return 0 };
    for text in found {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    corners
}

/// The result for one picture.
struct Found {
    texts: Vec<String>,
    /// Number of places that look like a finder pattern, up to [`MOST_PATTERNS`].
    corners: usize,
}

fn search_unguarded(picture: &BitMatrix) -> Found {
    let mut patterns = FindFinderPatterns(picture, true, 0);
    patterns.truncate(MOST_PATTERNS);
    let corners = patterns.len();
    let (mut texts, mut used) = (Vec::new(), Vec::new());
    for three in GenerateFinderPatternSets(&mut patterns).into_iter().take(MOST_TRIES) {
        if [three.bl, three.tl, three.tr].iter().any(|corner| used.contains(corner)) {
            continue;
        }
        let Ok(modules) = SampleQR(picture, &three) else { continue };
        let Some(code) = Decode(modules.getBits()).ok().filter(|code| code.isValid()) else { continue };
        used.extend([three.bl, three.tl, three.tr]);
        texts.push(code.text());
        if texts.len() == MOST_CODES {
            break;
        }
    }
    Found { texts, corners }
}
