//! What a gate's camera sees when nobody is there, and how much of that is seen beside a face.
//!
//! Whoever stands at a gate hides what is behind them, and nothing to the left, to the right or above. A screen or a print
//! that is held close hides all of it, and its rim lies somewhere between the face and the frame's edge, further away than a
//! liveness model looks. So the picture is compared with what is usual, along lines that lead from the face outwards.
//!
//! It says nothing where screen and wall look the same, which a plain wall makes easy, and of a face that fills the frame.

use std::fmt;
use std::time::Duration;

use gatehouse_core::time::Monotonic;
use gatehouse_picture::{Plane, Rect, Size};

const COLUMNS: usize = 96;
const ROWS: usize = 54;
const CELLS: usize = COLUMNS * ROWS;
/// Samples along each side of a cell. Their mean is steadier than a camera's noise.
const SAMPLES: usize = 4;
/// Pictures of the empty gate that are remembered. What is usual is their median, so whatever is left standing becomes usual
/// when half of them show it: after a minute without anybody in sight.
const REMEMBERED: usize = 32;
const APART: Duration = Duration::from_secs(4);
/// The first ones come sooner, so that a gate that has just been started soon knows its view.
const FIRST: usize = 8;
const FIRST_APART: Duration = Duration::from_millis(500);
/// Where somebody is always in sight, what is beside them is learnt, and slowly: whoever holds a screen up until it is usual
/// has to stand there for minutes.
const BESIDE_APART: Duration = Duration::from_secs(20);
/// From so many on it is known what is usual.
const ENOUGH: usize = 5;
/// Whoever turns round to leave has no face, and is still there.
const EMPTY_AFTER: Duration = Duration::from_secs(1);
/// A cell shows something else when it differs by more than this many levels and this share of what is usual: sensor noise,
/// a shadow and a camera's sharpening stay below.
const LEVELS: f32 = 12.0;
const SHARE: f32 = 0.05;
/// How far a camera's exposure may follow a light or dark coat.
const EXPOSURE: (f32, f32) = (0.6, 1.6);

/// One gate's view. Its pictures have 96 × 54 grey cells, show no face, and never leave it.
pub struct Background {
    remembered: Vec<[u8; CELLS]>,
    next: usize,
    taken: Option<Monotonic>,
    face: Option<Monotonic>,
    usual: [u8; CELLS],
    /// The picture that is being compared.
    now: [u8; CELLS],
    ratios: Vec<f32>,
}

impl Default for Background {
    fn default() -> Self {
        Self {
            remembered: Vec::with_capacity(REMEMBERED),
            next: 0,
            taken: None,
            face: None,
            usual: [0; CELLS],
            now: [0; CELLS],
            ratios: Vec::with_capacity(CELLS),
        }
    }
}

impl fmt::Debug for Background {
    /// Pixels never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background").field("remembered", &self.remembered.len()).finish_non_exhaustive()
    }
}

impl Background {
    /// Learns from the luma of the newest frame, in which these faces were found.
    pub fn learn(&mut self, luma: &Plane<'_>, faces: impl ExactSizeIterator<Item = Rect>, now: Monotonic) {
        let empty = faces.len() == 0;
        if !empty {
            self.face = Some(now);
        }
        let left = self.face.is_none_or(|face| now.since(face) >= EMPTY_AFTER);
        let apart = match (empty && left, self.remembered.len()) {
            (true, 0..FIRST) => FIRST_APART,
            (true, _) => APART,
            (false, ENOUGH..) if !empty => BESIDE_APART,
            (false, _) => return,
        };
        if self.taken.is_some_and(|taken| now.since(taken) < apart) {
            return;
        }
        self.taken = Some(now);
        means(luma, &mut self.now);
        let frame = Size { width: luma.row_bytes, height: luma.rows };
        faces.for_each(|face| self.leave_out(&face, frame));
        if self.remembered.len() < REMEMBERED {
            self.remembered.push(self.now);
        } else {
            self.remembered[self.next] = self.now;
        }
        self.next = (self.next + 1) % REMEMBERED;
        let mut values = [0; REMEMBERED];
        for (cell, usual) in self.usual.iter_mut().enumerate() {
            let values = &mut values[..self.remembered.len()];
            for (value, picture) in values.iter_mut().zip(&self.remembered) {
                *value = picture[cell];
            }
            let middle = values.len() / 2;
            *usual = *values.select_nth_unstable(middle).1;
        }
        self.now.fill(0);
    }

    /// Whether it is known what is usual.
    pub fn is_known(&self) -> bool {
        self.remembered.len() >= ENOUGH
    }

