//! Previews of crowd cameras: small pictures in which all people are pixelated.
//!
//! **The models that detect people hide them.** Detections of low scores are hidden too, each box
//! is grown, and places with a density are hidden, because a detector misses most people in a
//! crowd. All stay hidden for a second, because detections flicker. A person whom all models miss
//! is not hidden. No setting turns this off; only [`Preview::render`] makes a [`PreviewFrame`].

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use gatehouse_core::time::Monotonic;
use gatehouse_people::PeopleReading;
use gatehouse_picture::{Rect, Size, YuvPicture};
use gatehouse_runtime::ModelError;
use gatehouse_runtime::jpeg::{JpegEncoder, PlaneMut, SmallPicture};

/// Greatest width of a preview in pixels.
const MAX_WIDTH: usize = 640;
/// Growth of a box at each edge, as a share of its side.
const GROWTH: f32 = 0.15;
/// Blocks across the shorter side of a person's box: a face has two or three of them.
const BLOCKS_ACROSS: f32 = 10.0;
/// Smallest block in preview pixels, to hide people far away too.
const MIN_BLOCK: usize = 8;
/// Time that a person stays hidden after the last detection.
const REMEMBERED: Duration = Duration::from_secs(1);
/// Least density of a cell that is hidden, in people. A head has a few tenths in its middle cell.
const SOMEBODY: f32 = 0.02;
/// Grid of places that a density hides: 8 pixels of a preview of 640 pixels.
const PLACES: Size = Size { width: 80, height: 48 };

/// A preview with pixelated people, as JPEG.
pub struct PreviewFrame {
    size: Size,
    jpeg: Box<[u8]>,
}

impl PreviewFrame {
    /// JPEG data.
    pub fn jpeg(&self) -> &[u8] {
        &self.jpeg
    }

    /// Size in pixels.
    pub fn size(&self) -> Size {
        self.size
    }
}

impl fmt::Debug for PreviewFrame {
    /// Pixels never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreviewFrame").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Renders the previews of one camera.
#[derive(Debug, Default)]
pub struct Preview {
    small: SmallPicture,
    encoder: JpegEncoder,
    seen: VecDeque<Seen>,
    /// Time of the last density in each of [`PLACES`], row by row; empty before the first.
    crowded: Vec<Option<Monotonic>>,
}

/// A person's box, normalised because a stream may change its size.
#[derive(Debug)]
struct Seen {
    at: Monotonic,
    box_in_unit: Rect,
}

impl Preview {
    /// Records people whom the next preview hides too; [`Preview::render`] records its own.
    pub fn notice(&mut self, frame: Size, found: &PeopleReading, now: Monotonic) {
        self.seen.retain(|seen| now.since(seen.at) <= REMEMBERED);
        let boxes = found.people.iter().map(|p| Seen { at: now, box_in_unit: normalised(p.box_in_frame, frame) });
        self.seen.extend(boxes);
        let (width, height) = found.density.cell_in_frame();
        for (middle, _) in found.density.cells().filter(|(_, people)| *people > SOMEBODY) {
            // The cells around it too, because they hold the head's edge.
            let head = Rect { x: middle.x - width, y: middle.y - height, width: 2.0 * width, height: 2.0 * height };
            let Rect { x, y, width, height } = normalised(head, frame);
            let places = |from: f32, length: f32, places: usize| {
                let first = (from * places as f32).max(0.0) as usize;
                first..(((from + length) * places as f32).ceil().max(0.0) as usize).min(places)
            };
            self.crowded.resize(PLACES.width * PLACES.height, None);
            for row in places(y, height, PLACES.height) {
                for column in places(x, width, PLACES.width) {
                    self.crowded[row * PLACES.width + column] = Some(now);
                }
            }
        }
    }

    /// Renders a picture, at most 640 pixels wide. `found`: low-threshold reading; `now`: arrival.
    ///
    /// # Errors
    /// If OpenCV refuses the picture.
    pub fn render(
        &mut self,
        picture: &YuvPicture<'_>,
        found: &PeopleReading,
        now: Monotonic,
    ) -> Result<PreviewFrame, ModelError> {
        self.hide(picture, found, now)?;
        Ok(PreviewFrame { size: self.small.size(), jpeg: self.encoder.encode(&self.small)?.into() })
    }

