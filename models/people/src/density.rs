//! Density maps: people per cell of a picture. A map's integral is the count (Lempitsky, Zisserman: "Learning to count objects
//! in images", 2010).

use gatehouse_picture::{Point, Size};
use gatehouse_runtime::Placement;
use ndarray::ArrayView2;

use crate::counting::HandOver;

/// People per cell, row by row from the top left; a person counts where the head is. Empty where a model makes none.
#[derive(Debug, Default, PartialEq)]
pub struct DensityMap {
    columns: usize,
    rows: usize,
    cell_in_frame: (f32, f32),
    /// Pixels of the picture for one of the tensor that the model saw.
    px_in_frame: f32,
    people: Vec<f32>,
}

impl Clone for DensityMap {
    fn clone(&self) -> Self {
        Self { people: self.people.clone(), ..*self }
    }

    /// Keeps its memory, as the derived one would not.
    fn clone_from(&mut self, other: &Self) {
        let Self { columns, rows, cell_in_frame, px_in_frame, ref people } = *other;
        (self.columns, self.rows, self.cell_in_frame, self.px_in_frame) = (columns, rows, cell_in_frame, px_in_frame);
        self.people.clone_from(people);
    }
}

impl DensityMap {
    /// No map.
    pub fn clear(&mut self) {
        self.columns = 0;
        self.rows = 0;
        self.people.clear();
    }

    /// An empty map over a picture of size `frame`, for cells of `cell_px` pixels of the picture at `place` in a tensor.
    pub fn reset(&mut self, frame: Size, place: &Placement, cell_px: usize) {
        let in_tensor = place.in_tensor();
        self.columns = in_tensor.width.div_ceil(cell_px);
        self.rows = in_tensor.height.div_ceil(cell_px);
        self.cell_in_frame = (
            cell_px as f32 * frame.width as f32 / in_tensor.width as f32,
            cell_px as f32 * frame.height as f32 / in_tensor.height as f32,
        );
        self.px_in_frame = frame.width.max(frame.height) as f32 / in_tensor.width.max(in_tensor.height) as f32;
        self.people.clear();
        self.people.resize(self.columns * self.rows, 0.0);
    }

    /// Takes the map that a model gave, whose cells beyond the picture are left out. Less than nobody is nobody; so is what is not
    /// finite. Returns how many cells were not.
    pub(crate) fn fill(&mut self, map: ArrayView2<'_, f32>) -> u64 {
        let mut not_finite = 0;
        for (row, cells) in map.rows().into_iter().take(self.rows).enumerate() {
            let into = &mut self.people[row * self.columns..(row + 1) * self.columns];
            for (cell, value) in into.iter_mut().zip(cells) {
                not_finite += u64::from(!value.is_finite());
                *cell = if value.is_finite() { value.max(0.0) } else { 0.0 };
            }
        }
        not_finite
    }

    /// Whether there is no map.
    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// Cells in a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// People in each cell, row by row.
    pub fn people(&self) -> &[f32] {
        &self.people
    }

    /// The same, to be changed.
    pub fn people_mut(&mut self) -> &mut [f32] {
        &mut self.people
    }

    /// Width and height of a cell in pixels of the picture.
    pub fn cell_in_frame(&self) -> (f32, f32) {
        self.cell_in_frame
    }

    /// Each cell's middle, in pixels of the picture, with its people.
    pub fn cells(&self) -> impl Iterator<Item = (Point, f32)> {
        let (width, height) = self.cell_in_frame;
        self.people.iter().enumerate().map(move |(i, people)| {
            let (column, row) = (i % self.columns, i / self.columns);
            (Point { x: (column as f32 + 0.5) * width, y: (row as f32 + 0.5) * height }, *people)
        })
    }

    /// The cell that a point of the picture lies in; of a point beyond the edge, the nearest.
    ///
    /// # Panics
    /// If there is no map.
    pub fn cell_at(&self, in_frame: Point) -> usize {
        // `as` stays at 0 for what is negative or no number.
        let at = |value: f32, cell: f32, cells: usize| ((value / cell) as usize).min(cells - 1);
        let (width, height) = self.cell_in_frame;
        at(in_frame.y, height, self.rows) * self.columns + at(in_frame.x, width, self.columns)
    }

