//! Removes the combs of interlaced pictures, in place.
//!
//! The rows of an interlaced picture come from two moments in turn. Where something moves, a row
//! differs from both of its neighbours, and so does the next row of its own moment. Such samples
//! are replaced by the neighbours' mean. All others stay: what stands still keeps its detail, and
//! a line that is one row high is no comb.

/// A sample is part of a comb if it is this much above, or below, both of its neighbours.
const COMB_LEVELS: u8 = 8;
/// The next row of the same moment is this much above, or below, the row between them.
const NEXT_LEVELS: u8 = 4;

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
        let row_of = |samples: &'_ [u8], row: usize| -> Option<std::ops::Range<usize>> {
            let end = row * stride + row_bytes;
            (end <= samples.len()).then_some(row * stride..end)
        };
        let (Some(above), true) = (row_of(before, row - 1), this.len() >= row_bytes) else { return };
        let above = &before[above];
        // The last rows have fewer neighbours.
        let below = row_of(after, 0).filter(|_| row + 1 < rows).map_or(above, |range| &after[range]);
        let next = row_of(after, 1).filter(|_| row + 2 < rows).map(|range| &after[range]);
        let this = &mut this[..row_bytes];
        // The last row of its moment is compared with its neighbours alone.
        remove(this, above, below, next);
    }
}

fn remove(this: &mut [u8], above: &[u8], below: &[u8], next: Option<&[u8]>) {
    let rows = this.iter_mut().zip(above).zip(below);
    match next {
        Some(next) => rows.zip(next).for_each(|(((sample, above), below), next)| {
            let is_high = *next > below.saturating_add(NEXT_LEVELS);
            let is_low = *next < below.saturating_sub(NEXT_LEVELS);
            *sample = without_comb(*sample, *above, *below, is_high, is_low);
        }),
        None => rows.for_each(|((sample, above), below)| *sample = without_comb(*sample, *above, *below, true, true)),
    }
}

/// `next_is_high`, `next_is_low`: how the next row of the same moment differs.
#[inline(always)]
fn without_comb(sample: u8, above: u8, below: u8, next_is_high: bool, next_is_low: bool) -> u8 {
    let is_high = (sample > above.max(below).saturating_add(COMB_LEVELS)) & next_is_high;
    let is_low = (sample < above.min(below).saturating_sub(COMB_LEVELS)) & next_is_low;
    if is_high | is_low { above.midpoint(below) } else { sample }
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
        fn a_line_of_one_row_is_no_comb(rows in 6usize..40, line in 0usize..36, dark: u8, light: u8) {
            prop_assume!(line < rows - 2);
            let mut plane = vec![dark; rows * 8];
            plane[line * 8..line * 8 + 8].fill(light);
            let before = plane.clone();
            deinterlace(&mut plane, 8, 8, rows);
            prop_assert_eq!(plane, before);
        }

        #[test]
        fn any_plane_is_accepted(bytes in prop::collection::vec(any::<u8>(), 0..200), stride in 0usize..30, row in 0usize..30, rows in 0usize..30) {
            let mut plane = bytes;
            deinterlace(&mut plane, stride, row, rows);
        }
    }
}