    /// Puts what is usual in the place of a person: from above their hair down, as wide as their shoulders.
    fn leave_out(&mut self, face: &Rect, frame: Size) {
        let OnCells { x, y, width, height } = OnCells::new(face, frame);
        let columns = cell(x - 1.5 * width, COLUMNS)..cell((x + 1.5 * width).ceil(), COLUMNS);
        for row in cell(y - height, ROWS)..ROWS {
            let cells = row * COLUMNS + columns.start..row * COLUMNS + columns.end;
            self.now[cells.clone()].copy_from_slice(&self.usual[cells]);
        }
    }

    /// How open the view beside a face is in its frame's luma, 0–1: of the lines that lead from it to the frame's edge, the
    /// share along which nothing but the usual is seen, on the best of three sides (left, right, above). So somebody who stands
    /// beside, or behind, closes one side and not all. None before it is known what is usual, and where the face leaves no room.
    pub fn openness(&mut self, luma: &Plane<'_>, face: &Rect) -> Option<f32> {
        if !self.is_known() {
            return None;
        }
        means(luma, &mut self.now);
        let frame = Size { width: luma.row_bytes, height: luma.rows };
        // As it is, for where people cover half the frame it isn't known how far the exposure has moved.
        let exposures = [1.0, self.exposure()];
        let openness = exposures.into_iter().filter_map(|exposure| self.beside(face, frame, exposure)).reduce(f32::max);
        // Nothing is kept of whoever stands there.
        self.now.fill(0);
        openness
    }

    fn beside(&self, face: &Rect, frame: Size, exposure: f32) -> Option<f32> {
        let other = |row: usize, column: usize| {
            let cell = row * COLUMNS + column;
            let usual = exposure * f32::from(self.usual[cell]);
            (f32::from(self.now[cell]) - usual).abs() > LEVELS + SHARE * usual
        };
        let OnCells { x, y, width, height } = OnCells::new(face, frame);
        // Hair is wider and higher than the box around a face, and shoulders begin below it.
        let (left, right) = (cell(x - 0.85 * width, COLUMNS), cell((x + 0.85 * width).ceil(), COLUMNS));
        let beside = cell(y - 0.9 * height, ROWS)..cell((y + 0.3 * height).ceil(), ROWS);
        let (from, to) = (cell(x - 0.6 * width, COLUMNS), cell((x + 0.6 * width).ceil(), COLUMNS));
        let top = cell(y - 0.95 * height, ROWS);
        let roomy = |cells: usize, least: f32| cells > 0 && cells as f32 >= least;
        let mut best: Option<f32> = None;
        let mut side = |lines: usize, free: usize| {
            if lines > 0 {
                best = Some(best.unwrap_or(0.0).max(free as f32 / lines as f32));
            }
        };
        if roomy(left, 0.5 * width) {
            side(beside.len(), beside.clone().filter(|row| !(0..left).any(|column| other(*row, column))).count());
        }
        if roomy(COLUMNS - right, 0.5 * width) {
            side(
                beside.len(),
                beside.clone().filter(|row| !(right..COLUMNS).any(|column| other(*row, column))).count(),
            );
        }
        if roomy(top, 0.4 * height) {
            side(to.saturating_sub(from), (from..to).filter(|column| !(0..top).any(|row| other(row, *column))).count());
        }
        best
    }

    /// The picture's light over the usual one.
    fn exposure(&mut self) -> f32 {
        self.ratios.clear();
        let cells = self.now.iter().zip(&self.usual);
        self.ratios.extend(cells.map(|(now, usual)| (f32::from(*now) + 1.0) / (f32::from(*usual) + 1.0)));
        let (_, middle, _) = self.ratios.select_nth_unstable_by(CELLS / 2, f32::total_cmp);
        middle.clamp(EXPOSURE.0, EXPOSURE.1)
    }
}

/// A face in cells; `x` and `y` are its centre's.
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

/// The cell of a place along one side, or one past the last.
fn cell(at: f32, cells: usize) -> usize {
    at.clamp(0.0, cells as f32) as usize
}

fn means(luma: &Plane<'_>, cells: &mut [u8; CELLS]) {
    for (row, cells) in cells.as_chunks_mut::<COLUMNS>().0.iter_mut().enumerate() {
        let mut sums = [0_u16; COLUMNS];
        for line in row * SAMPLES..(row + 1) * SAMPLES {
            let samples = luma.row((2 * line + 1) * luma.rows / (2 * ROWS * SAMPLES));
            for (i, sum) in (0..COLUMNS * SAMPLES).zip((0..COLUMNS).flat_map(|cell| [cell; SAMPLES])) {
                sums[sum] += u16::from(samples[(2 * i + 1) * luma.row_bytes / (2 * COLUMNS * SAMPLES)]);
            }
        }
        for (cell, sum) in cells.iter_mut().zip(sums) {
            *cell = (sum / (SAMPLES * SAMPLES) as u16) as u8;
        }
    }
}

#[cfg(test)]
mod tests;
