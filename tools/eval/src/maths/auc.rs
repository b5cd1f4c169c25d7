//! Area under the ROC curve.

/// The probability that a genuine score is above an impostor's; ties count half (Mann and Whitney
/// 1947). `None` if either side is empty or a score is NaN.
pub(crate) fn auc(genuine: &[f32], impostor: &[f32]) -> Option<f64> {
    if genuine.is_empty() || impostor.is_empty() || genuine.iter().chain(impostor).any(|score| score.is_nan()) {
        return None;
    }
    let mut impostor = impostor.to_vec();
    impostor.sort_unstable_by(f32::total_cmp);
    let wins: f64 = genuine
        .iter()
        .map(|score| {
            let below = impostor.partition_point(|other| other < score);
            let not_above = impostor.partition_point(|other| other <= score);
            (below + not_above) as f64 / 2.0
        })
        .sum();
    Some(wins / (genuine.len() as f64 * impostor.len() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ties_count_half() {
        assert_eq!(auc(&[0.9, 0.8], &[0.1, 0.2]), Some(1.0));
        assert_eq!(auc(&[0.5], &[0.5]), Some(0.5));
        // Pairs won: 0.6 > 0.4, 0.4 = 0.4 (½), against 0.5: 1, 0.
        assert_eq!(auc(&[0.6, 0.4], &[0.4, 0.5]), Some(2.5 / 4.0));
        assert_eq!(auc(&[0.0], &[-0.0]), Some(0.5));
        assert_eq!((auc(&[], &[0.5]), auc(&[f32::NAN], &[0.5])), (None, None));
    }

    proptest! {
        #[test]
        fn it_counts_pairs(
            genuine in prop::collection::vec(0u8..8, 1..20), impostor in prop::collection::vec(0u8..8, 1..20),
        ) {
            let half_wins: i32 = genuine
                .iter()
                .flat_map(|g| impostor.iter().map(move |i| g.cmp(i) as i32 + 1))
                .sum();
            let wanted = f64::from(half_wins) / 2.0 / (genuine.len() * impostor.len()) as f64;
            let scores = |values: &[u8]| values.iter().map(|v| f32::from(*v) / 8.0).collect::<Vec<_>>();
            let got = auc(&scores(&genuine), &scores(&impostor)).expect("two sides");
            prop_assert!((got - wanted).abs() < 1e-12);
            let other_way = auc(&scores(&impostor), &scores(&genuine)).expect("two sides");
            prop_assert!((got + other_way - 1.0).abs() < 1e-12);
        }
    }
}
