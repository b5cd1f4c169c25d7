//! Privacy zones: parts of the picture that are blacked out behind the decoder, so that no model,
//! preview or later stage can see them.

use std::ops::Range;

use gatehouse_picture::NormalisedPolygon;
use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

use crate::layout::PictureLayout;
use crate::mapped::MapError;

/// Chroma of black.
const NEUTRAL: u8 = 128;

/// A camera's privacy zones. Most cameras have none; their buffers are handed on untouched.
#[derive(Debug, Default)]
pub(crate) struct PrivacyMask {
    parts: Vec<NormalisedPolygon>,
    /// For the size of the last picture.
    spans: Option<Spans>,
}

/// The masked pixels of pictures of one size.
#[derive(Debug)]
struct Spans {
    width: u32,
    height: u32,
    spans: Vec<Span>,
}

/// A pair of rows and a range of column pairs. Pairs, so that each has chroma samples of its own.
type Span = (usize, Range<usize>);

impl PrivacyMask {
    pub(crate) fn new(parts: Vec<NormalisedPolygon>) -> Self {
        Self { parts, spans: None }
    }

    /// Returns the buffer with the privacy zones black. Where the decoder still needs the picture
    /// to predict the next one, it is copied first.
    ///
    /// # Errors
    /// If the buffer can't be mapped, or is neither I420 nor NV12.
    pub(crate) fn black_out(
        &mut self,
        mut buffer: gst::Buffer,
        layout: &PictureLayout,
    ) -> Result<gst::Buffer, MapError> {
        if self.parts.is_empty() {
            return Ok(buffer);
        }
        let PictureLayout { info, colour } = layout;
        let black = colour.range.black();
        let (width, height) = (info.width(), info.height());
        let known = self.spans.take().filter(|known| (known.width, known.height) == (width, height));
        let Spans { spans, .. } = self.spans.insert(known.unwrap_or_else(|| {
            let spans = self.parts.iter().flat_map(|part| spans(part, width as usize, height as usize)).collect();
            Spans { width, height, spans }
        }));
        buffer.make_mut();
        let mut frame = gst_video::VideoFrame::from_buffer_writable(buffer, info).map_err(|_| MapError::Map)?;
        let interleaved = match frame.format() {
            gst_video::VideoFormat::I420 => false,
            gst_video::VideoFormat::Nv12 => true,
            other => return Err(MapError::Format(other.to_string())),
        };
        let strides =
            [0, 1, 2].map(|plane| frame.plane_stride().get(plane).map_or(0, |s| usize::try_from(*s).unwrap_or(0)));
        for (pair, columns) in spans.iter() {
            let wide = 2 * columns.start..2 * columns.end;
            for row in [2 * pair, 2 * pair + 1] {
                fill(&mut frame, 0, row * strides[0], wide.clone(), black)?;
            }
            if interleaved {
                // U and V are both 128.
                fill(&mut frame, 1, pair * strides[1], wide, NEUTRAL)?;
            } else {
                fill(&mut frame, 1, pair * strides[1], columns.clone(), NEUTRAL)?;
                fill(&mut frame, 2, pair * strides[2], columns.clone(), NEUTRAL)?;
            }
        }
        Ok(frame.into_buffer())
    }
}

// An odd last row or column is cut off later.
fn fill(
    frame: &mut gst_video::VideoFrame<gst_video::video_frame::Writable>,
    plane: u32,
    row_start: usize,
    columns: Range<usize>,
    value: u8,
) -> Result<(), MapError> {
    let data = frame.plane_data_mut(plane).map_err(|_| MapError::Map)?;
    if let Some(span) = data.get_mut(row_start + columns.start..row_start + columns.end) {
        span.fill(value);
    }
    Ok(())
}

