//! Joins the two ways of counting: people made out one by one, and a density map.
//!
//! Where people are few, a detector is right; where they are many and hide each other, a density is. Each place of the picture has
//! a share, 0–1, by which it has gone over to the density ([`HandOver`]). Somebody who was made out counts by what is left of
//! their head's place, and a cell of the map by its share: the two add up to one everywhere, so that nobody counts twice however
//! the shares run.

use gatehouse_people::{CountSpread, Counting, DensityMap, HandOver};
use gatehouse_picture::{Point, Rect};

use gatehouse_core::event::CountInterval;

/// Where the middle of the head is in a person's box, from its top, as a part of its height.
const HEAD_AT: f32 = 0.08;

/// The middle of the head of a person whose box this is.
pub fn head_of(person: &Rect) -> Point {
    Point { x: person.x + person.width / 2.0, y: person.y + HEAD_AT * person.height }
}

/// Somebody who was made out, as far as they count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counted {
    /// Around the person, in pixels of the picture.
    pub box_in_frame: Rect,
    /// How far they count, 0–1; what is left is in the density.
    pub share: f32,
}

/// All people of a picture, each once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Joined {
    /// Those who were made out.
    pub one_by_one: Vec<Counted>,
    /// What the density adds.
    pub density: DensityMap,
}

/// So many people, by the way in which they were counted.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tally {
    /// Made out one by one.
    pub one_by_one: f64,
    /// Measured as a density.
    pub by_density: f64,
}

impl Tally {
    /// All of them.
    pub fn people(&self) -> f64 {
        self.one_by_one + self.by_density
    }

    /// Between how many and how many, at the coverage that `counting` was measured with.
    pub fn interval(&self, counting: &Counting) -> CountInterval {
        let floor = |spread: &CountSpread, share: f64| CountSpread { floor: spread.floor * share, ..*spread };
        // An empty scene is one in which people would be made out.
        let dense = if self.people() > 0.0 { self.by_density / self.people() } else { 0.0 };
        let squared = floor(&counting.one_by_one, (1.0 - dense).sqrt()).squared(self.one_by_one)
            + floor(&counting.by_density, dense.sqrt()).squared(self.by_density);
        let (people, half) = (self.people(), squared.sqrt());
        CountInterval { low: tenth((people - half).max(0.0)), high: tenth(people + half) }
    }
}

/// To a tenth.
pub(crate) fn tenth(people: f64) -> f64 {
    (people * 10.0).round() / 10.0
}

/// Joins picture by picture; keeps its memory.
#[derive(Debug, Default)]
pub struct Joiner {
    /// What [`DensityMap::shares`] works in.
    sums: Vec<f64>,
    shares: Vec<f32>,
    joined: Joined,
}

impl Joiner {
    /// What was joined last.
    pub fn joined(&self) -> &Joined {
        &self.joined
    }

