//! A picture as 64 × 36 means of brightness, of which no person can be made out.

use crate::YuvPicture;

/// How a picture's brightness lies in it, cell by cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Thumbnail(Box<[f32; Self::CELLS]>);

impl Default for Thumbnail {
    /// Black.
    fn default() -> Self {
        Self(Box::new([0.0; Self::CELLS]))
    }
}

impl Thumbnail {
    /// Cells in a row.
    pub const COLUMNS: usize = 64;
    /// Cells in a column.
    pub const ROWS: usize = 36;
    /// All of them.
    pub const CELLS: usize = Self::COLUMNS * Self::ROWS;
    /// Every so many-th row is enough for a mean.
    const STEP: usize = 4;

    /// Of a picture of any size.
    pub fn of(picture: &YuvPicture<'_>) -> Self {
        let mut thumbnail = Self::default();
        thumbnail.take(picture);
        thumbnail
    }

    /// Becomes that of a picture of any size.
    pub fn take(&mut self, picture: &YuvPicture<'_>) {
        let luma = picture.luma();
        for (row, means) in self.0.chunks_exact_mut(Self::COLUMNS).enumerate() {
            let lines = row * luma.rows / Self::ROWS
                ..((row + 1) * luma.rows / Self::ROWS).max(row * luma.rows / Self::ROWS + 1);
            let mut sums = [0u32; Self::COLUMNS];
            let mut counts = [0u32; Self::COLUMNS];
            for line in lines.step_by(Self::STEP).filter(|line| *line < luma.rows) {
                let samples = luma.row(line);
                for column in 0..Self::COLUMNS {
                    let from = column * samples.len() / Self::COLUMNS;
                    let to = ((column + 1) * samples.len() / Self::COLUMNS).max(from + 1).min(samples.len());
                    sums[column] += samples[from..to].iter().map(|v| u32::from(*v)).sum::<u32>();
                    counts[column] += u32::try_from(to - from).unwrap_or(0);
                }
            }
            for (mean, (sum, count)) in means.iter_mut().zip(sums.into_iter().zip(counts)) {
                *mean = sum as f32 / count.max(1) as f32;
            }
        }
    }

    /// Mean luma (0–255) of each cell, row by row.
    pub fn means(&self) -> &[f32; Self::CELLS] {
        &self.0
    }

    /// Becomes the same as another.
    pub fn copy_from(&mut self, other: &Self) {
        self.0.copy_from_slice(&*other.0);
    }

    /// Whether it shows something else: more than a camera's noise, which moves the mean of a cell of 720p, over 100 samples of a
    /// standard deviation of 6, by 2.4 once in ten thousand times. Somebody of 10 by 30 pixels moves it by 5 and more.
    pub fn differs(&self, other: &Self) -> bool {
        const NOISE: f32 = 2.5;
        self.0.iter().zip(other.0.iter()).any(|(a, b)| (a - b).abs() > NOISE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Size;

    fn thumbnail(size: Size, luma: &[u8]) -> Thumbnail {
        let chroma = vec![128; size.width * size.height / 4];
        let strides = [size.width, size.width / 2, size.width / 2];
        Thumbnail::of(&YuvPicture::i420(size, [luma, &chroma, &chroma], strides).expect("planes fit"))
    }

    #[test]
    fn a_cell_is_the_mean_of_its_part_of_the_picture_whatever_its_size() {
        for (width, height) in [(640, 360), (1280, 720), (64, 36), (16, 8)] {
            let size = Size { width, height };
            let left: Vec<u8> = (0..width * height).map(|i| if i % width < width / 2 { 40 } else { 200 }).collect();
            let means = *thumbnail(size, &left).means();
            assert!((means[0] - 40.0).abs() < 0.01 && (means[Thumbnail::CELLS - 1] - 200.0).abs() < 0.01, "{size}");
        }
    }

    #[test]
    fn another_is_told_from_noise() {
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
