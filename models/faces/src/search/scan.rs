//! The inner loop: scores a run of templates with the CPU's widest vector instructions.

use pulp::{Arch, Simd, WithSimd};

use super::segment::Row;

/// Rows scored at once: 128 KiB, which stay in the L2 cache for the next probe.
pub(super) const BLOCK: usize = 256;

/// Writes the dot product of each row with `probe` to `scores` and returns the highest.
// Not generic, so that it is compiled in this crate, which the dev profile optimises.
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
        for (row, score) in self.rows.iter().zip(self.scores) {
            let (row, _) = S::as_simd_f32s(&row.0);
            // Four independent sums hide the latency of an addition, four cycles.
            let mut sums = [simd.splat_f32s(0.0); 4];
            for (row, probe) in row.chunks_exact(4).zip(probe.chunks_exact(4)) {
                for ((sum, row), probe) in sums.iter_mut().zip(row).zip(probe) {
                    *sum = simd.mul_add_e_f32s(*row, *probe, *sum);
                }
            }
            let [a, b, c, d] = sums;
            *score = simd.reduce_sum_f32s(simd.add_f32s(simd.add_f32s(a, b), simd.add_f32s(c, d)));
            highest = highest.max(*score);
        }
        highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scan ignores a rest at the end of a row, so the widest and the scalar path must leave
    /// none.
    #[test]
    fn the_score_is_the_dot_product_on_every_cpu() {
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
