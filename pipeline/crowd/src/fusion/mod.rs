//! Fuses detections with a density map, so that each person counts once.
//!
//! A detector counts few people right; a density counts many who hide each other. Each place of the
//! picture has a density share, 0–1. A detection counts with one minus the share at its head, a
//! cell of the map with its share. They add up to one everywhere, so nobody counts twice.
//!
//! This module decides how the two are fused, in pure functions of readings and times:
//!
//! - `ramp.rs`: the ramps of a manifest's [`FusionRamp`];
//! - `MapMerger`: which pictures a separate density model measures, and how its map is merged;
//! - `Fusion`: smoothing over a camera's pictures, and the fused people;
//! - `PeopleCount`: counts by source, with their interval.

mod count;
mod merge;
mod ramp;

use std::time::Duration;

use gatehouse_core::time::Monotonic;
use gatehouse_people::{DensityMap, FusionRamp};
use gatehouse_picture::{Point, Rect};

pub(crate) use count::{PeopleCount, round_to_tenth};
pub(crate) use merge::{MapMerger, combined_counting, needs_density_model};
use ramp::DensityShares;
pub(crate) use ramp::detector_uncertainty;

use crate::tracker::MOST_APART;

/// Middle of the head from the top of a person's box, as a share of its height.
const HEAD_HEIGHT_SHARE: f32 = 0.08;
/// Time constant of the smoothing of density and uncertainty.
const SMOOTHING: Duration = Duration::from_secs(2);

/// The middle of a person's head, by the bounding box.
pub fn head_of(person: &Rect) -> Point {
    Point { x: person.x + person.width / 2.0, y: person.y + HEAD_HEIGHT_SHARE * person.height }
}

/// A detected person and how far they count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeightedDetection {
    /// Bounding box in pixels of the picture.
    pub box_in_frame: Rect,
    /// Share by which the detection counts, 0–1; the density counts the rest.
    pub share: f32,
}

/// All people of a picture, each once.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FusedPeople {
    pub(crate) detections: Vec<WeightedDetection>,
    /// People that the density adds.
    pub(crate) density: DensityMap,
}

/// Fusion of one camera's pictures. It keeps its memory.
#[derive(Debug, Default)]
pub(crate) struct Fusion {
    /// Exponential means over the last pictures.
    density: DensityMap,
    uncertainty: f32,
    updated: Option<Monotonic>,
    shares: DensityShares,
    pub(crate) fused: FusedPeople,
}

impl Fusion {
    /// Updates density and detector uncertainty (0–1) by the picture of `now`. With `smooth` it
    /// averages them over two seconds, since both waver. Without it, after a pause or for a map of
    /// another size, the picture replaces the average.
    pub(crate) fn update(&mut self, density: &DensityMap, uncertainty: f32, now: Monotonic, smooth: bool) {
        let same_cells = density.people().len() == self.density.people().len()
            && density.cell_in_frame() == self.density.cell_in_frame();
        let before = self.updated.replace(now);
        match before.filter(|before| smooth && same_cells && now.since(*before) <= MOST_APART) {
            None => {
                self.density.clone_from(density);
                self.uncertainty = uncertainty;
            }
            Some(before) => {
                let weight = 1.0 - (-now.since(before).as_secs_f32() / SMOOTHING.as_secs_f32()).exp();
                let cells = self.density.people_mut().iter_mut().zip(density.people());
                cells.for_each(|(mean, new)| *mean += weight * (new - *mean));
                self.uncertainty += weight * (uncertainty - self.uncertainty);
            }
        }
    }

    /// Keeps density and uncertainty for an unchanged picture of `now`.
    pub(crate) fn hold(&mut self, now: Monotonic) {
        self.updated = self.updated.map(|_| now);
    }

    /// Fuses detected people with the density of the last update. Without a ramp or a map, every
    /// detection counts in full and the density not at all.
    pub(crate) fn fuse(&mut self, people: impl IntoIterator<Item = Rect>, ramp: Option<&FusionRamp>) -> &FusedPeople {
        let FusedPeople { detections, density } = &mut self.fused;
        detections.clear();
        match ramp.filter(|_| !self.density.is_empty()) {
            None => {
                density.clear();
                detections
                    .extend(people.into_iter().map(|box_in_frame| WeightedDetection { box_in_frame, share: 1.0 }));
            }
            Some(ramp) => {
                let shares = self.shares.of(&self.density, ramp, self.uncertainty);
                detections.extend(people.into_iter().map(|box_in_frame| {
                    let by_density = shares[self.density.cell_at(head_of(&box_in_frame))];
                    WeightedDetection { box_in_frame, share: 1.0 - by_density }
                }));
                density.clone_from(&self.density);
                density.people_mut().iter_mut().zip(shares).for_each(|(cell, share)| *cell *= share);
            }
        }
        &self.fused
    }
}

#[cfg(test)]
mod tests;
