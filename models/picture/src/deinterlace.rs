//! Removes the combs of interlaced pictures, in place.
//!
//! The rows of an interlaced picture come from two moments in turn. Where something moves, each
//! second row differs from both of its neighbours. Such samples are replaced by the neighbours'
//! mean; all others stay, so what stands still keeps its detail.

/// A sample is part of a comb if it is this much above, or below, both of its neighbours.
const COMB_LEVELS: u8 = 8;

/// Removes the combs of a plane: rows of `row_bytes` samples, which begin every `stride` bytes.
/// Each sample is compared alone, so interleaved chroma is a plane too. The even rows, which belong
/// to one moment, stay as they are.
pub fn deinterlace(plane: &mut [u8], stride: usize, row_bytes: usize, rows: usize) {
    if row_bytes == 0 || stride < row_bytes {
        return;
    }
    for row in (1..rows).step_by(2) {
        let (before, rest) = plane.split_at_mut((row * stride).min(plane.len()));
        let (this, after) = rest.split_at_mut(stride.min(rest.len()));
        let above = before.get((row - 1) * stride..).and_then(|above| above.get(..row_bytes));
        let (Some(above), Some(this)) = (above, this.get_mut(..row_bytes)) else { return };
        // The last row has one neighbour.
        let below = if row + 1 < rows { after.get(..row_bytes).unwrap_or(above) } else { above };
        for ((sample, above), below) in this.iter_mut().zip(above).zip(below) {
            let most = (*above).max(*below).saturating_add(COMB_LEVELS);
            let least = (*above).min(*below).saturating_sub(COMB_LEVELS);
            let mean = above.midpoint(*below);
            *sample = if *sample > most || *sample < least { mean } else { *sample };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A bright bar over a dark ground, from this column on, in rows of one moment.
    fn bar(left: usize, x: usize) -> u8 {
        if (left..left + 6).contains(&x) { 200 } else { 40 }
    }

    #[test]
    fn a_moving_bar_is_where_the_first_moment_shows_it() {
        let (width, rows, stride) = (24, 11, 27);
        let mut plane = vec![77; stride * rows];
        for y in 0..rows {
            for x in 0..width {
                plane[y * stride + x] = bar(if y % 2 == 0 { 4 } else { 9 }, x);
            }
        }
        deinterlace(&mut plane, stride, width, rows);
        for y in 0..rows {
            let row: Vec<u8> = (0..width).map(|x| bar(4, x)).collect();
            assert_eq!(plane[y * stride..y * stride + width], row, "row {y}");
            assert!(plane[y * stride + width..(y + 1) * stride].iter().all(|v| *v == 77), "padding stays");
        }
    }

    proptest! {
        /// Stripes and edges that are two rows high or more, as of anything that stands still.
        #[test]
        fn what_stands_still_keeps_its_detail(levels in prop::collection::vec(any::<u8>(), 1..30), width in 1usize..20) {
            let rows = 2 * levels.len();
            let mut plane: Vec<u8> = (0..rows * width).map(|i| levels[i / width / 2]).collect();
            let before = plane.clone();
            deinterlace(&mut plane, width, width, rows);
            prop_assert_eq!(plane, before);
        }

        #[test]
        fn any_plane_is_accepted(bytes in prop::collection::vec(any::<u8>(), 0..200), stride in 0usize..30, row in 0usize..30, rows in 0usize..30) {
            let mut plane = bytes;
            deinterlace(&mut plane, stride, row, rows);
        }
    }
}
