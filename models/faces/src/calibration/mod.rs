//! A face model's error rates by threshold, measured on a named data set, and predictions.
//!
//! Comparisons that share a person depend on each other, so thousands of them can be worth a few
//! hundred independent ones. The number of independent trials is counted conservatively:
//!
//! - **genuine** comparisons (two pictures of one person): one for each person;
//! - **impostor** comparisons (two people): half the number of people, the most pairs that share
//!   nobody. The share of errors among all pairs keeps the bounds of that many independent ones
//!   (Hoeffding, 1963, section 5);
//! - **strangers** compared with a gallery: one for each stranger. Given the gallery, they are
//!   independent.

mod counting;
mod interval;
mod target;
mod wording;

use std::path::Path;

use gatehouse_runtime::{Manifest, ManifestError, Task};
use serde::{Deserialize, Serialize};

pub use counting::{Measured, MeasuredOn};
pub use interval::{CONFIDENCE, Rate, trials_to_show};
pub use target::{Prediction, Target, TargetError, Tried, Unsupported};

/// Errors by threshold: the `[calibration]` table of a manifest, or of a file of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Name of the data set.
    pub dataset: String,
    /// Name of the model.
    pub model: String,
    /// Version of the model.
    pub model_version: String,
    /// People in the data set.
    pub people: u64,
    /// Pictures of these people.
    pub images: u64,
    /// Comparisons of two pictures of one person.
    pub genuine: u64,
    /// People with genuine comparisons.
    pub genuine_people: u64,
    /// Comparisons of pictures of two people.
    pub impostor: u64,
    /// Cosines, −1 to 1, ascending; at most 400. A score is a match from the threshold on (`>=`).
    pub thresholds: Vec<f64>,
    /// For each threshold: genuine comparisons that scored below it.
    pub false_non_matches: Vec<u64>,
    /// For each threshold: impostor comparisons that scored at or above it.
    pub false_matches: Vec<u64>,
    /// Trials of strangers with galleries, if there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_set: Option<OpenSet>,
}

/// Strangers compared with galleries (open-set identification, ISO/IEC 19795-1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenSet {
    /// People in none of the galleries, each tried once with every size of gallery.
    pub strangers: u64,
    /// Sizes, ascending. Smaller galleries are parts of larger ones.
    pub galleries: Vec<GalleryTrial>,
}

/// One size of gallery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GalleryTrial {
    /// People enrolled.
    pub enrolled: u64,
    /// For each threshold: strangers with a score at or above it.
    pub let_in: Vec<u64>,
}

/// A calibration that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("calibration: {0}")]
pub struct CalibrationError(pub(crate) String);

/// A file with a `[calibration]` table alone.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File<C> {
    calibration: C,
}

impl Calibration {
    /// Most rows of a table.
    pub const MOST_ROWS: usize = 400;

    /// Parses and checks the `[calibration]` table of a manifest.
    ///
    /// # Errors
    /// If a key is unknown or missing, numbers contradict each other, or the model is another.
    pub fn of(manifest: &Manifest) -> Result<Option<Self>, ManifestError> {
        let Some(table) = &manifest.calibration else { return Ok(None) };
        let calibration: Self = table.parse()?;
        if manifest.task != Task::FaceEmbedding {
            let task = manifest.task;
            return Err(table.error(format!("a [calibration] belongs to a face-embedding model, and this is {task}")));
        }
        let fits = calibration.check().and_then(|()| calibration.check_model(&manifest.name, &manifest.version));
        fits.map_err(|error| table.error(error))?;
        Ok(Some(calibration))
    }

    /// Parses a file with a `[calibration]` table alone; `file` appears in errors only.
    ///
    /// # Errors
    /// If it is no TOML, a key is unknown or missing, or the numbers contradict each other.
    pub fn parse(text: &str, file: &str) -> Result<Self, ManifestError> {
        let File { calibration } = ManifestError::parse_toml::<File<Self>>(text, file)?;
        let refuse =
            |error: CalibrationError| ManifestError { file: file.to_owned(), line: None, message: error.to_string() };
        calibration.check().map_err(refuse)?;
        Ok(calibration)
    }

