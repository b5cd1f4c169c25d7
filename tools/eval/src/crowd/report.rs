//! The result of an evaluation of counts, for output as JSON or HTML.

use std::collections::BTreeMap;
use std::time::Duration;

use gatehouse_core::event::SelfAssessment;
use serde::Serialize;

use super::boxes::{BoxErrors, BoxTally, ScoreBand, ScoreTally};
use super::examples::Example;
use super::sequence::SequenceFacts;
use crate::faces::ModelFacts;

/// Lower ends of the bands, in marked people per picture.
const BAND_STARTS: [usize; 5] = [0, 10, 30, 100, 300];

/// The evaluation of counts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CrowdReport {
    /// The pictures.
    pub dataset: CrowdDataset,
    /// The models.
    pub models: Vec<ModelFacts>,
    /// Longer side of the detector's picture, in pixels.
    pub detail_px: usize,
    /// Lowest score that counted.
    pub min_score: f32,
    /// Figures of a sequence; null for single pictures.
    pub sequence: Option<SequenceFacts>,
    /// Errors over all pictures.
    #[serde(flatten)]
    pub errors: CountErrors,
    /// Accuracy of the boxes, over all pictures with marked boxes; null without them.
    pub boxes: Option<BoxErrors>,
    /// Precision by score, over all pictures with marked boxes; empty without them.
    pub scores: Vec<ScoreBand>,
    /// Errors by number of marked people, without empty bands: `0-10` is 0 to 9, `300+` the rest.
    pub bands: BTreeMap<String, CountErrors>,
    /// Errors by self-assessment.
    pub by_self_assessment: BTreeMap<String, CountErrors>,
    /// Notes for the reader.
    pub notes: Vec<String>,
    /// The pictures, ordered by name; not in the JSON.
    #[serde(skip)]
    pub pictures: Vec<CountedPicture>,
    /// The pictures with the largest errors, in descending order; not in the JSON.
    #[serde(skip)]
    pub examples: Vec<Example>,
}

impl CrowdReport {
    /// The bands from few people to many. Their names do not sort so.
    pub fn bands_in_order(&self) -> Vec<(&String, &CountErrors)> {
        let mut bands: Vec<_> = self.bands.iter().collect();
        bands.sort_by(|a, b| a.1.mean_marked.total_cmp(&b.1.mean_marked));
        bands
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CrowdDataset {
    pub name: String,
    /// Number of marked heads.
    pub marked: usize,
    /// Unreadable pictures, which are in no figure.
    pub unreadable: usize,
}

/// One picture's count and its marks.
#[derive(Debug, Clone, PartialEq)]
pub struct CountedPicture {
    /// The picture's file, or the frame's number in the video.
    pub name: String,
    /// Time since the sequence's start; none for single pictures.
    pub at: Duration,
    pub marked: usize,
    pub counted: f64,
    /// Share of the count that is from the density, 0–1.
    pub share_by_density: f64,
    /// The count's interval, if it has one.
    pub interval: Option<[f64; 2]>,
    /// Grid average mean absolute error (Guerrero-Gómez-Olmedo et al., 2015) of levels 1 to 3: the
    /// picture cut into 4, 16 and 64 parts, the errors of all parts summed.
    pub game: [f64; 3],
    /// Matches of the counted boxes and of all detections, if people are marked by boxes.
    pub(super) boxes: Option<(BoxTally, ScoreTally)>,
    pub self_assessment: SelfAssessment,
}

impl CountedPicture {
    /// The count's error in people, negative if people are missed.
    pub(super) fn error(&self) -> f64 {
        self.counted - self.marked as f64
    }
}

/// Errors of counts over a set of pictures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CountErrors {
    /// Pictures.
    pub images: usize,
    /// Mean of the marked people.
    pub mean_marked: f64,
    /// Mean absolute error, in people.
    pub mae: f64,
    /// Root of the mean squared error, in people.
    pub rmse: f64,
    /// Mean error, in people; negative if people are missed.
    pub bias: f64,
    /// Mean of the absolute error over the marked people (over 1 where nobody is).
    pub relative_error: f64,
    /// Share of the intervals that contain the marked number; null without intervals.
    pub coverage: Option<f64>,
    /// Share of the pictures whose count has an interval.
    pub with_interval: f64,
    /// Mean GAME of levels 1 to 3, in people.
    pub game: [f64; 3],
}

impl CountErrors {
    /// Computes the errors; `None` without pictures.
    pub(super) fn of<'a>(pictures: impl Iterator<Item = &'a CountedPicture> + Clone) -> Option<Self> {
        let images = pictures.clone().count();
        let mean = |value: &dyn Fn(&CountedPicture) -> f64| pictures.clone().map(value).sum::<f64>() / images as f64;
        let with_interval = pictures.clone().filter_map(|p| p.interval.map(|interval| (p.marked as f64, interval)));
        let sure = with_interval.clone().count();
        let held = with_interval.filter(|(marked, [low, high])| (low..=high).contains(&marked)).count();
        (images > 0).then(|| Self {
            images,
            mean_marked: mean(&|p| p.marked as f64),
            mae: mean(&|p| p.error().abs()),
            rmse: mean(&|p| p.error().powi(2)).sqrt(),
            bias: mean(&CountedPicture::error),
            relative_error: mean(&|p| p.error().abs() / p.marked.max(1) as f64),
            coverage: (sure > 0).then(|| held as f64 / sure as f64),
            with_interval: sure as f64 / images as f64,
            game: [0, 1, 2].map(|level| mean(&|p| p.game[level])),
        })
    }
}

