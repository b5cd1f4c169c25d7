//! The result of an evaluation of liveness.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::faces::ModelFacts;
use crate::maths::auc::auc;
use crate::maths::interval::{Interval, interval, rate};

/// Kinds of attack that a report must mention, and the words for them in folders' names.
const KINDS: [&str; 3] = ["print", "replay", "mask"];

/// The evaluation of a folder of presentations.
#[derive(Debug, Clone, Serialize)]
pub struct PadReport {
    /// The data set.
    pub dataset: PadDataset,
    /// The models.
    pub models: Vec<ModelFacts>,
    /// The threshold in the liveness model's manifest; scores at or above it mean live.
    pub threshold: f32,
    /// Area under the ROC curve of live faces against all attacks.
    pub auc: Option<f64>,
    /// The same for each kind of attack.
    pub auc_per_kind: BTreeMap<String, Option<f64>>,
    /// Attack presentation classification error rate of each kind: share of its attacks
    /// classified as live, among those with an answer.
    pub apcer: BTreeMap<String, Option<f64>>,
    /// The APCER of the worst kind, which the standard requires for comparisons.
    pub apcer_worst: Option<f64>,
    /// Bona fide presentation classification error rate: share of live faces classified as attacks,
    /// among those with an answer.
    pub bpcer: Option<f64>,
    /// Attack presentation non-response rate of each kind.
    pub apnrr: BTreeMap<String, Option<f64>>,
    /// Bona fide presentation non-response rate.
    pub bpnrr: Option<f64>,
    /// Counts and intervals for each kind and for `bonafide`.
    pub presentations: BTreeMap<String, Presentations>,
    /// Known kinds of attack that the data set lacks.
    pub not_measured: Vec<&'static str>,
    /// Notes for the reader, with the reasons for null values.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PadDataset {
    pub name: String,
    /// Kinds of attack (folders besides `bonafide`).
    pub attack_kinds: usize,
    /// Pictures, of live faces and attacks.
    pub pictures: usize,
    /// Files without the extension of a picture.
    pub other_files: usize,
}

/// Presentations of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Presentations {
    pub presented: u64,
    /// Number without an answer, by reason.
    pub no_response: BTreeMap<&'static str, u64>,
    /// Number of wrong answers at the threshold.
    pub errors: u64,
    pub error_rate: Option<f64>,
    /// Its 95 % interval (Clopper–Pearson).
    pub interval: Option<Interval>,
    pub no_response_rate: Option<f64>,
    /// Its 95 % interval (Clopper–Pearson).
    pub no_response_interval: Option<Interval>,
    /// The answers: probability of a live face, 0–1.
    #[serde(skip)]
    pub scores: Vec<f32>,
}

