//! Histograms of scores: each kind as shares of its own number.

use super::scene::{Anchor, Colour, Frame, SERIES, Scene, Shape};

/// Histograms of two kinds of score, with counts `bars` from `from` to `to`, and a threshold.
pub(super) fn histogram(
    title: &str,
    names: [&str; 2],
    bars: &[(u64, u64)],
    (from, to): (f64, f64),
    threshold: Option<f32>,
) -> Option<Scene> {
    let totals = bars.iter().fold((0, 0), |sum, bar| (sum.0 + bar.0, sum.1 + bar.1));
    if totals.0 + totals.1 == 0 {
        return None;
    }
    let share = |count: u64, total: u64| if total == 0 { 0.0 } else { count as f64 / total as f64 };
    let shares: Vec<[f64; 2]> = bars.iter().map(|bar| [share(bar.0, totals.0), share(bar.1, totals.1)]).collect();
    let most = shares.iter().flatten().fold(0f64, |most, share| most.max(*share));
    let mut scene = Scene::new(760, 360, title);
    let frame = Frame { left: 80.0, top: 40.0, right: 740.0, bottom: 300.0 };
    for tick in 0..=4 {
        let value = from + (to - from) * f64::from(tick) / 4.0;
        frame.tick_x(&mut scene, f64::from(tick) / 4.0, &format!("{value:.2}"));
        frame.tick_y(&mut scene, f64::from(tick) / 4.0, &format!("{:.1}", 100.0 * most * f64::from(tick) / 4.0));
    }
    let colours: [Colour; 2] = [SERIES[0], SERIES[1]];
    for (index, shares) in shares.iter().enumerate() {
        for (share, colour) in shares.iter().zip(colours).filter(|(share, _)| **share > 0.0) {
            let (left, top) = frame.at(index as f64 / bars.len() as f64, share / most);
            let (right, bottom) = frame.at((index + 1) as f64 / bars.len() as f64, 0.0);
            scene.shapes.push(Shape::Box { at: (left, top, right - left, bottom - top), colour, opacity: 0.6 });
        }
    }
    let mut legend: Vec<(Colour, String)> =
        colours.into_iter().zip(names).map(|(colour, name)| (colour, name.to_owned())).collect();
    if let Some(threshold) = threshold {
        let (x, _) = frame.at((f64::from(threshold) - from) / (to - from), 0.0);
        scene.line(vec![(x, frame.top), (x, frame.bottom)], SERIES[2], 2.0);
        legend.push((SERIES[2], format!("threshold {threshold:.3}")));
    }
    frame.outline(&mut scene);
    frame.legend(&mut scene, &legend);
    scene.text(frame.left, 24.0, Anchor::Start, "share of each kind, % (up)");
    scene.text((frame.left + frame.right) / 2.0, 342.0, Anchor::Middle, "score");
    Some(scene)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_measured_by_its_own_number() {
        // All of 1 and a quarter of 400 are drawn as 100 % and 25 %.
        let scene = histogram("scores", ["a", "b"], &[(0, 300), (1, 100)], (0.0, 1.0), Some(0.5)).expect("scores");
        let heights: Vec<f32> = scene
            .shapes
            .iter()
            .filter_map(|shape| match shape {
                Shape::Box { at, opacity, .. } if *opacity == 0.6 => Some(at.3),
                _ => None,
            })
            .collect();
        assert_eq!(heights, [195.0, 260.0, 65.0]);
        assert_eq!(histogram("scores", ["a", "b"], &[(0, 0)], (0.0, 1.0), None), None);
    }
}