    /// How far each place has gone over by a rule: 0–1 for each cell, from the people in the picture and in a square around the cell,
    /// cut off at the picture's edge and made up for that, and from how `unsure` the detector is, 0–1. `sums` is for working in.
    pub fn shares(&self, hand_over: &HandOver, unsure: f32, sums: &mut Vec<f64>, shares: &mut Vec<f32>) {
        let (columns, rows) = (self.columns, self.rows);
        let stride = columns + 1;
        // All cells above and to the left, with a row and a column of zeros before them.
        sums.clear();
        sums.resize(stride * (rows + 1), 0.0);
        for row in 0..rows {
            let mut along = 0.0;
            for column in 0..columns {
                along += f64::from(self.people[row * columns + column]);
                sums[(row + 1) * stride + column + 1] = sums[row * stride + column + 1] + along;
            }
        }
        let square_in_frame = hand_over.square_px as f32 * self.px_in_frame;
        let (width, height) = self.cell_in_frame;
        let reach = |cell: f32| ((square_in_frame / cell - 1.0) / 2.0).round().max(0.0) as usize;
        let (across, down) = (reach(width), reach(height));
        let full = ((2 * across + 1) * (2 * down + 1)) as f32;
        let in_picture = sums.last().copied().unwrap_or_default() as f32;
        shares.clear();
        for row in 0..rows {
            let (top, bottom) = (row.saturating_sub(down), (row + down + 1).min(rows));
            for column in 0..columns {
                let (left, right) = (column.saturating_sub(across), (column + across + 1).min(columns));
                let sum = sums[bottom * stride + right] + sums[top * stride + left]
                    - sums[bottom * stride + left]
                    - sums[top * stride + right];
                let seen = ((bottom - top) * (right - left)) as f32;
                shares.push(hand_over.share(in_picture, sum as f32 * full / seen, unsure));
            }
        }
    }

    /// Puts another map of the same picture in the place of this one, each cell by its share; those of the other's people whose cell
    /// isn't this map's go to the cell that their middle is in.
    pub(crate) fn give_way(&mut self, other: &Self, shares: &[f32]) {
        self.people.iter_mut().zip(shares).for_each(|(people, share)| *people *= 1.0 - share);
        for (middle, people) in other.cells() {
            let cell = self.cell_at(middle);
            self.people[cell] += shares[cell] * people;
        }
    }

    /// People in all of it.
    pub fn sum(&self) -> f32 {
        self.people.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_runtime::Fit;
    use ndarray::arr2;

    use super::*;

    fn map(width: usize, height: usize) -> DensityMap {
        let frame = Size { width, height };
        let place = Placement::new(frame, Size { width: 32, height: 32 }, Fit::Scale);
        let mut map = DensityMap::default();
        map.reset(frame, &place, 8);
        map
    }

    #[test]
    fn cells_lie_where_the_picture_does() {
        // 32 × 18 of the tensor: 4 columns, and 3 rows of which the last is a quarter picture.
        let mut map = map(640, 360);
        assert_eq!((map.columns(), map.rows(), map.cell_in_frame()), (4, 3, (160.0, 160.0)));
        assert_eq!(map.cell_at(Point { x: 170.0, y: 330.0 }), 9);
        assert_eq!(map.cell_at(Point { x: -5.0, y: 9e9 }), 8, "beyond the edge is the nearest");
        let padded = arr2(&[[1.0, 2.0, 0.5, 0.0], [0.0; 4], [0.0, 0.0, 0.0, 1.5], [7.0; 4]]);
        assert_eq!(map.fill(padded.view()), 0);
        assert_eq!(map.sum(), 5.0, "the row that has nothing of the picture is left out");
        let last = map.cells().last();
        assert_eq!(last, Some((Point { x: 560.0, y: 400.0 }, 1.5)));
    }

    #[test]
    fn a_map_gives_way_where_the_rule_says_so_and_keeps_its_people_elsewhere() {
        let mut own = map(640, 360);
        let packed = arr2(&[[0.0, 0.0, 9.0, 9.0], [0.0, 0.0, 9.0, 9.0], [1.0, 0.0, 0.0, 0.0]]);
        own.fill(packed.view());
        let mut other = map(640, 360);
        other.fill(arr2(&[[5.0, 5.0, 20.0, 20.0], [5.0, 5.0, 20.0, 20.0], [5.0, 5.0, 0.0, 0.0]]).view());
        let rule = HandOver { in_picture: [10.0, 20.0], in_square: [4.0, 8.0], square_px: 8, unsure: None };
        let (mut sums, mut shares) = (Vec::new(), Vec::new());
        own.shares(&rule, 0.0, &mut sums, &mut shares);
        assert_eq!(shares, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        own.give_way(&other, &shares);
        assert_eq!(own.people(), [0.0, 0.0, 20.0, 20.0, 0.0, 0.0, 20.0, 20.0, 1.0, 0.0, 0.0, 0.0]);
        // A finer map of the same picture: two by two of its cells are one of the other's.
        let mut fine = DensityMap::default();
        let frame = Size { width: 640, height: 320 };
        fine.reset(frame, &Placement::new(frame, Size { width: 64, height: 64 }, Fit::Scale), 8);
        fine.people_mut().fill(1.0);
        let mut coarse = map(640, 320);
        coarse.give_way(&fine, &[1.0; 8]);
        assert_eq!(coarse.people(), [4.0; 8]);
    }

    #[test]
    fn what_is_no_number_of_people_is_nobody() {
        let mut map = map(64, 32);
        let odd = arr2(&[[f32::NAN, f32::INFINITY, -3.0, 1.0], [0.0; 4]]);
        assert_eq!((map.fill(odd.view()), map.sum()), (2, 1.0));
        map.clear();
        assert!(map.is_empty() && map.sum() == 0.0);
    }
}
