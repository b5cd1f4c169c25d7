//! A picture reduced to 64 × 36 mean luma values (limited range), too coarse to show who is there.

use crate::YuvPicture;

/// Mean luma of a picture, cell by cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Thumbnail(Box<[f32; Self::CELLS]>);

impl Default for Thumbnail {
    /// A black picture.
    fn default() -> Self {
        Self(Box::new([0.0; Self::CELLS]))
    }
}

impl Thumbnail {
    /// Cells in a row.
    pub const COLUMNS: usize = 64;
    /// Cells in a column.
    pub const ROWS: usize = 36;
    /// Number of cells.
    pub const CELLS: usize = Self::COLUMNS * Self::ROWS;
    /// Only every fourth row is read: enough for a mean.
    const ROW_STEP: usize = 4;

    /// The thumbnail of a picture of any size.
    pub fn of(picture: &YuvPicture<'_>) -> Self {
        let mut thumbnail = Self::default();
        thumbnail.update(picture);
        thumbnail
    }

    /// Overwrites this thumbnail with that of a picture of any size.
    pub fn update(&mut self, picture: &YuvPicture<'_>) {
        let (luma, range) = (picture.luma(), picture.colour().range);
        for (row, means) in self.0.chunks_exact_mut(Self::COLUMNS).enumerate() {
            let lines = row * luma.rows / Self::ROWS
                ..((row + 1) * luma.rows / Self::ROWS).max(row * luma.rows / Self::ROWS + 1);
            let mut sums = [0u32; Self::COLUMNS];
            let mut counts = [0u32; Self::COLUMNS];
            for line in lines.step_by(Self::ROW_STEP).filter(|line| *line < luma.rows) {
                let samples = luma.row(line);
                for column in 0..Self::COLUMNS {
                    let from = column * samples.len() / Self::COLUMNS;
                    let to = ((column + 1) * samples.len() / Self::COLUMNS).max(from + 1).min(samples.len());
                    sums[column] += samples[from..to].iter().map(|v| u32::from(*v)).sum::<u32>();
                    counts[column] += u32::try_from(to - from).unwrap_or(0);
                }
            }
            for (mean, (sum, count)) in means.iter_mut().zip(sums.into_iter().zip(counts)) {
                *mean = range.to_limited(sum as f32 / count.max(1) as f32);
            }
        }
    }

    /// Mean luma of each cell, row by row; limited range whatever the picture's range is.
    pub fn means(&self) -> &[f32; Self::CELLS] {
        &self.0
    }

    /// Overwrites this thumbnail with another.
    pub fn copy_from(&mut self, other: &Self) {
        self.0.copy_from_slice(&*other.0);
    }

    /// True if any cell differs by more than a camera's noise.
    ///
    /// In 720p a cell's mean has 100 samples; noise with a standard deviation of 6 shifts it by 2.4
    /// once in ten thousand times. A person of 10 by 30 pixels shifts it by 5 or more.
    pub fn differs(&self, other: &Self) -> bool {
        const NOISE: f32 = 2.5;
        self.0.iter().zip(other.0.iter()).any(|(a, b)| (a - b).abs() > NOISE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestPicture;
    use crate::{ColourSpace, Matrix, Range, Size};

    fn thumbnail(size: Size, luma: &[u8]) -> Thumbnail {
        Thumbnail::of(&TestPicture::grey(size, luma.to_vec()).i420())
    }

    #[test]
    fn a_cell_is_the_mean_of_its_part_at_any_size() {
        for (width, height) in [(640, 360), (1280, 720), (64, 36), (16, 8)] {
            let size = Size { width, height };
            let left: Vec<u8> = (0..width * height).map(|i| if i % width < width / 2 { 40 } else { 200 }).collect();
            let means = *thumbnail(size, &left).means();
            assert!((means[0] - 40.0).abs() < 0.01 && (means[Thumbnail::CELLS - 1] - 200.0).abs() < 0.01, "{size}");
        }
    }

    #[test]
    fn full_range_is_the_same_thumbnail() {
        let size = Size { width: 640, height: 360 };
        let full = ColourSpace { matrix: Matrix::Bt709, range: Range::Full };
        let of = |luma: fn(usize, usize) -> u8, colour| {
            Thumbnail::of(&TestPicture::from_fn(size, luma).i420().with_colour(colour))
        };
        let limited = of(|x, y| (16 + (x / 16 + y / 16) % 220) as u8, ColourSpace::BT601);
        let stretched = of(|x, y| (((x / 16 + y / 16) % 220) as f32 * 255.0 / 219.0).round() as u8, full);
        assert!(!stretched.differs(&limited));
        let off = stretched.means().iter().zip(limited.means()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 0.5, "{off}: rounding alone");
    }

    #[test]
    fn noise_makes_no_difference_and_a_person_does() {
        let size = Size { width: 640, height: 360 };
        let noisy = |seed: usize| -> Vec<u8> {
            (0..640 * 360)
                .map(|i: usize| 90 + ((i + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8 % 12)
                .collect()
        };
        let (first, mut second) = (noisy(1), noisy(2));
        assert!(!thumbnail(size, &first).differs(&thumbnail(size, &second)));
        (100..130).for_each(|y| second[y * 640 + 300..y * 640 + 310].fill(10));
        assert!(thumbnail(size, &first).differs(&thumbnail(size, &second)));
    }
}
