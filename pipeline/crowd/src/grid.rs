//! The density grid: spreads each person over four cells, so that the sum is the count.

use gatehouse_picture::Point;

/// A grid of people per cell, row by row from the top left.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DensityGrid {
    columns: usize,
    rows: usize,
    people: Vec<f32>,
}

/// A grid with 8 bits per cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Quantised {
    pub(crate) people_per_step: f32,
    pub(crate) cells: Vec<u8>,
}

impl DensityGrid {
    /// Makes an empty grid of at least one cell.
    pub(crate) fn new(columns: usize, rows: usize) -> Self {
        let (columns, rows) = (columns.max(1), rows.max(1));
        Self { columns, rows, people: vec![0.0; columns * rows] }
    }

    /// Fills it with people at normalised points; those outside the picture move to its edge.
    pub(crate) fn fill(&mut self, standing_at: impl IntoIterator<Item = (Point, f32)>) {
        self.people.fill(0.0);
        for (point, people) in standing_at {
            let (x0, x1, right) = self.neighbours(point.x, self.columns);
            let (y0, y1, below) = self.neighbours(point.y, self.rows);
            for (y, share_y) in [(y0, 1.0 - below), (y1, below)] {
                for (x, share_x) in [(x0, 1.0 - right), (x1, right)] {
                    self.people[y * self.columns + x] += people * share_x * share_y;
                }
            }
        }
    }

    /// The two cells around a normalised coordinate (equal at an edge), and the second's share.
    fn neighbours(&self, at: f32, cells: usize) -> (usize, usize, f32) {
        let at = (at.clamp(0.0, 1.0) * cells as f32 - 0.5).clamp(0.0, (cells - 1) as f32);
        let first = at.floor() as usize;
        (first, (first + 1).min(cells - 1), at - first as f32)
    }

    /// Quantises to 8 bits per cell, in steps as fine as the fullest cell allows.
    pub(crate) fn quantised(&self) -> Quantised {
        let fullest = self.people.iter().copied().fold(0.0, f32::max);
        let people_per_step = if fullest > 0.0 { fullest / 255.0 } else { 1.0 / 255.0 };
        let cells = self.people.iter().map(|p| (p / people_per_step).round() as u8).collect();
        Quantised { people_per_step, cells }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_sum_is_the_count_before_and_after_quantising(
            points in proptest::collection::vec((-0.1f32..1.1, -0.1f32..1.1), 0..200), columns in 1usize..64, rows in 1usize..64,
        ) {
            let mut grid = DensityGrid::new(columns, rows);
            grid.fill(points.iter().map(|&(x, y)| (Point { x, y }, 1.0)));
            prop_assert!((grid.people.iter().sum::<f32>() - points.len() as f32).abs() < 1e-2);
            let quantised = grid.quantised();
            let sum: f32 = quantised.cells.iter().map(|c| f32::from(*c) * quantised.people_per_step).sum();
            let half_steps = 4.0 * points.len() as f32 * quantised.people_per_step / 2.0;
            prop_assert!((sum - points.len() as f32).abs() <= half_steps + 1e-2);
        }
    }

    #[test]
    fn a_person_at_a_cells_centre_is_in_that_cell_alone() {
        let mut grid = DensityGrid::new(4, 2);
        grid.fill([(Point { x: 0.375, y: 0.75 }, 0.5)]);
        assert_eq!(grid.people, [0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0]);
        grid.fill([]);
        assert_eq!(grid.people.iter().sum::<f32>(), 0.0, "filling starts anew");
    }
}
