//! The inner loop: scores of a run of templates, with the widest vector instructions that the processor has.

use pulp::{Arch, Simd, WithSimd};

use super::segment::Row;

/// Rows that are scored at a time: 128 KiB, which stay in the second-level cache for the next probe.
pub(super) const BLOCK: usize = 256;

/// Writes the dot product of each row with `probe` to `scores`, and returns the highest.
// Not generic, so that it is compiled in this crate, which is optimised even in the development profile.
pub(super) fn scan(arch: Arch, rows: &[Row], probe: &[f32], scores: &mut [f32]) -> f32 {
    arch.dispatch(Scan { rows, probe, scores })
}

struct Scan<'a> {
    rows: &'a [Row],
    probe: &'a [f32],
    scores: &'a mut [f32],
}

impl WithSimd for Scan<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let (probe, _) = S::as_simd_f32s(self.probe);
        let mut highest = f32::NEG_INFINITY;
        // Four rows side by side: an addition takes four cycles, and the next need not wait for it; and each part of the
        // probe is loaded once for all four.
        let (fours, left) = self.rows.as_chunks::<4>();
        let (scores_of_fours, scores_left) = self.scores.split_at_mut(4 * fours.len());
        for (rows, scores) in fours.iter().zip(scores_of_fours.as_chunks_mut::<4>().0) {
            *scores = dots(simd, rows.each_ref(), probe);
            highest = scores.iter().fold(highest, |highest, score| highest.max(*score));
        }
        for (row, score) in left.iter().zip(scores_left) {
            [*score] = dots(simd, [row], probe);
            highest = highest.max(*score);
        }
        highest
    }
}

#[inline(always)]
fn dots<S: Simd, const ROWS: usize>(simd: S, rows: [&Row; ROWS], probe: &[S::f32s]) -> [f32; ROWS] {
    let rows = rows.map(|row| S::as_simd_f32s(&row.0).0);
    let mut sums = [simd.splat_f32s(0.0); ROWS];
    for (i, probe) in probe.iter().enumerate() {
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum = simd.mul_add_e_f32s(row[i], *probe, *sum);
        }
    }
    sums.map(|sum| simd.reduce_sum_f32s(sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers that are left over at the end of a row are not summed, so there must be none: neither with the widest
    /// registers nor without any.
    #[test]
    fn the_score_is_the_dot_product_whatever_the_processor_can() {
        let rows: Vec<Row> =
            (0..7).map(|r| Row(std::array::from_fn(|i| ((r * 131 + i * 17) % 97) as f32 / 97.0))).collect();
        let probe: Vec<f32> = (0..128).map(|i| (i % 13) as f32 / 13.0 - 0.5).collect();
        let exact: Vec<f64> =
            rows.iter().map(|row| row.0.iter().zip(&probe).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()).collect();
        for arch in [Arch::new(), Arch::Scalar] {
            let mut scores = [f32::NAN; 7];
            let highest = scan(arch, &rows, &probe, &mut scores);
            for (score, exact) in scores.iter().zip(&exact) {
                assert!((f64::from(*score) - exact).abs() < 1e-5, "{arch:?}: {score} {exact}");
            }
            assert_eq!(highest, scores.into_iter().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}
