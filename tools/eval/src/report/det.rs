//! The DET plot: both error rates on axes of normal deviates, on which Gaussian scores give
//! straight lines (Martin et al., 1997).

use super::scene::{Anchor, Colour, Frame, INK, SERIES, Scene, Shape};
use crate::maths::probit::probit;
use crate::maths::scores::DetPoint;

const TICKS: [(f64, &str); 11] = [
    (1e-7, "0.00001"),
    (1e-6, "0.0001"),
    (1e-5, "0.001"),
    (1e-4, "0.01"),
    (1e-3, "0.1"),
    (1e-2, "1"),
    (0.05, "5"),
    (0.1, "10"),
    (0.2, "20"),
    (0.4, "40"),
    (0.6, "60"),
];

/// A curve with its name and marked points.
pub(super) struct DetSeries {
    pub(super) name: String,
    pub(super) points: Vec<DetPoint>,
    pub(super) marks: Vec<DetPoint>,
}

/// The plot; `None` if no curve has two points.
pub(super) fn det(title: &str, x_name: &str, y_name: &str, series: &[DetSeries]) -> Option<Scene> {
    let drawn = || series.iter().filter(|series| series.points.len() > 1);
    let points = || drawn().flat_map(|series| &series.points);
    points().next()?;
    let x = Axis::of(points().map(|point| point.false_match_rate));
    let y = Axis::of(points().map(|point| point.false_non_match_rate));
    let mut scene = Scene::new(760, 560, title);
    let frame = Frame { left: 80.0, top: 40.0, right: 740.0, bottom: 500.0 };
    for (rate, label) in TICKS.into_iter().filter(|(rate, _)| x.shows(*rate)) {
        frame.tick_x(&mut scene, x.place(rate), label);
    }
    for (rate, label) in TICKS.into_iter().filter(|(rate, _)| y.shows(*rate)) {
        frame.tick_y(&mut scene, y.place(rate), label);
    }
    let at = |point: &DetPoint| frame.at(x.place(point.false_match_rate), y.place(point.false_non_match_rate));
    let mut legend: Vec<(Colour, String)> = Vec::new();
    for (series, colour) in drawn().zip(SERIES.into_iter().cycle()) {
        scene.line(series.points.iter().map(at).collect(), colour, 2.0);
        for mark in series.marks.iter().filter(|p| x.shows(p.false_match_rate) && y.shows(p.false_non_match_rate)) {
            scene.shapes.push(Shape::Dot { at: at(mark), radius: 4.5, colour });
        }
        legend.push((colour, series.name.clone()));
    }
    frame.outline(&mut scene);
    frame.legend(&mut scene, &legend);
    scene.text(frame.left, 24.0, Anchor::Start, format!("{y_name}, % (up)"));
    scene.text((frame.left + frame.right) / 2.0, 542.0, Anchor::Middle, format!("{x_name}, %"));
    scene.line(vec![(frame.left, frame.bottom), (frame.right, frame.bottom)], INK, 1.0);
    Some(scene)
}

/// Normal deviates from a tick below the lowest rate to one above the highest.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn of(rates: impl Iterator<Item = f64> + Clone) -> Self {
        let (least, most) = rates.fold((0.5f64, 1e-3f64), |(least, most), rate| (least.min(rate), most.max(rate)));
        let low = TICKS.iter().rev().map(|(rate, _)| *rate).find(|rate| *rate <= least).unwrap_or(TICKS[0].0);
        let high = TICKS.iter().map(|(rate, _)| *rate).find(|rate| *rate >= most).unwrap_or(0.6);
        Self { low: probit(low), high: probit(high) }
    }

    fn shows(&self, rate: f64) -> bool {
        rate > 0.0 && rate < 1.0 && (self.low - 1e-9..=self.high + 1e-9).contains(&probit(rate))
    }

    fn place(&self, rate: f64) -> f64 {
        (probit(rate) - self.low) / (self.high - self.low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaussian_scores_give_a_straight_line() {
        // Genuine and impostor scores one deviation wide and 3.5 apart: probit(FNMR) = −3.5 −
        // probit(FMR).
        let rates = [0.001f64, 0.01, 0.1, 0.3];
        let points = rates.map(|fmr| {
            let deviate = -3.5 - probit(fmr);
            // The rate with that deviate, by bisection.
            let (mut low, mut high) = (1e-9, 1.0 - 1e-9);
            for _ in 0..60 {
                let middle = (low + high) / 2.0;
                if probit(middle) < deviate { low = middle } else { high = middle }
            }
            DetPoint { false_match_rate: fmr, false_non_match_rate: low }
        });
        let series = [DetSeries { name: "one".to_owned(), points: points.to_vec(), marks: vec![points[1]] }];
        let scene = det("DET", "FMR", "FNMR", &series).expect("a curve");
        let lines: Vec<_> = scene
            .shapes
            .iter()
            .filter_map(|shape| match shape {
                Shape::Line { points, width, .. } if *width == 2.0 => Some(points.clone()),
                _ => None,
            })
            .collect();
        let [line] = lines.as_slice() else { panic!("{} curves", lines.len()) };
        let slope = |i: usize| (line[i + 1].1 - line[i].1) / (line[i + 1].0 - line[i].0);
        assert!((slope(0) - slope(1)).abs() < 1e-2 && (slope(1) - slope(2)).abs() < 1e-2);
        assert!(scene.shapes.iter().any(|shape| matches!(shape, Shape::Dot { at, .. } if *at == line[1])));
    }

    #[test]
    fn without_errors_there_is_no_curve() {
        let series = [DetSeries { name: "perfect".to_owned(), points: Vec::new(), marks: Vec::new() }];
        assert_eq!(det("DET", "FMR", "FNMR", &series), None);
    }
}
