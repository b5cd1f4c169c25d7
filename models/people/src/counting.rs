//! How far a counting model's counts are off, and where its two ways of counting meet: the `[counting]` table of a manifest.

use gatehouse_runtime::{Manifest, ManifestError, RawTable};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

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

impl Counting {
    /// Parses the `[counting]` table of a manifest.
    ///
    /// # Errors
    /// If a key is unknown or missing or a value is wrong, with the file and the line.
    pub fn of(manifest: &Manifest) -> Result<Option<Self>, ManifestError> {
        manifest.counting.as_ref().map(RawTable::parse).transpose()
    }
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
    #[serde(deserialize_with = "ascending")]
    pub in_picture: [f32; 2],
    /// The same, in a square of `square_px` around a place. A place goes over as far as both tell it to.
    #[serde(deserialize_with = "ascending")]
    pub in_square: [f32; 2],
    /// Side of the square, in pixels as the model sees the picture.
    pub square_px: usize,
    /// Sooner where the detector is unsure; none where that doesn't matter.
    pub unsure: Option<Unsure>,
}

/// When the detector is unsure: of many whom it suspects, few are surely there. They hide each other, and a density tells sooner how many
/// they are. A detector that is sure of everybody, or suspects nobody, is right for longer.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unsure {
    /// Score from which on somebody is suspected, 0–1.
    pub from_score: f32,
    /// Part of the suspected who don't count: it is sure up to the first, and quite unsure from the second on.
    #[serde(deserialize_with = "ascending")]
    pub part: [f32; 2],
    /// [`HandOver::in_picture`] where it is quite unsure.
    #[serde(deserialize_with = "ascending")]
    pub in_picture: [f32; 2],
}

impl HandOver {
    /// How unsure the detector is of a picture in which it found people of these scores, 0–1. From `min_score` on they count.
    pub fn unsure(&self, scores: impl Iterator<Item = f32>, min_score: f32) -> f32 {
        let Some(unsure) = self.unsure else { return 0.0 };
        let (mut suspected, mut faint) = (0u32, 0u32);
        for score in scores.filter(|score| *score >= unsure.from_score) {
            suspected += 1;
            faint += u32::from(score < min_score);
        }
        if suspected == 0 { 0.0 } else { ramp(unsure.part, faint as f32 / suspected as f32) }
    }

    /// How far a place has gone over to the density, 0–1, by the density's people in the picture and in the square around it, and by
    /// how unsure the detector is of the picture.
    pub fn share(&self, in_picture: f32, in_square: f32, unsure: f32) -> f32 {
        let sure = ramp(self.in_picture, in_picture);
        let sooner = self.unsure.map_or(sure, |rule| ramp(rule.in_picture, in_picture));
        (sure + unsure * (sooner - sure)) * ramp(self.in_square, in_square)
    }
}

/// Two finite numbers, the second greater.
fn ascending<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[f32; 2], D::Error> {
    let [from, to] = <[f32; 2]>::deserialize(deserializer)?;
    if from.is_finite() && to.is_finite() && from < to {
        Ok([from, to])
    } else {
        Err(D::Error::custom(format!("expected two numbers, the second greater, got [{from}, {to}]")))
    }
}

/// 0 up to the first, 1 from the second on.
fn ramp([from, to]: [f32; 2], value: f32) -> f32 {
    ((value - from) / (to - from)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_goes_over_as_far_as_both_tell_it_to() {
        let over = HandOver { in_picture: [20.0, 60.0], in_square: [2.0, 4.0], square_px: 128, unsure: None };
        let share = |in_picture, in_square| over.share(in_picture, in_square, 1.0);
        assert_eq!([share(10.0, 9.0), share(60.0, 2.0), share(99.0, 9.0)], [0.0, 0.0, 1.0]);
        assert_eq!([share(40.0, 9.0), share(99.0, 3.0), share(40.0, 3.0)], [0.5, 0.5, 0.25]);
    }

    #[test]
    fn where_the_detector_is_unsure_a_place_goes_over_sooner() {
        let unsure = Unsure { from_score: 0.3, part: [0.25, 0.75], in_picture: [8.0, 16.0] };
        let over = HandOver { in_picture: [20.0, 60.0], in_square: [2.0, 4.0], square_px: 128, unsure: Some(unsure) };
        assert_eq!([0.0, 0.5, 1.0].map(|unsure| over.share(12.0, 9.0, unsure)), [0.0, 0.25, 0.5]);
        assert_eq!(
            [0.0, 0.5, 1.0].map(|unsure| over.share(99.0, 9.0, unsure)),
            [1.0; 3],
            "many people are a crowd however sure it is"
        );
        let of = |scores: &[f32]| over.unsure(scores.iter().copied(), 0.5);
        assert_eq!(of(&[0.9, 0.8, 0.5, 0.4, 0.29, 0.2]), 0.0, "a quarter");
        assert_eq!((of(&[0.9, 0.4]), of(&[0.4, 0.3]), of(&[0.2])), (0.5, 1.0, 0.0));
        assert_eq!(HandOver { unsure: None, ..over }.unsure([0.4].into_iter(), 0.5), 0.0);
    }

    #[test]
    fn a_table_is_parsed_and_errors_name_the_line() {
        let manifest = |counting: &str| {
            let text = include_str!("../../manifests/crowd.toml").replace("pictures = 556\n", counting);
            Manifest::parse(&text, "crowd.toml").expect("only the table may be wrong")
        };
        let counting = Counting::of(&manifest("pictures = 7\n")).expect("a table").expect("it is there");
        assert_eq!(counting.pictures, 7);
        let error = |counting: &str| Counting::of(&manifest(counting)).expect_err("a wrong table").to_string();
        assert_eq!(error("pictures = -1\n"), "crowd.toml:64: invalid value: integer `-1`, expected u64");
        assert!(error("picture = 1\n").starts_with("crowd.toml:64: unknown field `picture`, expected one of "));
        let order = include_str!("../../manifests/crowd.toml").replace("[40.0, 80.0]", "[80.0, 40.0]");
        let error =
            Counting::of(&Manifest::parse(&order, "crowd.toml").expect("a manifest")).expect_err("a wrong order");
        assert_eq!(error.to_string(), "crowd.toml:70: expected two numbers, the second greater, got [80, 40]");
    }

    #[test]
    fn an_interval_by_hand() {
        let spread = CountSpread { floor: 1.0, each: 0.5, all: 0.1 };
        assert_eq!(spread.squared(0.0), 1.0);
        assert!((spread.squared(100.0) - (1.0 + 50.0 + 100.0)).abs() < 1e-9);
    }
}
