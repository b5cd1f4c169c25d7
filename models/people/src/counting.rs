//! The `[counting]` table of a manifest: errors of counts, and its ramps for `gatehouse-crowd`.

use gatehouse_runtime::{Manifest, ManifestError, RawTable};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// Measured errors of a model's counts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counting {
    /// Share of the measured pictures whose interval holds the truth, 0–1.
    pub coverage: f64,
    /// Pictures that it was measured on; none of them was in the training set.
    pub dataset: String,
    /// Number of these pictures.
    pub pictures: u64,
    /// Error of people counted as detections.
    pub detections: CountSpread,
    /// Error of people counted by density.
    pub density: CountSpread,
    /// Where density takes over from detections; none for a model without a density map.
    pub fusion_ramp: Option<FusionRamp>,
    /// Best height of a head for the density, in pixels of the tensor; none if any height will do.
    pub head_px: Option<f32>,
    /// Counts above this were not measured.
    pub most_people: f64,
}

/// Half an interval's width at a count of `n`: `√(constant² + per_person·n + (relative·n)²)`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountSpread {
    /// Error of an empty scene, in people.
    pub constant: f64,
    /// Independent errors of single people, which average out.
    pub per_person: f64,
    /// Errors that all people of a scene share, which don't.
    pub relative: f64,
}

/// Where density takes over from detections, as linear ramps: below the first number only
/// detections count, above the second only density.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FusionRamp {
    /// Ramp over the density's people in the whole picture.
    #[serde(deserialize_with = "ascending")]
    pub people_in_picture: [f32; 2],
    /// Ramp over the density's people in a square around a place. Both ramps are multiplied.
    #[serde(deserialize_with = "ascending")]
    pub people_in_square: [f32; 2],
    /// Side of the square in pixels of the tensor.
    pub square_px: usize,
    /// Density takes over earlier where the detector is uncertain; none if it doesn't.
    pub detector_uncertainty: Option<UncertaintyRamp>,
}

/// How uncertain a detector is: the share of its candidates that score too low to count. Many such
/// candidates hide each other, and density counts them better.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UncertaintyRamp {
    /// Least score of a candidate, 0–1.
    pub candidate_score: f32,
    /// Ramp over the share of candidates that don't count, from certain to uncertain.
    #[serde(deserialize_with = "ascending")]
    pub rejected_share: [f32; 2],
    /// Replaces [`FusionRamp::people_in_picture`] where the detector is fully uncertain.
    #[serde(deserialize_with = "ascending")]
    pub people_in_picture: [f32; 2],
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

/// Two finite numbers, the second greater.
fn ascending<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[f32; 2], D::Error> {
    let [from, to] = <[f32; 2]>::deserialize(deserializer)?;
    if from.is_finite() && to.is_finite() && from < to {
        Ok([from, to])
    } else {
        Err(D::Error::custom(format!("expected two numbers, the second greater, got [{from}, {to}]")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CROWD: &str = include_str!("../../manifests/crowd.toml");

    fn parse(from: &str, to: &str) -> Result<Option<Counting>, ManifestError> {
        assert!(CROWD.contains(from), "{from}");
        Counting::of(&Manifest::parse(&CROWD.replace(from, to), "crowd.toml").expect("only the table may be wrong"))
    }

    #[test]
    fn a_table_is_parsed() {
        let counting = parse("pictures = 556", "pictures = 7").expect("a table").expect("it is there");
        let ramp = counting.fusion_ramp.expect("it has a density");
        assert_eq!((counting.pictures, ramp.people_in_picture), (7, [40.0, 80.0]));
    }

    #[test]
    fn errors_name_the_file_and_the_line() {
        let error = |from: &str, to: &str| parse(from, to).expect_err("a wrong table").to_string();
        let wrong = error("pictures = 556", "pictures = -1");
        assert_eq!(wrong, "crowd.toml:64: invalid value: integer `-1`, expected u64");
        let unknown = error("pictures = 556", "picture = 1");
        assert!(unknown.starts_with("crowd.toml:64: unknown field `picture`, expected one of "), "{unknown}");
        let order = error("[40.0, 80.0]", "[80.0, 40.0]");
        assert_eq!(order, "crowd.toml:70: expected two numbers, the second greater, got [80, 40]");
    }

    #[test]
    fn builtin_manifests_have_right_tables() {
        let catalogue = gatehouse_runtime::Catalogue::builtin().expect("the manifests that ship");
        let parsed: Vec<_> = catalogue.iter().map(|manifest| Counting::of(manifest).expect("a table")).collect();
        assert_eq!(parsed.into_iter().flatten().count(), 3);
    }
}
