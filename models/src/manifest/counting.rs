//! How far a counting model's counts are off, and where its two ways of counting meet: the `[counting]` table of a manifest.

use serde::Deserialize;

use super::fields;

/// What was measured of a model's counts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counting {
    /// Share of the measured pictures whose interval holds the truth, 0–1.
    pub coverage: f64,
    /// Pictures that it was measured on, none of which the model was trained on.
    pub dataset: String,
    /// How many.
    pub pictures: u64,
    /// Of people who were made out one by one.
    pub one_by_one: CountSpread,
    /// Of people who were measured as a density.
    pub by_density: CountSpread,
    /// Where one way of counting gives way to the other; none for a model without a density head.
    pub hand_over: Option<HandOver>,
    /// How high a head should be for the density, in pixels as the model sees the picture; none if any size will do.
    pub head_px: Option<f32>,
    /// Counts above it were not measured.
    pub most_people: f64,
}

/// Half the width of an interval around a count of `n`: the root of `floor² + each · n + (all · n)²`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountSpread {
    /// What an empty scene may show.
    pub floor: f64,
    /// Errors that people make independently, which even out.
    pub each: f64,
    /// Errors that all people of a scene share, which don't.
    pub all: f64,
}

impl CountSpread {
    /// Square of half the interval's width around `people`. Those of parts of a scene add up.
    pub fn squared(&self, people: f64) -> f64 {
        self.floor.powi(2) + self.each * people + (self.all * people).powi(2)
    }
}

/// From few people, who are counted one by one, to many, who are measured as a density.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandOver {
    /// By the density's people in the whole picture: below the first one by one, above the second by density.
    #[serde(deserialize_with = "fields::ascending")]
    pub in_picture: [f32; 2],
    /// The same, in a square of `square_px` around a place. A place goes over as far as both tell it to.
    #[serde(deserialize_with = "fields::ascending")]
    pub in_square: [f32; 2],
    /// Side of the square, in pixels as the model sees the picture.
    pub square_px: usize,
}

impl HandOver {
    /// How far a place has gone over to the density, 0–1.
    pub fn share(&self, in_picture: f32, in_square: f32) -> f32 {
        let part = |[from, to]: [f32; 2], people: f32| ((people - from) / (to - from)).clamp(0.0, 1.0);
        part(self.in_picture, in_picture) * part(self.in_square, in_square)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_goes_over_as_far_as_both_tell_it_to() {
        let over = HandOver { in_picture: [20.0, 60.0], in_square: [2.0, 4.0], square_px: 128 };
        assert_eq!([over.share(10.0, 9.0), over.share(60.0, 2.0), over.share(99.0, 9.0)], [0.0, 0.0, 1.0]);
        assert_eq!([over.share(40.0, 9.0), over.share(99.0, 3.0), over.share(40.0, 3.0)], [0.5, 0.5, 0.25]);
    }

    #[test]
    fn an_interval_by_hand() {
        let spread = CountSpread { floor: 1.0, each: 0.5, all: 0.1 };
        assert_eq!(spread.squared(0.0), 1.0);
        assert!((spread.squared(100.0) - (1.0 + 50.0 + 100.0)).abs() < 1e-9);
    }
}
