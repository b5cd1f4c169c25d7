//! Density maps: people per cell of a picture. The sum of all cells is the count (Lempitsky,
//! Zisserman: "Learning to count objects in images", 2010).

use gatehouse_picture::{Point, Size};
use gatehouse_runtime::Placement;
use ndarray::ArrayView2;

/// People per cell, row by row from the top left, counted at the head. Empty without a model.
#[derive(Debug, Default, PartialEq)]
pub struct DensityMap {
    columns: usize,
    rows: usize,
    cell_in_frame: (f32, f32),
    /// Pixels of the picture per pixel of the tensor.
    px_in_frame: f32,
    people: Vec<f32>,
}

impl Clone for DensityMap {
    fn clone(&self) -> Self {
        Self { people: self.people.clone(), ..*self }
    }

    /// Reuses its memory, unlike the derived one.
    fn clone_from(&mut self, other: &Self) {
        let Self { columns, rows, cell_in_frame, px_in_frame, ref people } = *other;
        (self.columns, self.rows, self.cell_in_frame, self.px_in_frame) = (columns, rows, cell_in_frame, px_in_frame);
        self.people.clone_from(people);
    }
}

impl DensityMap {
    /// Removes the map.
    pub fn clear(&mut self) {
        self.columns = 0;
        self.rows = 0;
        self.people.clear();
    }

    /// Resets it to zeros for a picture of size `frame` at `place` in a tensor, with cells of
    /// `cell_px` pixels of the tensor.
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

    /// Fills it from a model's output within the picture. Negative and non-finite cells become 0.
    pub(crate) fn fill(&mut self, map: ArrayView2<'_, f32>) {
        for (row, cells) in map.rows().into_iter().take(self.rows).enumerate() {
            let into = &mut self.people[row * self.columns..(row + 1) * self.columns];
            for (cell, value) in into.iter_mut().zip(cells) {
                *cell = if value.is_finite() { value.max(0.0) } else { 0.0 };
            }
        }
    }

    /// True if there is no map.
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

    /// People in each cell, row by row.
    pub fn people_mut(&mut self) -> &mut [f32] {
        &mut self.people
    }

    /// Width and height of a cell in pixels of the picture.
    pub fn cell_in_frame(&self) -> (f32, f32) {
        self.cell_in_frame
    }

    /// Pixels of the picture per pixel of the tensor.
    pub fn px_in_frame(&self) -> f32 {
        self.px_in_frame
    }

    /// The middle of each cell, in pixels of the picture, and its people.
    pub fn cells(&self) -> impl Iterator<Item = (Point, f32)> {
        let (width, height) = self.cell_in_frame;
        self.people.iter().enumerate().map(move |(i, people)| {
            let (column, row) = (i % self.columns, i / self.columns);
            (Point { x: (column as f32 + 0.5) * width, y: (row as f32 + 0.5) * height }, *people)
        })
    }

    /// Index of the cell with a point of the picture; the nearest one if the point is outside.
    ///
    /// # Panics
    /// If there is no map.
    pub fn cell_at(&self, in_frame: Point) -> usize {
        // `as` gives 0 for negative values and NaN.
        let at = |value: f32, cell: f32, cells: usize| ((value / cell) as usize).min(cells - 1);
        let (width, height) = self.cell_in_frame;
        at(in_frame.y, height, self.rows) * self.columns + at(in_frame.x, width, self.columns)
    }

    /// All people.
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
        map.fill(padded.view());
        assert_eq!(map.sum(), 5.0, "the row beyond the picture is dropped");
        let last = map.cells().last();
        assert_eq!(last, Some((Point { x: 560.0, y: 400.0 }, 1.5)));
    }

    #[test]
    fn negative_and_non_finite_cells_are_zero() {
        let mut map = map(64, 32);
        let odd = arr2(&[[f32::NAN, f32::INFINITY, -3.0, 1.0], [0.0; 4]]);
        map.fill(odd.view());
        assert_eq!(map.sum(), 1.0);
        map.clear();
        assert!(map.is_empty() && map.sum() == 0.0);
    }
}
