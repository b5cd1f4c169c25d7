//! A gate's background, and how much of it is visible around a face.
//!
//! A person hides what is behind them, but nothing to the left, to the right or above. A screen or
//! a print that is held close hides all of it. Its rim lies between the face and the frame's edge,
//! outside the crop of a liveness model. So the picture is compared with the background along lines
//! from the face outwards.
//!
//! The check fails where screen and background look alike, such as a plain wall, and where a face
//! fills the frame.

use std::fmt;
use std::time::Duration;

use gatehouse_core::time::Monotonic;
use gatehouse_picture::{Rect, Size, YuvPicture};

const COLUMNS: usize = 96;
const ROWS: usize = 54;
const CELLS: usize = COLUMNS * ROWS;
/// Samples along each side of a cell. Their mean evens out the camera's noise.
const SAMPLES: usize = 4;
/// Pictures that are kept. The background is their median, so a new object becomes background when
/// half of them show it: after a minute without anybody in sight.
const MAX_PICTURES: usize = 32;
const LEARN_INTERVAL: Duration = Duration::from_secs(4);
/// The first pictures are learnt faster, so that a gate soon knows its background after a start.
const FIRST_PICTURES: usize = 8;
const FIRST_INTERVAL: Duration = Duration::from_millis(500);
/// Interval while somebody is in sight. It is long: a screen must be held up for minutes to be
/// learnt.
const OCCUPIED_INTERVAL: Duration = Duration::from_secs(20);
/// Number of pictures from which on the background is known.
const MIN_PICTURES: usize = 5;
/// Time without a face after which the gate is empty. A person who turns round to leave has no
/// face.
const EMPTY_AFTER: Duration = Duration::from_secs(1);
/// A cell has changed if it differs by more than this many levels plus this share of the
/// background. Sensor noise, shadows and a camera's sharpening stay below.
const CHANGE_LEVELS: f32 = 12.0;
const CHANGE_SHARE: f32 = 0.05;
/// Range in which a camera's exposure may follow a light or dark coat.
const EXPOSURE: (f32, f32) = (0.6, 1.6);

/// The background of one gate. Its pictures have 96 × 54 grey cells, show no face, and never leave
/// it.
pub struct Background {
    pictures: Vec<[u8; CELLS]>,
    next: usize,
    last_learnt: Option<Monotonic>,
    last_face: Option<Monotonic>,
    median: [u8; CELLS],
    /// Scratch: the picture that is compared. Overwritten after each use.
    current: [u8; CELLS],
    /// Scratch: ratio of the current picture to the median, cell by cell.
    ratios: Vec<f32>,
}

impl Default for Background {
    fn default() -> Self {
        Self {
            pictures: Vec::with_capacity(MAX_PICTURES),
            next: 0,
            last_learnt: None,
            last_face: None,
            median: [0; CELLS],
            current: [0; CELLS],
            ratios: Vec::with_capacity(CELLS),
        }
    }
}

impl fmt::Debug for Background {
    /// Omits the pixels: they must not reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background").field("pictures", &self.pictures.len()).finish_non_exhaustive()
    }
}

impl Background {
    /// Learns from the newest frame, in which these faces were detected.
    pub fn learn(&mut self, picture: &YuvPicture<'_>, faces: impl ExactSizeIterator<Item = Rect>, now: Monotonic) {
        let has_faces = faces.len() > 0;
        if has_faces {
            self.last_face = Some(now);
        }
        let is_empty = self.last_face.is_none_or(|face| now.since(face) >= EMPTY_AFTER);
        let interval = match (is_empty, self.pictures.len()) {
            (true, 0..FIRST_PICTURES) => FIRST_INTERVAL,
            (true, _) => LEARN_INTERVAL,
            (false, MIN_PICTURES..) if has_faces => OCCUPIED_INTERVAL,
            (false, _) => return,
        };
        if self.last_learnt.is_some_and(|learnt| now.since(learnt) < interval) {
            return;
        }
        self.last_learnt = Some(now);
        cell_means(picture, &mut self.current);
        let frame = picture.size();
        faces.for_each(|face| self.mask_person(&face, frame));
        if self.pictures.len() < MAX_PICTURES {
            self.pictures.push(self.current);
        } else {
            self.pictures[self.next] = self.current;
        }
        self.next = (self.next + 1) % MAX_PICTURES;
        self.update_median();
        self.current.fill(0);
    }

    fn update_median(&mut self) {
        let mut values = [0; MAX_PICTURES];
        for (cell, median) in self.median.iter_mut().enumerate() {
            let values = &mut values[..self.pictures.len()];
            for (value, picture) in values.iter_mut().zip(&self.pictures) {
                *value = picture[cell];
            }
            let middle = values.len() / 2;
            *median = *values.select_nth_unstable(middle).1;
        }
    }

    /// True once enough pictures were learnt.
    pub fn is_known(&self) -> bool {
        self.pictures.len() >= MIN_PICTURES
    }

    /// Replaces a person by the background: from above their hair down, as wide as their shoulders.
    fn mask_person(&mut self, face: &Rect, frame: Size) {
        let OnCells { x, y, width, height } = OnCells::new(face, frame);
        let columns = cell(x - 1.5 * width, COLUMNS)..cell((x + 1.5 * width).ceil(), COLUMNS);
        for row in cell(y - height, ROWS)..ROWS {
            let cells = row * COLUMNS + columns.start..row * COLUMNS + columns.end;
            self.current[cells.clone()].copy_from_slice(&self.median[cells]);
        }
    }

