//! Counts by source, and their interval.

use gatehouse_core::event::CountInterval;
use gatehouse_people::{CountSpread, Counting};

/// A number of people, by the source that counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct PeopleCount {
    pub(crate) detected: f64,
    pub(crate) by_density: f64,
}

impl PeopleCount {
    pub(crate) fn people(&self) -> f64 {
        self.detected + self.by_density
    }

    /// Share of the people that the density counted, 0–1; 0 if there are none.
    pub(crate) fn share_by_density(&self) -> f64 {
        if self.people() > 0.0 { self.by_density / self.people() } else { 0.0 }
    }

    /// Interval around the count, at the coverage that `counting` was measured with.
    pub(crate) fn interval(&self, counting: &Counting) -> CountInterval {
        // The errors of an empty scene are those of the detector.
        let dense = self.share_by_density();
        let scaled = |spread: &CountSpread, scale: f64| CountSpread { constant: spread.constant * scale, ..*spread };
        let squared = half_width_squared(&scaled(&counting.detections, (1.0 - dense).sqrt()), self.detected)
            + half_width_squared(&scaled(&counting.density, dense.sqrt()), self.by_density);
        let (people, half) = (self.people(), squared.sqrt());
        CountInterval { low: round_to_tenth((people - half).max(0.0)), high: round_to_tenth(people + half) }
    }
}

/// Square of half an interval's width. The squares of parts of a scene add up.
fn half_width_squared(spread: &CountSpread, people: f64) -> f64 {
    spread.constant.powi(2) + spread.per_person * people + (spread.relative * people).powi(2)
}

pub(crate) fn round_to_tenth(people: f64) -> f64 {
    (people * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_follows_the_spread() {
        let spread = CountSpread { constant: 1.0, per_person: 0.5, relative: 0.1 };
        assert_eq!(half_width_squared(&spread, 0.0), 1.0);
        assert!((half_width_squared(&spread, 100.0) - (1.0 + 50.0 + 100.0)).abs() < 1e-9);
    }
}