/// All pairs of rows that a polygon touches, with the column pairs that it touches there. Rounded
/// outwards.
fn spans(part: &NormalisedPolygon, width: usize, height: usize) -> Vec<Span> {
    let corners: Vec<(f64, f64)> = part
        .corners()
        .iter()
        .map(|corner| (f64::from(corner.x) * width as f64 / 2.0, f64::from(corner.y) * height as f64 / 2.0))
        .collect();
    let sides = || corners.iter().copied().zip(corners.iter().copied().cycle().skip(1));
    let (pairs, columns) = (height / 2, width / 2);
    let mut spans = Vec::new();
    for pair in 0..pairs {
        let (top, bottom) = (pair as f64, pair as f64 + 1.0);
        let mut cover = |from: f64, to: f64| {
            let (from, to) = (from.floor().max(0.0) as usize, (to.ceil().max(0.0) as usize).min(columns));
            if from < to {
                spans.push((pair, from..to));
            }
        };
        // Pixels on the polygon's sides,
        for (a, b) in sides() {
            let (upper, lower) = if a.1 <= b.1 { (a, b) } else { (b, a) };
            if lower.1 < top || upper.1 > bottom {
                continue;
            }
            let at = |y: f64| {
                let along = if lower.1 > upper.1 { (y - upper.1) / (lower.1 - upper.1) } else { 0.0 };
                upper.0 + (lower.0 - upper.0) * along.clamp(0.0, 1.0)
            };
            let ends = if lower.1 > upper.1 { (at(top), at(bottom)) } else { (a.0, b.0) };
            cover(ends.0.min(ends.1), ends.0.max(ends.1));
        }
        // and between them.
        let middle = (top + bottom) / 2.0;
        let mut crossings: Vec<f64> = sides()
            .filter(|(a, b)| (a.1 > middle) != (b.1 > middle))
            .map(|(a, b)| a.0 + (b.0 - a.0) * (middle - a.1) / (b.1 - a.1))
            .collect();
        crossings.sort_by(f64::total_cmp);
        for between in crossings.chunks_exact(2) {
            cover(between[0], between[1]);
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use gatehouse_picture::{ColourSpace, Matrix, Point, Range};
    use proptest::prelude::*;

    use super::*;

    const RANGES: [(Range, u8); 2] = [(Range::Limited, 16), (Range::Full, 0)];

    fn polygon(corners: &[(f32, f32)]) -> Option<NormalisedPolygon> {
        NormalisedPolygon::new(corners.iter().map(|&(x, y)| Point { x, y }).collect()).ok()
    }

    proptest! {
        #[test]
        fn all_masked_pixels_are_black_and_no_distant_ones(
            corners in proptest::collection::vec((0f32..1.0, 0f32..1.0), 3..8),
        ) {
            const SIZE: (usize, usize) = (96, 64);
            let Some(part) = polygon(&corners) else { return Ok(()) };
            let mut black = vec![false; SIZE.0 * SIZE.1];
            for (pair, columns) in spans(&part, SIZE.0, SIZE.1) {
                for row in [2 * pair, 2 * pair + 1] {
                    black[row * SIZE.0 + 2 * columns.start..row * SIZE.0 + 2 * columns.end].fill(true);
                }
            }
            for (i, black) in black.iter().enumerate() {
                let (x, y) = (i % SIZE.0, i / SIZE.0);
                let at = |dx: f32, dy: f32| Point {
                    x: (x as f32 + dx) / SIZE.0 as f32,
                    y: (y as f32 + dy) / SIZE.1 as f32,
                };
                let touched = [0.05, 0.35, 0.65, 0.95].iter().any(|dy| [0.05, 0.35, 0.65, 0.95].iter().any(|dx| part.contains(at(*dx, *dy))));
                prop_assert!(*black || !touched, "({x}, {y}) is left");
                // Two pairs of pixels away from all of it, nothing may be lost.
                let near = (-8..=8).any(|dy| (-8..=8).any(|dx| part.contains(at(dx as f32 / 2.0, dy as f32 / 2.0))))
                    || near_a_side(&corners, at(0.5, 0.5), SIZE);
                prop_assert!(!*black || near, "({x}, {y}) is lost");
            }
        }
    }

    // Within four pixels of a side; a sliver may lie between all points that were tried.
    fn near_a_side(corners: &[(f32, f32)], at: Point, size: (usize, usize)) -> bool {
        let px = |(x, y): (f32, f32)| (x * size.0 as f32, y * size.1 as f32);
        let (px_x, px_y) = px((at.x, at.y));
        corners.iter().zip(corners.iter().cycle().skip(1)).any(|(a, b)| {
            let ((ax, ay), (bx, by)) = (px(*a), px(*b));
            let length = (bx - ax).powi(2) + (by - ay).powi(2);
            let along = if length > 0.0 {
                (((px_x - ax) * (bx - ax) + (px_y - ay) * (by - ay)) / length).clamp(0.0, 1.0)
            } else {
                0.0
            };
            (ax + along * (bx - ax) - px_x).hypot(ay + along * (by - ay) - px_y) <= 4.0
        })
    }

    #[test]
    fn zones_are_black_in_any_form_and_the_rest_is_kept() {
        gst::init().expect("GStreamer starts");
        let formats = [gst_video::VideoFormat::I420, gst_video::VideoFormat::Nv12];
        for (format, (range, black)) in formats.into_iter().flat_map(|format| RANGES.map(|range| (format, range))) {
            let info = gst_video::VideoInfo::builder(format, 32, 16).build().expect("a picture");
            let layout = PictureLayout { info: info.clone(), colour: ColourSpace { matrix: Matrix::Bt601, range } };
            let buffer = gst::Buffer::from_mut_slice(vec![200u8; info.size()]);
            let shared = buffer.clone();
            let left = polygon(&[(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]).expect("a rectangle");
            let masked = PrivacyMask::new(vec![left]).black_out(buffer, &layout).expect("it is masked");
            let frame = gst_video::VideoFrame::from_buffer_readable(masked, &info).expect("readable");
            let luma = frame.plane_data(0).expect("a plane");
            assert!(
                luma.chunks(32).all(|row| row[..16].iter().all(|v| *v == black) && row[16..].iter().all(|v| *v == 200))
            );
            let chroma = frame.plane_data(1).expect("a plane");
            let (row, masked) = if format == gst_video::VideoFormat::Nv12 { (32, 16) } else { (16, 8) };
            assert!(chroma.chunks(row).all(|row| row[..masked].iter().all(|v| *v == 128)), "{format}");
            assert!(shared.map_readable().expect("readable").iter().all(|v| *v == 200), "the decoder's own is kept");
        }
    }
}