    fn hide(&mut self, picture: &YuvPicture<'_>, found: &PeopleReading, now: Monotonic) -> Result<(), ModelError> {
        self.notice(picture.size(), found, now);
        self.small.shrink(picture, preview_size(picture.size()))?;
        let hidden = |at: &Option<Monotonic>| at.is_some_and(|at| now.since(at) <= REMEMBERED);
        for (row, places) in self.crowded.chunks_exact(PLACES.width).enumerate() {
            let mut column = 0;
            for run in places.chunk_by(|a, b| hidden(a) == hidden(b)) {
                if run.first().is_some_and(hidden) {
                    let mosaic = Mosaic::over_places(row, column..column + run.len(), self.small.size());
                    self.small.planes_mut().into_iter().for_each(|plane| mosaic.lay(plane));
                }
                column += run.len();
            }
        }
        for seen in &self.seen {
            let mosaic = Mosaic::over(seen.box_in_unit, self.small.size());
            self.small.planes_mut().into_iter().for_each(|plane| mosaic.lay(plane));
        }
        Ok(())
    }
}

/// Size of a preview: even sides, at most [`MAX_WIDTH`] wide, never larger than the picture.
fn preview_size(picture: Size) -> Size {
    let width = picture.width.min(MAX_WIDTH);
    let height = (picture.height * width / picture.width).max(2);
    Size { width, height: height & !1 }
}

fn normalised(in_frame: Rect, frame: Size) -> Rect {
    let (w, h) = (frame.width as f32, frame.height as f32);
    Rect { x: in_frame.x / w, y: in_frame.y / h, width: in_frame.width / w, height: in_frame.height / h }
}

/// Blocks over a part of the preview. All edges are even, so that chroma and luma blocks coincide.
#[derive(Debug)]
struct Mosaic {
    columns: Range<usize>,
    rows: Range<usize>,
    block: usize,
}

impl Mosaic {
    fn over(box_in_unit: Rect, preview: Size) -> Self {
        let (w, h) = (preview.width as f32, preview.height as f32);
        let Rect { x, y, width, height } = box_in_unit;
        // A box without a valid place hides the whole picture.
        if ![x, y, width, height].iter().all(|v| v.is_finite()) {
            return Self { columns: 0..preview.width, rows: 0..preview.height, block: preview.width.max(MIN_BLOCK) };
        }
        let block = ((width * w).min(height * h) / BLOCKS_ACROSS).ceil() as usize;
        Self {
            columns: grown_to_even(x * w, width * w, preview.width),
            rows: grown_to_even(y * h, height * h, preview.height),
            block: block.max(MIN_BLOCK).next_multiple_of(2),
        }
    }

    /// Blocks over a run of [`PLACES`].
    fn over_places(row: usize, columns: Range<usize>, preview: Size) -> Self {
        let even = |place: usize, places: usize, pixels: usize| (place * pixels / places) & !1;
        Self {
            columns: even(columns.start, PLACES.width, preview.width)..even(columns.end, PLACES.width, preview.width),
            rows: even(row, PLACES.height, preview.height)..even(row + 1, PLACES.height, preview.height),
            block: MIN_BLOCK,
        }
    }

    /// Sets each block to its mean.
    fn lay(&self, plane: PlaneMut<'_>) {
        let PlaneMut { samples, columns, subsampling } = plane;
        let sampled = |pixels: Range<usize>| pixels.start / subsampling..pixels.end / subsampling;
        for block_rows in cut(self.rows.clone(), self.block) {
            for block_columns in cut(self.columns.clone(), self.block) {
                let (rows, across) = (sampled(block_rows.clone()), sampled(block_columns));
                let row = |row: usize| row * columns + across.start..row * columns + across.end;
                let sum: usize = rows.clone().flat_map(|r| &samples[row(r)]).map(|s| usize::from(*s)).sum();
                let mean = (sum / (rows.len() * across.len())) as u8;
                rows.for_each(|r| samples[row(r)].fill(mean));
            }
        }
    }
}

/// One side of a grown box: edges move outwards to even pixels, within the picture.
fn grown_to_even(from: f32, length: f32, end: usize) -> Range<usize> {
    let first = (from - GROWTH * length).clamp(0.0, end as f32) as usize & !1;
    let last = (from + length + GROWTH * length).clamp(0.0, end as f32).ceil() as usize;
    first..last.next_multiple_of(2).min(end).max(first)
}

/// Splits a range into even parts of at least `part`: a narrow rest would reveal what blocks hide.
fn cut(range: Range<usize>, part: usize) -> impl Iterator<Item = Range<usize>> {
    let parts = if range.is_empty() { 0 } else { (range.len() / part).max(1) };
    let edge = move |i: usize| range.start + if i == parts { range.len() } else { (range.len() * i / parts) & !1 };
    (0..parts).map(move |i| edge(i)..edge(i + 1))
}

#[cfg(test)]
mod tests {
    use gatehouse_people::{DensityMap, Person};
    use gatehouse_runtime::{Fit, Placement};
    use proptest::prelude::*;