/// The band for a number of marked people.
pub(super) fn band(marked: usize) -> String {
    let above = BAND_STARTS.iter().position(|start| *start > marked);
    match above {
        Some(above) => format!("{}-{}", BAND_STARTS[above - 1], BAND_STARTS[above]),
        None => format!("{}+", BAND_STARTS[BAND_STARTS.len() - 1]),
    }
}

/// [`CountedPicture::game`] from counted places with people, and marked places; both in 0–1.
pub(super) fn game(counted: impl Iterator<Item = ([f64; 2], f64)> + Clone, marked: &[[f64; 2]]) -> [f64; 3] {
    [1u32, 2, 3].map(|level| {
        let side = 2usize.pow(level);
        let mut cells = vec![0.0f64; side * side];
        let cell = |[x, y]: [f64; 2]| {
            // Places beyond the picture's edge belong to the outermost part.
            let at = |share: f64| ((share * side as f64) as usize).min(side - 1);
            at(y) * side + at(x)
        };
        counted.clone().for_each(|(place, people)| cells[cell(place)] += people);
        marked.iter().for_each(|place| cells[cell(*place)] -= 1.0);
        cells.iter().map(|error| error.abs()).sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(marked: usize, counted: f64, interval: Option<[f64; 2]>) -> CountedPicture {
        CountedPicture {
            name: String::new(),
            at: Duration::ZERO,
            marked,
            counted,
            share_by_density: 0.0,
            interval,
            game: [1.0, 2.0, 3.0],
            boxes: None,
            self_assessment: SelfAssessment::InRange,
        }
    }

    #[test]
    fn errors_by_hand() {
        let pictures = [picture(10, 7.0, Some([5.0, 10.0])), picture(0, 1.0, Some([1.0, 2.0]))];
        let errors = CountErrors::of(pictures.iter()).expect("two");
        assert_eq!((errors.images, errors.mean_marked, errors.mae, errors.bias), (2, 5.0, 2.0, -1.0));
        assert!((errors.rmse - 5f64.sqrt()).abs() < 1e-12 && (errors.relative_error - 0.65).abs() < 1e-12);
        assert_eq!((errors.coverage, errors.game), (Some(0.5), [1.0, 2.0, 3.0]));
        let without = [picture(1, 1.0, None), picture(1, 1.0, Some([0.0, 2.0]))];
        let errors = CountErrors::of(without.iter()).expect("two");
        assert_eq!((errors.coverage, errors.with_interval), (Some(1.0), 0.5), "of those that have one");
        assert_eq!(CountErrors::of(without[..1].iter()).expect("one").coverage, None);
        assert_eq!(CountErrors::of([].iter()), None);
    }

    #[test]
    fn bands_begin_where_they_say() {
        let bands = [0, 9, 10, 29, 30, 299, 300, 5000].map(band);
        assert_eq!(bands, ["0-10", "0-10", "10-30", "10-30", "30-100", "100-300", "300+", "300+"]);
    }

    fn people(places: &[([f64; 2], f64)]) -> impl Iterator<Item = ([f64; 2], f64)> + Clone {
        places.iter().copied()
    }

    #[test]
    fn game_counts_people_in_the_wrong_part_twice() {
        let (left, right) = ([0.1, 0.1], [0.9, 0.1]);
        assert_eq!(game(people(&[(left, 1.0)]), &[left]), [0.0; 3]);
        assert_eq!(game(people(&[(left, 1.0)]), &[right]), [2.0; 3]);
        assert_eq!(game(people(&[(left, 0.5), (left, 0.5)]), &[[0.2, 0.1]]), [0.0, 0.0, 2.0]);
        assert_eq!(game(people(&[([-0.5, 2.0], 1.0)]), &[[0.0, 0.999]]), [0.0; 3], "beyond the edge is at the edge");
    }
}
