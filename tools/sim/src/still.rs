//! A scene in which nothing moves: before a live sensor with its noise, or one that is frozen, with
//! or without a clock that the camera draws into the picture.

use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use serde::Deserialize;

use crate::{encode::Encoding, error::ClipError, gateway, picture::Picture, source};

/// Standard deviation of the sensor's noise, in steps of luma.
const NOISE: f64 = 2.0;
/// Part of the clips' fingerprint: raised when the drawing changes.
const DRAWING: u32 = 1;
/// Segments of the digits 0 to 9: top, upper right, lower right, bottom, lower left, upper left,
/// middle.
const DIGITS: [[bool; 7]; 10] = {
    const O: bool = false;
    const I: bool = true;
    [
        [I, I, I, I, I, I, O],
        [O, I, I, O, O, O, O],
        [I, I, O, I, I, O, I],
        [I, I, I, I, O, O, I],
        [O, I, I, O, O, I, I],
        [I, O, I, I, O, I, I],
        [I, O, I, I, I, I, I],
        [I, I, I, O, O, O, O],
        [I, I, I, I, I, I, I],
        [I, I, I, I, O, I, I],
    ]
};

/// What the sensor does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sensor {
    /// It sees a still scene, with its noise.
    Live,
    /// It gives the same picture for ever.
    Frozen,
}

/// A scene in which nothing moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Still {
    /// What the sensor does.
    pub sensor: Sensor,
    /// True if the camera draws a running clock into the picture.
    pub clock: bool,
}

impl Still {
    pub(crate) fn fingerprint(&self) -> String {
        format!("{self:?} {NOISE} {DRAWING} {}", gateway::DRAWING)
    }

    /// Draws the scene's frames and pushes them to `out` until it accepts no more.
    pub(crate) fn push_frames(
        &self,
        encoding: &Encoding,
        info: &gst_video::VideoInfo,
        out: &gst_app::AppSrc,
    ) -> Result<(), ClipError> {
        let [scene, ..] = gateway::by_lamplight(encoding.width as usize, encoding.height as usize);
        let mut noise = Noise(1);
        for number in 0..u64::from(encoding.fps * (encoding.seconds_skipped + encoding.seconds_max)) {
            if self.sensor == Sensor::Frozen {
                noise = Noise(1);
            }
            let mut frame = scene.clone();
            let luma = &mut frame.planes[0].bytes;
            luma.iter_mut().for_each(|pixel| *pixel = (f64::from(*pixel) + noise.next()).clamp(16.0, 235.0) as u8);
            if self.clock {
                draw_clock(&mut frame, number / u64::from(encoding.fps));
            }
            let mut buffer = source::to_buffer(&frame, info).map_err(|error| ClipError::Failed {
                what: "still scene".to_owned(),
                element: "frame buffer".to_owned(),
                reason: error.to_string(),
            })?;
            if let Some(buffer) = buffer.get_mut() {
                let second = gst::ClockTime::SECOND.nseconds();
                buffer.set_pts(gst::ClockTime::from_nseconds(number * second / u64::from(encoding.fps)));
                buffer.set_duration(gst::ClockTime::from_nseconds(second / u64::from(encoding.fps)));
            }
            if out.push_buffer(buffer).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Normal noise: the sum of twelve uniform numbers (SplitMix64).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        let mut sum = 0.0;
        for _ in 0..2 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            sum += (0..6).map(|part| (mixed >> (10 * part) & 1023) as f64 / 1024.0).sum::<f64>();
        }
        (sum - 6.0) * NOISE
    }
}

/// Draws minutes and seconds at the top left.
fn draw_clock(frame: &mut Picture, seconds: u64) {
    let (width, height) = (frame.planes[0].width, frame.planes[0].height);
    let digit_height = (height / 14).max(10);
    let (digit_width, stroke) = (digit_height / 2, (digit_height / 8).max(1));
    for (place, digit) in [seconds / 600 % 6, seconds / 60 % 10, seconds / 10 % 6, seconds % 10].iter().enumerate() {
        let left = digit_height + place * (digit_width + 3 * stroke) + if place > 1 { 2 * stroke } else { 0 };
        let mut fill = |x0: usize, y0: usize, x1: usize, y1: usize, luma: u8| {
            for row in frame.planes[0].bytes.chunks_exact_mut(width).take(y1).skip(y0) {
                row[x0.min(width)..x1.min(width)].fill(luma);
            }
        };
        let (top, middle) = (digit_height / 2, digit_height / 2 + digit_height / 2);
        let bottom = top + digit_height;
        fill(left - stroke, top - stroke, left + digit_width + stroke, bottom + stroke, 16);
        let right = left + digit_width;
        let segments = [
            [left, top, right, top + stroke],
            [right - stroke, top, right, middle],
            [right - stroke, middle, right, bottom],
            [left, bottom - stroke, right, bottom],
            [left, middle, left + stroke, bottom],
            [left, top, left + stroke, middle],
            [left, middle - stroke / 2, right, middle - stroke / 2 + stroke],
        ];
        for (segment, [x0, y0, x1, y1]) in segments.into_iter().enumerate() {
            if DIGITS[*digit as usize][segment] {
                fill(x0, y0, x1, y1, 235);
            }
        }
    }
}
