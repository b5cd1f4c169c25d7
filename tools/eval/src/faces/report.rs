//! What an evaluation of faces says. Holds counts and rates only: no picture, no template, no name of a person.

use std::collections::BTreeMap;

use gatehouse_runtime::Manifest;
use serde::Serialize;

use crate::maths::accuracy::Accuracy;
use crate::maths::interval::{Interval, interval, rate};
use crate::maths::scores::{DetPoint, ScoreCounts};

/// False match rates that are asked for.
pub(crate) const FMR_TARGETS: [&str; 5] = ["1e-2", "1e-3", "1e-4", "1e-5", "1e-6"];
/// False positive identification rates that are asked for.
pub(crate) const FPIR_TARGETS: [&str; 3] = ["1e-1", "1e-2", "1e-3"];

/// The number that a target's key stands for.
pub(crate) fn target(key: &str) -> f64 {
    key.parse().unwrap_or_else(|_| unreachable!("the keys above are numbers"))
}

/// The evaluation of a folder of people.
#[derive(Debug, Clone, Serialize)]
pub struct FaceReport {
    /// `lfw` or `folders`.
    pub protocol: &'static str,
    /// What was evaluated.
    pub dataset: DatasetFacts,
    /// What of it gave templates.
    pub usable: UsableFacts,
    /// What it was evaluated with.
    pub models: Vec<ModelFacts>,
    /// Share of the protocol's pairs answered rightly, by cross-validation; null without a list of pairs.
    pub accuracy: Option<f64>,
    /// Standard deviation over the folds (n − 1).
    pub accuracy_std: Option<f64>,
    /// More on the accuracy.
    pub accuracy_detail: Option<AccuracyDetail>,
    /// Failure to acquire: share of pictures that gave no template.
    pub fta: Option<f64>,
    /// More on it.
    pub fta_detail: FailureDetail,
    /// Failure to enrol: share of people whom the product's enrolment refused; null where the protocol has no enrolment.
    pub fte: Option<f64>,
    /// More on it.
    pub fte_detail: Option<FailureDetail>,
    /// Which comparisons `fnmr_at_fmr` is about: the name of the first of `comparison_sets`.
    pub comparisons: &'static str,
    /// False non-match rates at false match rates.
    pub fnmr_at_fmr: BTreeMap<&'static str, Option<FnmrAt>>,
    /// False negative identification rates at false positive identification rates.
    pub fnir_at_fpir: BTreeMap<&'static str, Option<FnirAt>>,
    /// People in the gallery that `fnir_at_fpir` is about.
    pub gallery: usize,
    /// More on identification.
    pub identification: Identification,
    /// Every set of comparisons that was made, the one above first.
    pub comparison_sets: Vec<ComparisonSet>,
    /// What the reader must know, and why a value is null.
    pub notes: Vec<String>,
    /// The list's pairs in its order: whether both pictures show one person, and the score, if both gave a template.
    #[serde(skip)]
    pub pair_scores: Vec<(bool, Option<f32>)>,
}

/// What was evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatasetFacts {
    /// What the user calls it.
    pub name: String,
    /// People (folders).
    pub people: usize,
    /// Pictures.
    pub pictures: usize,
    /// Files that are no pictures by their name.
    pub other_files: usize,
}

/// What of a data set gave templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct UsableFacts {
    /// People of whom one picture did.
    pub people: u64,
    /// People of whom two pictures did.
    pub people_with_two: u64,
    /// Pictures that did.
    pub pictures: u64,
}

/// A model that took part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelFacts {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does.
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

/// How the accuracy came about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccuracyDetail {
    /// Mean, standard deviation, standard error and the folds.
    #[serde(flatten)]
    pub accuracy: Accuracy,
    /// The same without the pairs of which a picture gave no template.
    pub without_failures: Option<f64>,
    /// Pairs in the list.
    pub listed_pairs: usize,
    /// Pairs whose pictures are in the folder.
    pub pairs: usize,
    /// Of those, pairs with a picture that gave no template; they count as "not the same".
    pub pairs_with_failures: usize,
}