    use gatehouse_picture::testing::TestPicture;

    use super::*;

    const FRAME: Size = Size { width: 320, height: 180 };

    /// Noise without equal neighbours, so that any unchanged pixel shows.
    fn noise(samples: usize, seed: usize) -> Vec<u8> {
        (0..samples).map(|i| ((i + seed).wrapping_mul(2_654_435_761) >> 13) as u8).collect()
    }

    fn noisy_picture() -> TestPicture {
        let pixels = FRAME.width * FRAME.height;
        TestPicture::new(FRAME, noise(pixels, 1), [noise(pixels / 4, 7), noise(pixels / 4, 77)])
    }

    fn person(x: f32, y: f32, width: f32, height: f32) -> Person {
        Person { box_in_frame: Rect { x, y, width, height }, score: 0.2 }
    }

    fn of(people: &[Person]) -> PeopleReading {
        PeopleReading { people: people.to_vec(), density: DensityMap::default() }
    }

    fn at(ms: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_millis(ms))
    }

    /// The planes after hiding.
    fn hidden(preview: &mut Preview, picture: &YuvPicture<'_>, people: &[Person], now: Monotonic) -> [Vec<u8>; 3] {
        preview.hide(picture, &of(people), now).expect("the picture is sound");
        preview.small.planes_mut().map(|plane| plane.samples.to_vec())
    }

    /// True if the luma pixel and its chroma samples are unchanged.
    fn is_untouched(planes: &[Vec<u8>; 3], noise: &TestPicture, x: usize, y: usize) -> bool {
        let chroma = y / 2 * (FRAME.width / 2) + x / 2;
        planes[0][y * FRAME.width + x] == noise.planes()[0][y * FRAME.width + x]
            && (1..3).all(|i| planes[i][chroma] == noise.planes()[i][chroma])
    }

    #[test]
    fn each_block_of_a_person_is_uniform_and_the_rest_is_kept() {
        let noise = noisy_picture();
        for picture in [noise.i420(), noise.nv12()] {
            let planes = hidden(&mut Preview::default(), &picture, &[person(100.0, 40.0, 40.0, 100.0)], at(0));
            // Grown by 6 and 15: 94–146 by 25–155, moved outwards to even; six blocks of 8 or 10
            // across.
            let mosaic = Mosaic { columns: 94..146, rows: 24..156, block: 8 };
            for (plane, samples) in planes.iter().enumerate() {
                let by = if plane == 0 { 1 } else { 2 };
                for rows in cut(mosaic.rows.clone(), mosaic.block) {
                    for columns in cut(mosaic.columns.clone(), mosaic.block) {
                        assert!(rows.len() >= 8 && columns.len() >= 8, "{rows:?} × {columns:?} is a sliver");
                        let first = samples[rows.start / by * (FRAME.width / by) + columns.start / by];
                        for y in rows.start / by..rows.end / by {
                            let row = y * (FRAME.width / by);
                            let block = &samples[row + columns.start / by..row + columns.end / by];
                            assert!(block.iter().all(|s| *s == first), "plane {plane}, {columns:?} × {rows:?}");
                        }
                    }
                }
            }
            for y in 0..FRAME.height {
                for x in 0..FRAME.width {
                    let inside = mosaic.columns.contains(&x) && mosaic.rows.contains(&y);
                    assert!(inside || is_untouched(&planes, &noise, x, y), "({x}, {y}) lost its detail");
                }
            }
        }
    }

    #[test]
    fn people_stay_hidden_for_a_moment_after_detection() {
        let (noise, mut preview) = (noisy_picture(), Preview::default());
        let shown = |planes: [Vec<u8>; 3]| (100..140).any(|x| is_untouched(&planes, &noise, x, 90));
        assert!(!shown(hidden(&mut preview, &noise.i420(), &[person(100.0, 40.0, 40.0, 100.0)], at(0))));
        assert!(!shown(hidden(&mut preview, &noise.i420(), &[], at(1000))));
        assert!(shown(hidden(&mut preview, &noise.i420(), &[], at(1001))));
        assert!(preview.seen.is_empty());
    }

    #[test]
    fn people_recorded_before_a_preview_are_hidden_at_any_size() {
        let (noise, mut preview) = (noisy_picture(), Preview::default());
        preview.notice(Size { width: 640, height: 360 }, &of(&[person(200.0, 80.0, 80.0, 200.0)]), at(0));
        let planes = hidden(&mut preview, &noise.i420(), &[], at(500));
        assert!((100..140).all(|x| !is_untouched(&planes, &noise, x, 90)));
        assert!(is_untouched(&planes, &noise, 60, 90));
    }

