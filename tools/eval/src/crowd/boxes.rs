//! Accuracy of people's boxes, and precision by score.

use gatehouse_people::Person;
use gatehouse_picture::Rect;
use serde::Serialize;

/// Lowest intersection over union of a correct box.
const SAME: f32 = 0.5;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct BoxTally {
    pub(super) found: usize,
    pub(super) marked: usize,
    pub(super) both: usize,
}

impl BoxTally {
    /// Matches the boxes of one picture, best overlap first.
    pub(super) fn of(found: &[Rect], marked: &[Rect]) -> Self {
        let mut pairs: Vec<(f32, usize, usize)> = Vec::new();
        for (i, one) in found.iter().enumerate() {
            let with_one = marked.iter().enumerate().map(|(j, other)| (one.iou(other), i, j));
            pairs.extend(with_one.filter(|(iou, ..)| *iou >= SAME));
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let (mut taken, mut met) = (vec![false; found.len()], vec![false; marked.len()]);
        let mut both = 0;
        for (_, i, j) in pairs {
            if !taken[i] && !met[j] {
                (taken[i], met[j]) = (true, true);
                both += 1;
            }
        }
        Self { found: found.len(), marked: marked.len(), both }
    }
}

impl std::iter::Sum for BoxTally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |a, b| Self {
            found: a.found + b.found,
            marked: a.marked + b.marked,
            both: a.both + b.both,
        })
    }
}

/// Accuracy of boxes that match at an intersection over union of 0.5, each at most one mark.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BoxErrors {
    /// Share of the detected boxes that are correct.
    pub precision: f64,
    /// Share of the marked people who are detected.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
}

impl BoxErrors {
    pub(super) fn of(tally: BoxTally) -> Self {
        let share = |of: usize| if of == 0 { 1.0 } else { tally.both as f64 / of as f64 };
        let all = tally.found + tally.marked;
        let f1 = if all == 0 { 1.0 } else { 2.0 * tally.both as f64 / all as f64 };
        Self { precision: share(tally.found), recall: share(tally.marked), f1 }
    }
}

/// Scores are grouped in steps of 0.1.
const SCORE_STEPS: usize = 10;

/// Counts of detections by score: all, and the correct ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ScoreTally([(usize, usize); SCORE_STEPS]);

impl ScoreTally {
    /// Matches each detection, best first, to the best remaining mark, as PASCAL VOC and COCO do.
    pub(super) fn of(detections: &[Person], marked: &[Rect]) -> Self {
        let mut surest_first: Vec<&Person> = detections.iter().collect();
        surest_first.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut left: Vec<&Rect> = marked.iter().collect();
        let mut tally = Self::default();
        for Person { box_in_frame, score } in surest_first {
            let fits = left.iter().map(|marked| marked.iou(box_in_frame)).enumerate();
            let best = fits.filter(|(_, iou)| *iou >= SAME).max_by(|a, b| a.1.total_cmp(&b.1));
            let step = ((score * SCORE_STEPS as f32) as usize).min(SCORE_STEPS - 1);
            tally.0[step].0 += 1;
            if let Some((i, _)) = best {
                left.swap_remove(i);
                tally.0[step].1 += 1;
            }
        }
        tally
    }

    /// The steps in which there is a detection, from low scores to high ones.
    pub(super) fn bands(&self) -> Vec<ScoreBand> {
        let bound = |step: usize| step as f64 / SCORE_STEPS as f64;
        let steps = self.0.iter().enumerate().filter(|(_, (found, _))| *found > 0);
        steps
            .map(|(i, (found, right))| ScoreBand { from: bound(i), to: bound(i + 1), found: *found, right: *right })
            .collect()
    }
}

impl std::iter::Sum for ScoreTally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |a, b| Self(std::array::from_fn(|i| (a.0[i].0 + b.0[i].0, a.0[i].1 + b.0[i].1))))
    }
}

/// Precision of the detections in a range of scores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ScoreBand {
    /// Lower end of the scores, 0–1.
    pub from: f64,
    /// Upper end, exclusive except in the last band.
    pub to: f64,
    /// Detections.
    pub found: usize,
    /// Detections that match a marked box at an intersection over union of 0.5.
    pub right: usize,
}

impl ScoreBand {
    /// Share of correct detections, 0–1.
    pub fn precision(&self) -> f64 {
        self.right as f64 / self.found as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f32) -> Rect {
        Rect { x, y: 0.0, width: 10.0, height: 20.0 }
    }

    #[test]
    fn each_person_is_found_once() {
        let tally = BoxTally::of(&[at(0.0), at(1.0), at(50.0)], &[at(0.5), at(100.0)]);
        assert_eq!(tally, BoxTally { found: 3, marked: 2, both: 1 });
        let errors = BoxErrors::of(tally);
        assert_eq!((errors.precision, errors.recall, errors.f1), (1.0 / 3.0, 0.5, 0.4));
    }

    #[test]
    fn the_best_pair_comes_first() {
        // The first box overlaps both people; the second overlaps only one of them.
        let tally = BoxTally::of(&[at(0.0), at(3.0)], &[at(0.0), at(5.0)]);
        assert_eq!(tally.both, 2);
    }

    #[test]
    fn precision_follows_from_the_marks() {
        let person = |x: f32, score: f32| Person { box_in_frame: at(x), score };
        // Two detections for the mark at 0: the one with the higher score is correct. There is no
        // mark at 50.
        let tally = ScoreTally::of(
            &[person(1.0, 0.55), person(0.5, 0.9), person(50.0, 0.58), person(100.0, 1.0)],
            &[at(0.0), at(100.0)],
        );
        let band = |from: f64, to: f64, found: usize, right: usize| ScoreBand { from, to, found, right };
        assert_eq!(tally.bands(), [band(0.5, 0.6, 2, 0), band(0.9, 1.0, 2, 2)]);
        let twice: ScoreTally = [tally, tally].into_iter().sum();
        assert_eq!(twice.bands(), [band(0.5, 0.6, 4, 0), band(0.9, 1.0, 4, 4)]);
        assert!(ScoreTally::of(&[], &[at(0.0)]).bands().is_empty());
    }

    #[test]
    fn no_detection_without_marks_is_correct() {
        let errors = BoxErrors::of(BoxTally::of(&[], &[]));
        assert_eq!((errors.precision, errors.recall, errors.f1), (1.0, 1.0, 1.0));
        assert_eq!(BoxErrors::of(BoxTally::of(&[], &[at(0.0)])).f1, 0.0);
    }
}
