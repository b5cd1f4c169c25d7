//! The result of an evaluation of faces: counts and rates, no picture, no template, no name.

use std::collections::BTreeMap;

use gatehouse_runtime::Manifest;
use serde::Serialize;

use crate::acquire::Missed;
use crate::maths::accuracy::Accuracy;
use crate::maths::interval::{Interval, interval, rate};
use crate::maths::scores::ScoreCounts;

pub(crate) const FMR_TARGETS: [&str; 5] = ["1e-2", "1e-3", "1e-4", "1e-5", "1e-6"];
pub(crate) const FPIR_TARGETS: [&str; 3] = ["1e-1", "1e-2", "1e-3"];

pub(crate) fn target(key: &str) -> f64 {
    key.parse().unwrap_or_else(|_| unreachable!("the keys above are numbers"))
}

/// The evaluation of a folder of people.
#[derive(Debug, Clone, Serialize)]
pub struct FaceReport {
    /// `lfw` or `folders`.
    pub protocol: &'static str,
    /// The data set.
    pub dataset: DatasetFacts,
    /// The part of it that gave templates.
    pub usable: UsableFacts,
    /// The models.
    pub models: Vec<ModelFacts>,
    /// Share of correct answers for the listed pairs, by cross-validation; null without a list.
    pub accuracy: Option<f64>,
    /// Standard deviation over the folds (n − 1).
    pub accuracy_std: Option<f64>,
    /// Details of the accuracy.
    pub accuracy_detail: Option<AccuracyDetail>,
    /// Failure to acquire: share of pictures that gave no template.
    pub fta: Option<f64>,
    /// Details.
    pub fta_detail: FailureDetail,
    /// Failure to enrol: share of people whom enrolment refused; null where there is none.
    pub fte: Option<f64>,
    /// Details.
    pub fte_detail: Option<FailureDetail>,
    /// The comparisons of `fnmr_at_fmr`: the name of the first of `comparison_sets`.
    pub comparisons: &'static str,
    /// False non-match rates at false match rates.
    pub fnmr_at_fmr: BTreeMap<&'static str, Option<FnmrAt>>,
    /// False negative identification rates at false positive identification rates.
    pub fnir_at_fpir: BTreeMap<&'static str, Option<FnirAt>>,
    /// People in the gallery of `fnir_at_fpir`.
    pub gallery: usize,
    /// Details of identification.
    pub identification: Identification,
    /// All sets of comparisons; the first is that of `fnmr_at_fmr`.
    pub comparison_sets: Vec<ComparisonSet>,
    /// Notes for the reader, with the reasons for null values.
    pub notes: Vec<String>,
    /// The listed pairs in order: true if of one person, and the score if both gave a template.
    #[serde(skip)]
    pub pair_scores: Vec<(bool, Option<f32>)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatasetFacts {
    pub name: String,
    /// People (folders).
    pub people: usize,
    pub pictures: usize,
    /// Files without the extension of a picture.
    pub other_files: usize,
}

/// The part of a data set that gave templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct UsableFacts {
    /// People with a template.
    pub people: u64,
    /// People with two or more templates.
    pub people_with_two: u64,
    /// Pictures with a template.
    pub pictures: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelFacts {
    pub name: String,
    pub version: String,
    pub task: String,
    /// Digest of its file.
    pub sha256: String,
    /// Its manifest's threshold.
    pub threshold: Option<f32>,
}

impl From<&Manifest> for ModelFacts {
    fn from(manifest: &Manifest) -> Self {
        Self {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            task: manifest.task.to_string(),
            sha256: manifest.file.sha256.to_string(),
            threshold: manifest.threshold.as_ref().map(|threshold| threshold.value),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccuracyDetail {
    /// Mean, standard deviation, standard error and the folds.
    #[serde(flatten)]
    pub accuracy: Accuracy,
    /// The same, without pairs in which a picture gave no template.
    pub without_failures: Option<f64>,
    /// Pairs in the list.
    pub listed_pairs: usize,
    /// Pairs whose pictures are in the folder.
    pub pairs: usize,
    /// Pairs in which a picture gave no template; they count as "not the same".
    pub pairs_with_failures: usize,
}

/// Counts of failures by reason.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FailureDetail {
    pub tried: u64,
    pub failed: u64,
    /// 95 % interval of the rate (Clopper–Pearson).
    pub interval: Option<Interval>,
    pub reasons: BTreeMap<Missed, u64>,
}

impl FailureDetail {
    pub(crate) fn new<'m>(tried: u64, reasons: impl Iterator<Item = &'m Missed>) -> Self {
        let mut counts = BTreeMap::new();
        reasons.for_each(|reason| *counts.entry(*reason).or_insert(0) += 1);
        let failed = counts.values().sum();
        Self { tried, failed, interval: interval(failed, tried), reasons: counts }
    }

    pub fn rate(&self) -> Option<f64> {
        rate(self.failed, self.tried)
    }
}

/// A false non-match rate where the false match rate is at most a target.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FnmrAt {
    /// Share of the possible genuine comparisons that score below the threshold (ISO/IEC 19795-1).
    pub fnmr: f64,
    /// The lowest threshold that meets the target.
    pub threshold: f32,
    pub fmr: f64,
    /// Genuine scores below the threshold.
    pub false_non_matches: u64,
    /// Impostor scores at or above it.
    pub false_matches: u64,
    /// 95 % interval of `fnmr`, assuming independent comparisons (Clopper–Pearson).
    pub interval: Option<Interval>,
    /// 95 % interval of `fnmr`, with the threshold's uncertainty, by a bootstrap over people.
    pub interval_by_people: Option<Interval>,
    /// False rejection rate of one attempt: FTA + (1 − FTA) · FNMR.
    pub frr: f64,
}

/// False negative identification rate where the false positive one is at most a target.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FnirAt {
    /// Share of mated searches that did not find the person at rank 1 and at the threshold.
    pub fnir: f64,
    /// The lowest threshold that meets the target.
    pub threshold: f32,
    pub fpir: f64,
    /// Mated searches that missed.
    pub misses: u64,
    /// Non-mated searches that found somebody.
    pub false_positives: u64,
    /// 95 % interval of `fnir` (Clopper–Pearson).
    pub interval: Option<Interval>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Identification {
    pub gallery: usize,
    /// The most pictures in a person's template.
    pub enrolled_pictures: usize,
    /// People left out of the gallery.
    pub strangers: usize,
    /// Searches with pictures of enrolled people.
    pub mated_searches: u64,
    /// Searches with pictures of strangers.
    pub non_mated_searches: u64,
    /// Share of mated searches with the right person at rank 1, at any threshold.
    pub rank_one: Option<f64>,
    pub seed: u64,
    /// By size of gallery, ascending: the best score of each stranger's first picture.
    #[serde(skip)]
    pub best_of_strangers: Vec<(u64, Vec<f32>)>,
    /// Its scores; the DET curve of FPIR and FNIR follows from them.
    #[serde(skip)]
    pub counts: ScoreCounts,
}

/// Comparisons of one kind.
#[derive(Debug, Clone, Serialize)]
pub struct ComparisonSet {
    pub name: &'static str,
    pub description: &'static str,
    pub genuine: u64,
    pub impostor: u64,
    /// Equal error rate.
    pub eer: Option<f64>,
    /// The threshold there.
    pub eer_threshold: Option<f32>,
    /// False match rate at the threshold of the embedder's manifest.
    pub fmr_at_manifest_threshold: Option<f64>,
    /// False non-match rate there.
    pub fnmr_at_manifest_threshold: Option<f64>,
    /// False non-match rates at false match rates.
    pub fnmr_at_fmr: BTreeMap<&'static str, Option<FnmrAt>>,
    /// Its scores, for plots and the calibration table.
    #[serde(skip)]
    pub counts: ScoreCounts,
}