    /// Openness of the background around a face in its frame, 0–1.
    ///
    /// It is the share of lines from the face to the frame's edge along which only the background
    /// is visible, on the best of three sides (left, right, above). So a neighbour closes one side,
    /// not all. `None` while the background is unknown, and where the face leaves no room.
    pub fn openness(&mut self, picture: &YuvPicture<'_>, face: &Rect) -> Option<f32> {
        if !self.is_known() {
            return None;
        }
        cell_means(picture, &mut self.current);
        let frame = picture.size();
        // Also without a correction: where people cover half the frame, the exposure cannot be
        // estimated.
        let exposures = [1.0, self.exposure()];
        let openness =
            exposures.into_iter().filter_map(|exposure| self.best_side(face, frame, exposure)).reduce(f32::max);
        // Keep no picture of the person.
        self.current.fill(0);
        openness
    }

    fn best_side(&self, face: &Rect, frame: Size, exposure: f32) -> Option<f32> {
        let has_changed = |row: usize, column: usize| {
            let cell = row * COLUMNS + column;
            let expected = exposure * f32::from(self.median[cell]);
            (f32::from(self.current[cell]) - expected).abs() > CHANGE_LEVELS + CHANGE_SHARE * expected
        };
        let OnCells { x, y, width, height } = OnCells::new(face, frame);
        // Hair is wider and higher than the face's box; shoulders begin below it.
        let (left, right) = (cell(x - 0.85 * width, COLUMNS), cell((x + 0.85 * width).ceil(), COLUMNS));
        let rows = cell(y - 0.9 * height, ROWS)..cell((y + 0.3 * height).ceil(), ROWS);
        let columns = cell(x - 0.6 * width, COLUMNS)..cell((x + 0.6 * width).ceil(), COLUMNS);
        let top = cell(y - 0.95 * height, ROWS);
        let has_room = |cells: usize, least: f32| cells > 0 && cells as f32 >= least;
        let mut best: Option<f32> = None;
        let mut add_side = |lines: usize, open: usize| {
            if lines > 0 {
                best = Some(best.unwrap_or(0.0).max(open as f32 / lines as f32));
            }
        };
        if has_room(left, 0.5 * width) {
            let is_open = |row: &usize| !(0..left).any(|column| has_changed(*row, column));
            add_side(rows.len(), rows.clone().filter(is_open).count());
        }
        if has_room(COLUMNS - right, 0.5 * width) {
            let is_open = |row: &usize| !(right..COLUMNS).any(|column| has_changed(*row, column));
            add_side(rows.len(), rows.clone().filter(is_open).count());
        }
        if has_room(top, 0.4 * height) {
            let is_open = |column: &usize| !(0..top).any(|row| has_changed(row, *column));
            add_side(columns.len(), columns.clone().filter(is_open).count());
        }
        best
    }

    /// Exposure of the current picture relative to the background: the median ratio of their cells.
    fn exposure(&mut self) -> f32 {
        self.ratios.clear();
        let cells = self.current.iter().zip(&self.median);
        self.ratios.extend(cells.map(|(current, median)| (f32::from(*current) + 1.0) / (f32::from(*median) + 1.0)));
        let (_, middle, _) = self.ratios.select_nth_unstable_by(CELLS / 2, f32::total_cmp);
        middle.clamp(EXPOSURE.0, EXPOSURE.1)
    }
}

/// A face in units of cells; `x` and `y` are its centre.
struct OnCells {
    x: f32,
    y: f32,
    width: f32,
    height: f32,
}

impl OnCells {
    fn new(face: &Rect, frame: Size) -> Self {
        let (across, down) = (COLUMNS as f32 / frame.width as f32, ROWS as f32 / frame.height as f32);
        let centre = face.centre();
        Self { x: centre.x * across, y: centre.y * down, width: face.width * across, height: face.height * down }
    }
}

/// Index of the cell at a position along one side; `cells` beyond the end.
fn cell(at: f32, cells: usize) -> usize {
    at.clamp(0.0, cells as f32) as usize
}

/// Writes the mean luma of each cell, in limited range.
fn cell_means(picture: &YuvPicture<'_>, cells: &mut [u8; CELLS]) {
    let (luma, range) = (picture.luma(), picture.colour().range);
    for (row, cells) in cells.as_chunks_mut::<COLUMNS>().0.iter_mut().enumerate() {
        let mut sums = [0_u16; COLUMNS];
        for line in row * SAMPLES..(row + 1) * SAMPLES {
            let samples = luma.row((2 * line + 1) * luma.rows / (2 * ROWS * SAMPLES));
            for (i, sum) in (0..COLUMNS * SAMPLES).zip((0..COLUMNS).flat_map(|cell| [cell; SAMPLES])) {
                sums[sum] += u16::from(samples[(2 * i + 1) * luma.row_bytes / (2 * COLUMNS * SAMPLES)]);
            }
        }
        for (cell, sum) in cells.iter_mut().zip(sums) {
            *cell = range.to_limited(f32::from(sum / (SAMPLES * SAMPLES) as u16)) as u8;
        }
    }
}

#[cfg(test)]
mod tests;
