//! Checksums of the cells of a picture, to find where two pictures differ.

use crate::YuvPicture;

/// Columns of cells.
pub const COLUMNS: usize = 32;
/// Rows of cells.
pub const ROWS: usize = 18;
/// All cells.
pub const CELLS: usize = COLUMNS * ROWS;
/// Every fourth row is read: no codec codes a smaller block.
const ROW_STEP: usize = 4;

/// A checksum of each cell of a picture's luma, row by row.
pub type Cells = [u64; CELLS];

/// The checksums of a picture's luma. Cells that differ in a pixel that is read, every fourth row,
/// have different checksums (but for a chance of 2⁻⁶⁴).
pub fn checksums(picture: &YuvPicture<'_>) -> Cells {
    // Multiplication by an odd number loses nothing.
    let add = |sum: u64, word: u64| (sum.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let luma = picture.luma();
    let mut cells = [0; CELLS];
    for y in (0..luma.rows).step_by(ROW_STEP) {
        let row = luma.row(y);
        let into = &mut cells[y * ROWS / luma.rows * COLUMNS..][..COLUMNS];
        for (column, cell) in into.iter_mut().enumerate() {
            let bytes = &row[column * row.len() / COLUMNS..(column + 1) * row.len() / COLUMNS];
            let (words, rest) = bytes.as_chunks();
            let sum = words.iter().fold(*cell, |sum, word| add(sum, u64::from_le_bytes(*word)));
            *cell = rest.iter().fold(sum, |sum, byte| add(sum, u64::from(*byte)));
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Size;
    use crate::testing::TestPicture;

    #[test]
    fn a_changed_pixel_changes_its_cell_and_no_other() {
        let size = Size { width: 322, height: 182 };
        let mut luma: Vec<u8> = (0..322 * 182).map(|i| (i * 7 % 200) as u8).collect();
        let before = checksums(&TestPicture::grey(size, luma.clone()).i420());
        luma[100 * 322 + 50] += 1;
        let after = checksums(&TestPicture::grey(size, luma).i420());
        let changed: Vec<_> = (0..CELLS).filter(|cell| before[*cell] != after[*cell]).collect();
        assert_eq!(changed, [100 * ROWS / 182 * COLUMNS + 5], "the sixth column begins at the 50th pixel");
    }
}