    /// Joins people who were made out in a picture with its density map, if there is one and a rule to hand over by; with it, how unsure
    /// the detector is, 0–1.
    pub fn join(
        &mut self,
        people: impl IntoIterator<Item = Rect>,
        density: &DensityMap,
        hand_over: Option<(&HandOver, f32)>,
    ) -> &Joined {
        self.joined.one_by_one.clear();
        match hand_over.filter(|_| !density.is_empty()) {
            None => {
                self.joined.density.clear();
                let whole = people.into_iter().map(|box_in_frame| Counted { box_in_frame, share: 1.0 });
                self.joined.one_by_one.extend(whole);
            }
            Some((hand_over, unsure)) => {
                density.shares(hand_over, unsure, &mut self.sums, &mut self.shares);
                for box_in_frame in people {
                    let gone = self.shares[density.cell_at(head_of(&box_in_frame))];
                    self.joined.one_by_one.push(Counted { box_in_frame, share: 1.0 - gone });
                }
                self.joined.density.clone_from(density);
                let cells = self.joined.density.people_mut().iter_mut();
                cells.zip(&self.shares).for_each(|(cell, share)| *cell *= share);
            }
        }
        &self.joined
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_people::Unsure;
    use gatehouse_picture::Size;
    use gatehouse_runtime::{Fit, Placement};
    use proptest::prelude::*;

    use super::*;

    const FRAME: Size = Size { width: 640, height: 320 };
    const OVER: HandOver =
        HandOver { in_picture: [10.0, 20.0], in_square: [1.0, 3.0], square_px: 80, unsure: Some(UNSURE) };
    const UNSURE: Unsure = Unsure { from_score: 0.3, part: [0.2, 0.5], in_picture: [2.0, 4.0] };

    fn map(people: impl Fn(usize, usize) -> f32) -> DensityMap {
        let mut map = DensityMap::default();
        map.reset(FRAME, &Placement::new(FRAME, FRAME, Fit::Scale), 8);
        let columns = map.columns();
        map.people_mut().iter_mut().enumerate().for_each(|(i, cell)| *cell = people(i % columns, i / columns));
        map
    }

    fn person(head_x: f32, head_y: f32) -> Rect {
        Rect { x: head_x - 10.0, y: head_y - 0.08 * 60.0, width: 20.0, height: 60.0 }
    }

    fn people_of(joined: &Joined) -> f32 {
        joined.density.sum() + joined.one_by_one.iter().map(|counted| counted.share).sum::<f32>()
    }

    #[test]
    fn without_a_map_everybody_who_was_made_out_counts() {
        let mut joiner = Joiner::default();
        let two = [person(100.0, 100.0), person(300.0, 100.0)];
        assert_eq!(people_of(joiner.join(two, &DensityMap::default(), Some((&OVER, 0.0)))), 2.0);
        assert_eq!(people_of(joiner.join(two, &map(|_, _| 1.0), None)), 2.0);
    }

    #[test]
    fn a_packed_half_is_measured_and_a_sparse_half_counted_out() {
        // The left half holds 0.1 a cell, 10 in a square; the right half next to nothing, which isn't believed.
        let density = map(|column, _| if column < 40 { 0.1 } else { 0.001 });
        let mut joiner = Joiner::default();
        let joined = joiner.join([person(100.0, 100.0), person(550.0, 100.0)], &density, Some((&OVER, 0.0)));
        assert_eq!(joined.one_by_one.iter().map(|counted| counted.share).collect::<Vec<_>>(), [0.0, 1.0]);
        let left = 0.1 * 40.0 * 40.0;
        assert!((people_of(joined) - 1.0 - left).abs() < 0.05 * left, "{}", people_of(joined));
    }

    #[test]
    fn few_people_in_the_picture_are_counted_out_however_close_they_stand() {
        let density = map(|column, row| if column < 8 && row < 8 { 0.14 } else { 0.0 });
        let mut joiner = Joiner::default();
        let joined = joiner.join([person(30.0, 30.0)], &density, Some((&OVER, 0.0)));
        assert_eq!(people_of(joined), 1.0, "the map has 9 in a corner, and 9 are too few for it");
    }

    #[test]
    fn few_people_who_hide_each_other_are_measured() {
        let density = map(|column, row| if column < 8 && row < 8 { 0.14 } else { 0.0 });
        let mut joiner = Joiner::default();
        let joined = joiner.join([person(30.0, 30.0)], &density, Some((&OVER, 1.0)));
        assert!((people_of(joined) - 0.14 * 64.0).abs() < 1e-3, "the detector is unsure: {}", people_of(joined));
    }

    proptest! {
        /// If both ways see the same people, so does what is joined, wherever they stand: nobody is lost or counted twice.
        #[test]
        fn who_is_in_both_counts_once(
            heads in proptest::collection::vec((0usize..80, 0usize..40), 0..400),
            in_picture in (0f32..50.0, 1f32..50.0), in_square in (0f32..5.0, 0.5f32..5.0), unsure in 0f32..=1.0,
        ) {
            let hand_over = HandOver {
                in_picture: [in_picture.0, in_picture.0 + in_picture.1],
                in_square: [in_square.0, in_square.0 + in_square.1],
                ..OVER
            };
            let mut density = map(|_, _| 0.0);
            for (column, row) in &heads {
                density.people_mut()[row * 80 + column] += 1.0;
            }
            let people = heads.iter().map(|(column, row)| person(*column as f32 * 8.0 + 4.0, *row as f32 * 8.0 + 4.0));
            let mut joiner = Joiner::default();
            let joined = joiner.join(people, &density, Some((&hand_over, unsure)));
            prop_assert!((people_of(joined) - heads.len() as f32).abs() < 1e-2, "{} of {}", people_of(joined), heads.len());
        }
    }
}