impl Presentations {
    /// Computes the rates from answers and failures. `live` is the correct answer.
    pub(crate) fn new(answers: &[Result<f32, &'static str>], live: bool, threshold: f32) -> Self {
        let scores: Vec<f32> = answers.iter().flatten().copied().collect();
        let mut no_response = BTreeMap::new();
        answers
            .iter()
            .filter_map(|answer| answer.err())
            .for_each(|reason| *no_response.entry(reason).or_insert(0) += 1);
        let (presented, answered) = (answers.len() as u64, scores.len() as u64);
        let errors = scores.iter().filter(|score| (**score >= threshold) != live).count() as u64;
        Self {
            presented,
            no_response,
            errors,
            error_rate: rate(errors, answered),
            interval: interval(errors, answered),
            no_response_rate: rate(presented - answered, presented),
            no_response_interval: interval(presented - answered, presented),
            scores,
        }
    }
}

impl PadReport {
    pub(crate) fn new(
        dataset: PadDataset,
        models: Vec<ModelFacts>,
        threshold: f32,
        bonafide: Presentations,
        attacks: BTreeMap<String, Presentations>,
    ) -> Self {
        let mut notes = vec![
            "each picture is one presentation, judged by itself; at the gate several frames must agree, the mean of their \
             scores counts, and none of them may clearly be an attack"
                .to_owned(),
        ];
        let not_measured: Vec<&str> =
            KINDS.into_iter().filter(|kind| !attacks.keys().any(|name| name.to_lowercase().contains(kind))).collect();
        if !not_measured.is_empty() {
            notes.push(format!(
                "not measured: {}. No folder's name contains these words, so this report says nothing \
                 about such attacks",
                not_measured.join(", ")
            ));
        }
        for (name, kind) in attacks.iter().chain([(&"bonafide".to_owned(), &bonafide)]) {
            if kind.scores.is_empty() {
                notes.push(format!("{name}: its error rate is null, as no presentation got an answer"));
            } else if kind.errors == 0 {
                notes.push(format!(
                    "{name}: no error in {} answers; by the rule of three its error rate is below {:.2} % at 95 % confidence \
                     and can't be told more closely",
                    kind.scores.len(),
                    300.0 / kind.scores.len() as f64
                ));
            }
        }
        let all: Vec<f32> = attacks.values().flat_map(|kind| kind.scores.iter().copied()).collect();
        let each = |value: &dyn Fn(&Presentations) -> Option<f64>| {
            attacks.iter().map(|(name, kind)| (name.clone(), value(kind))).collect::<BTreeMap<_, _>>()
        };
        let apcer = each(&|kind| kind.error_rate);
        Self {
            dataset,
            models,
            threshold,
            auc: auc(&bonafide.scores, &all),
            auc_per_kind: each(&|kind| auc(&bonafide.scores, &kind.scores)),
            apcer_worst: apcer.values().flatten().copied().max_by(f64::total_cmp),
            apcer,
            bpcer: bonafide.error_rate,
            apnrr: each(&|kind| kind.no_response_rate),
            bpnrr: bonafide.no_response_rate,
            presentations: attacks.into_iter().chain([("bonafide".to_owned(), bonafide)]).collect(),
            not_measured,
            notes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> PadReport {
        let bonafide = Presentations::new(&[Ok(0.9), Ok(0.5), Ok(0.4), Err("no_face")], true, 0.5);
        let print = Presentations::new(&[Ok(0.1), Ok(0.2), Ok(0.3), Ok(0.5)], false, 0.5);
        let replay = Presentations::new(&[Err("no_face"), Err("unreadable")], false, 0.5);
        let attacks = BTreeMap::from([("Print on A4".to_owned(), print), ("replay".to_owned(), replay)]);
        let dataset = PadDataset { name: "small".to_owned(), attack_kinds: 2, pictures: 10, other_files: 0 };
        PadReport::new(dataset, Vec::new(), 0.5, bonafide, attacks)
    }

    #[test]
    fn rates_are_among_presentations_with_an_answer() {
        let report = report();
        // A live face at the threshold is live, and so is a print.
        assert_eq!((report.bpcer, report.bpnrr), (Some(1.0 / 3.0), Some(0.25)));
        assert_eq!(report.apcer["Print on A4"], Some(0.25));
        assert_eq!((report.apcer["replay"], report.apnrr["replay"]), (None, Some(1.0)));
        assert_eq!((report.apcer_worst, report.auc_per_kind["replay"]), (Some(0.25), None));
        // Wins of 0.9 and 0.5 over four prints, the tie half; 0.4 over three.
        assert_eq!(report.auc, Some((4.0 + 3.5 + 3.0) / 12.0));
    }

    #[test]
    fn what_was_not_measured_is_said() {
        let report = report();
        assert_eq!(report.not_measured, ["mask"]);
        assert!(report.notes.iter().any(|note| note.starts_with("not measured") && note.contains("mask")));
        assert!(report.notes.iter().any(|note| note.starts_with("replay: its error rate is null")));
        let json = serde_json::to_value(&report).expect("JSON");
        assert_eq!(json["apcer"]["Print on A4"], 0.25);
        assert_eq!(json["apcer"]["replay"], serde_json::Value::Null);
    }
}