    /// Reads such a file.
    ///
    /// # Errors
    /// As [`Calibration::parse`], and if the file can't be read.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &file),
            Err(error) => Err(ManifestError { file, line: None, message: error.to_string() }),
        }
    }

    /// Writes the text of such a file. Its table can be copied into a manifest.
    ///
    /// # Errors
    /// If a count is too large for TOML (2⁶³ or more).
    pub fn to_toml(&self) -> Result<String, CalibrationError> {
        toml::to_string(&File { calibration: self }).map_err(|error| CalibrationError(error.to_string()))
    }

    /// Checks that the counts agree with each other.
    ///
    /// # Errors
    /// If two of them contradict each other.
    pub fn check(&self) -> Result<(), CalibrationError> {
        let require = |holds: bool, why: &dyn Fn() -> String| if holds { Ok(()) } else { Err(CalibrationError(why())) };
        let Self { people, images, genuine, genuine_people, impostor, .. } = *self;
        let rows = self.thresholds.len();
        require(!self.dataset.trim().is_empty(), &|| "`dataset` has no name".to_owned())?;
        require((1..=Self::MOST_ROWS).contains(&rows), &|| {
            format!("1 to {} thresholds are expected, got {rows}", Self::MOST_ROWS)
        })?;
        let in_order = self.thresholds.windows(2).all(|pair| pair[0] < pair[1]);
        require(in_order && self.thresholds.iter().all(|value| (-1.0..=1.0).contains(value)), &|| {
            "`thresholds` are expected to rise from row to row and to lie within −1 to 1".to_owned()
        })?;
        require(people >= 2 && images >= people, &|| {
            format!("at least 2 people and a picture of each are expected, got {people} people and {images} pictures")
        })?;
        require((1..=people).contains(&genuine_people) && genuine >= genuine_people, &|| {
            format!("{genuine} genuine comparisons of {genuine_people} people don't fit {people} people")
        })?;
        // Widened, because the product may exceed 64 bits.
        let pairs = u128::from(images) * u128::from(images - 1) / 2;
        require(impostor >= 1 && u128::from(impostor) + u128::from(genuine) <= pairs, &|| {
            format!("{genuine} genuine and {impostor} impostor comparisons don't fit {images} pictures")
        })?;
        column("false_non_matches", &self.false_non_matches, rows, genuine, |a, b| a <= b)?;
        column("false_matches", &self.false_matches, rows, impostor, |a, b| a >= b)?;
        self.open_set.as_ref().map_or(Ok(()), |open_set| open_set.check(people, rows))
    }

    /// Checks that it was measured with this model.
    ///
    /// # Errors
    /// If it was measured with another.
    pub fn check_model(&self, name: &str, version: &str) -> Result<(), CalibrationError> {
        if (self.model.as_str(), self.model_version.as_str()) == (name, version) {
            return Ok(());
        }
        Err(CalibrationError(format!(
            "it was measured with model `{}` version `{}`, and this is `{name}` version `{version}`",
            self.model, self.model_version
        )))
    }

    /// False match rate (1:1) at a threshold: that of the row at or below it. None below the table.
    pub fn fmr(&self, threshold: f32) -> Option<Rate> {
        Some(Rate::of(*self.false_matches.get(self.row_at_or_below(threshold)?)?, self.impostor, self.people / 2))
    }

    /// False non-match rate (1:1) of the row at or above a threshold; `None` above the table.
    pub fn fnmr(&self, threshold: f32) -> Option<Rate> {
        // In f32, as scores are.
        let row = self.thresholds.partition_point(|value| (*value as f32) < threshold);
        Some(Rate::of(*self.false_non_matches.get(row)?, self.genuine, self.genuine_people))
    }

    fn row_at_or_below(&self, threshold: f32) -> Option<usize> {
        self.thresholds.partition_point(|value| *value as f32 <= threshold).checked_sub(1)
    }
}

impl OpenSet {
    fn check(&self, people: u64, rows: usize) -> Result<(), CalibrationError> {
        let sizes: Vec<u64> = self.galleries.iter().map(|gallery| gallery.enrolled).collect();
        let largest = sizes.last().copied().unwrap_or(0);
        if sizes.first().is_none_or(|size| *size == 0) || !sizes.is_sorted_by(|a, b| a < b) {
            return Err(CalibrationError(
                "`open_set.galleries` are expected to grow from one to the next, from 1".into(),
            ));
        }
        // Enrolled people are no strangers.
        if self.strangers == 0 || self.strangers.checked_add(largest).is_none_or(|all| all > people) {
            return Err(CalibrationError(format!(
                "{} strangers and {largest} enrolled are not among {people} people",
                self.strangers
            )));
        }
        for gallery in &self.galleries {
            let name = format!("open_set.galleries, {} enrolled: let_in", gallery.enrolled);
            column(&name, &gallery.let_in, rows, self.strangers, |a, b| a >= b)?;
        }
        let nested =
            self.galleries.windows(2).all(|pair| pair[0].let_in.iter().zip(&pair[1].let_in).all(|(a, b)| a <= b));
        if !nested {
            return Err(CalibrationError("`open_set`: a larger gallery lets in fewer than a smaller one".into()));
        }
        Ok(())
    }
}

fn column(
    name: &str,
    counts: &[u64],
    rows: usize,
    most: u64,
    in_order: impl Fn(&u64, &u64) -> bool,
) -> Result<(), CalibrationError> {
    let why = if counts.len() != rows {
        format!("{rows} counts are expected, one for each threshold, got {}", counts.len())
    } else if counts.iter().any(|count| *count > most) {
        format!("a count is greater than their number, {most}")
    } else if !counts.windows(2).all(|pair| in_order(&pair[0], &pair[1])) {
        "a higher threshold can't accept more".to_owned()
    } else {
        return Ok(());
    };
    Err(CalibrationError(format!("`{name}`: {why}")))
}

#[cfg(test)]
mod tests;
