//! How well people's boxes are found.

use gatehouse_picture::Rect;
use serde::Serialize;

/// From which intersection over union on a box is somebody's.
const SAME: f32 = 0.5;

/// Boxes found and marked, over some pictures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct BoxTally {
    pub(super) found: usize,
    pub(super) marked: usize,
    pub(super) both: usize,
}

impl BoxTally {
    /// Pairs the boxes of one picture, those that agree best first.
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

/// How well people's boxes are found, where people are marked by boxes: at an intersection over union of 0.5, each found box
/// paired with one marked box at most.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BoxErrors {
    /// Share of the found boxes that are somebody's.
    pub precision: f64,
    /// Share of the marked people who are found.
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
        // The first box would do for either; the second only for the one whom the first fits best but one.
        let tally = BoxTally::of(&[at(0.0), at(3.0)], &[at(0.0), at(5.0)]);
        assert_eq!(tally.both, 2);
    }

    #[test]
    fn nobody_found_where_nobody_is_is_right() {
        let errors = BoxErrors::of(BoxTally::of(&[], &[]));
        assert_eq!((errors.precision, errors.recall, errors.f1), (1.0, 1.0, 1.0));
        assert_eq!(BoxErrors::of(BoxTally::of(&[], &[at(0.0)])).f1, 0.0);
    }
}