    #[test]
    fn a_crowd_without_detections_is_hidden_by_its_density() {
        let (noise, mut preview) = (noisy_picture(), Preview::default());
        let mut density = DensityMap::default();
        density.reset(FRAME, &Placement::new(FRAME, FRAME, Fit::Scale), 8);
        let columns = density.columns();
        // From 80 to 160 by 64 to 96; the rest is nearly nobody.
        density.people_mut().iter_mut().enumerate().for_each(|(cell, people)| {
            let crowd = (10..20).contains(&(cell % columns)) && (8..12).contains(&(cell / columns));
            *people = if crowd { 0.1 } else { 0.001 };
        });
        let crowd = PeopleReading { people: Vec::new(), density };
        for (ms, found) in [(0, &crowd), (1000, &of(&[]))] {
            preview.hide(&noise.i420(), found, at(ms)).expect("the picture is sound");
            let planes = preview.small.planes_mut().map(|plane| plane.samples.to_vec());
            let kept = |x: usize, y: usize| is_untouched(&planes, &noise, x, y);
            assert!((77..163).step_by(3).all(|x| (61..99).step_by(3).all(|y| !kept(x, y))), "the crowd, and around it");
            assert!((200..320).chain(0..60).step_by(3).all(|x| kept(x, 80)), "nobody is there");
        }
        let planes = hidden(&mut preview, &noise.i420(), &[], at(1001));
        assert!(is_untouched(&planes, &noise, 120, 80), "they have gone");
    }

    #[test]
    fn a_box_without_a_valid_place_hides_everything() {
        let noise = noisy_picture();
        let planes = hidden(&mut Preview::default(), &noise.i420(), &[person(f32::NAN, 0.0, 10.0, 10.0)], at(0));
        assert!(planes.iter().all(|plane| plane.iter().all(|s| *s == plane[0])));
    }

    #[test]
    fn a_preview_has_even_sides_and_is_never_enlarged() {
        let size = |width, height| preview_size(Size { width, height });
        assert_eq!(size(1920, 1080), Size { width: 640, height: 360 });
        assert_eq!(size(768, 576), Size { width: 640, height: 480 });
        assert_eq!(size(1366, 768), Size { width: 640, height: 358 });
        assert_eq!(size(320, 180), FRAME);
        assert_eq!(size(4000, 2), Size { width: 640, height: 2 });
    }

    #[test]
    fn a_preview_frame_is_a_jpeg() {
        let frame = Preview::default().render(&noisy_picture().nv12(), &of(&[]), at(0)).expect("renders");
        assert_eq!(frame.size(), FRAME);
        assert!(frame.jpeg().starts_with(&[0xff, 0xd8, 0xff]) && frame.jpeg().ends_with(&[0xff, 0xd9]));
        assert!(!format!("{frame:?}").contains("jpeg"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_grown_box_is_covered_at_any_place(
            x in -60f32..380.0, y in -60f32..240.0, width in 0.5f32..200.0, height in 0.5f32..200.0, nv12: bool,
        ) {
            let noise = noisy_picture();
            let picture = if nv12 { noise.nv12() } else { noise.i420() };
            let planes = hidden(&mut Preview::default(), &picture, &[person(x, y, width, height)], at(0));
            let grown = Rect {
                x: x - GROWTH * width,
                y: y - GROWTH * height,
                width: width * (1.0 + 2.0 * GROWTH),
                height: height * (1.0 + 2.0 * GROWTH),
            }
            .clamped(FRAME);
            let columns = grown.x as usize..grown.right().ceil() as usize;
            let rows = grown.y as usize..grown.bottom().ceil() as usize;
            // One noise pixel in 256 equals its block's mean by chance.
            let mut kept = 0;
            for y in rows.clone() {
                kept += columns.clone().filter(|x| planes[0][y * 320 + x] == noise.planes()[0][y * 320 + x]).count();
            }
            let pixels = rows.len() * columns.len();
            prop_assert!(kept as f32 <= 3.0 + 0.03 * pixels as f32, "{kept} of {pixels} pixels are as they were");
        }

        #[test]
        fn parts_cover_their_range_and_none_is_a_sliver(from in 0usize..200, halves in 0usize..200, part in 4usize..30) {
            let range = 2 * from..2 * (from + halves);
            let parts: Vec<_> = cut(range.clone(), 2 * part).collect();
            let mut next = range.start;
            for p in &parts {
                prop_assert_eq!(p.start, next);
                prop_assert!(p.start % 2 == 0 && p.end % 2 == 0);
                prop_assert!(p.len() >= (2 * part).min(range.len()), "{:?} of {:?}", p, range);
                next = p.end;
            }
            prop_assert_eq!(next, range.end);
        }
    }
}