/// How many failed, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FailureDetail {
    /// How many were tried.
    pub tried: u64,
    /// How many failed.
    pub failed: u64,
    /// 95 % interval of the rate (Clopper–Pearson).
    pub interval: Option<Interval>,
    /// How many for each reason.
    pub reasons: BTreeMap<String, u64>,
}

impl FailureDetail {
    pub(crate) fn new(tried: u64, reasons: impl Iterator<Item = String>) -> Self {
        let mut counts = BTreeMap::new();
        reasons.for_each(|reason| *counts.entry(reason).or_insert(0) += 1);
        let failed = counts.values().sum();
        Self { tried, failed, interval: interval(failed, tried), reasons: counts }
    }

    /// Share that failed.
    pub fn rate(&self) -> Option<f64> {
        rate(self.failed, self.tried)
    }
}

/// A false non-match rate where the false match rate is at most a target.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FnmrAt {
    /// Share of genuine comparisons below the threshold, of those that could be made (ISO/IEC 19795-1).
    pub fnmr: f64,
    /// The lowest threshold that holds the target.
    pub threshold: f32,
    /// The false match rate there.
    pub fmr: f64,
    /// Genuine scores below the threshold.
    pub false_non_matches: u64,
    /// Impostor scores at or above it.
    pub false_matches: u64,
    /// 95 % interval of `fnmr` that takes comparisons as independent (Clopper–Pearson).
    pub interval: Option<Interval>,
    /// 95 % interval of `fnmr` by drawing people (bootstrap), threshold and all.
    pub interval_by_people: Option<Interval>,
    /// False rejection rate of one attempt: FTA + (1 − FTA) · FNMR.
    pub frr: f64,
}

/// A false negative identification rate where the false positive identification rate is at most a target.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FnirAt {
    /// Share of searches for an enrolled person that didn't find that person first and at the threshold.
    pub fnir: f64,
    /// The lowest threshold that holds the target.
    pub threshold: f32,
    /// The false positive identification rate there.
    pub fpir: f64,
    /// Searches for an enrolled person that missed.
    pub misses: u64,
    /// Searches with a stranger that found somebody.
    pub false_positives: u64,
    /// 95 % interval of `fnir` (Clopper–Pearson).
    pub interval: Option<Interval>,
}

/// How identification was tried.
#[derive(Debug, Clone, Serialize)]
pub struct Identification {
    /// People in the gallery.
    pub gallery: usize,
    /// Pictures that each one's template was made of, at most.
    pub enrolled_pictures: usize,
    /// People left out of the gallery.
    pub strangers: usize,
    /// Searches with pictures of enrolled people.
    pub mated_searches: u64,
    /// Searches with pictures of strangers.
    pub non_mated_searches: u64,
    /// Share of mated searches that found the right person first, at any threshold.
    pub rank_one: Option<f64>,
    /// What the draw of strangers depends on.
    pub seed: u64,
    /// By size of gallery, ascending: the best score of each stranger's first picture.
    #[serde(skip)]
    pub best_of_strangers: Vec<(u64, Vec<f32>)>,
    /// Its curve: FPIR and FNIR.
    #[serde(skip)]
    pub curve: Curve,
}

/// Comparisons of one kind.
#[derive(Debug, Clone, Serialize)]
pub struct ComparisonSet {
    /// Its name.
    pub name: &'static str,
    /// Which comparisons it holds.
    pub description: &'static str,
    /// Comparisons of a person with himself or herself.
    pub genuine: u64,
    /// Comparisons of two people.
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
    /// Its curve: FMR and FNMR.
    #[serde(skip)]
    pub curve: Curve,
}

/// Scores as counted, for plots and the calibration table.
#[derive(Clone, Default)]
pub struct Curve {
    /// Points of the DET curve.
    pub det: Vec<DetPoint>,
    /// Genuine and impostor scores in [`Curve::BARS`] equal parts of −1 to 1.
    pub bars: Vec<(u64, u64)>,
    /// The counts.
    pub counts: ScoreCounts,
}

impl Curve {
    /// Bars of the histogram.
    pub const BARS: usize = 100;

    pub(crate) fn new(counts: ScoreCounts) -> Self {
        Self { det: counts.det(), bars: counts.bars(Self::BARS), counts }
    }
}

impl std::fmt::Debug for Curve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Curve({:?})", self.counts)
    }
}
