//! The report on faces.

use super::det::{DetSeries, det};
use super::histogram::histogram;
use super::html::{or_dash, page, percent, range, table};
use super::png::png;
use super::scene::Scene;
use super::svg::svg;
use crate::error::EvalError;
use crate::faces::{ComparisonSet, FaceReport, FailureDetail};
use crate::maths::interval::interval;
use crate::maths::scores::DetPoint;

/// The report as one HTML file.
pub fn face_html(report: &FaceReport) -> String {
    let mut body = facts(report);
    body.push_str("<h2>Verification (one to one)</h2>\n");
    body.push_str(&verification_plot(report).map_or_else(|| NO_CURVE.to_owned(), |scene| svg(&scene)));
    for set in &report.comparison_sets {
        body.push_str(&rates(set));
    }
    if let Some(first) = report.comparison_sets.first() {
        let threshold = report.models.last().and_then(|embedder| embedder.threshold);
        let names = ["same person", "different people"];
        let title = format!("Scores of {}; the manifest's threshold is marked", first.name);
        if let Some(scene) = histogram(&title, names, &first.counts.bars(BARS), (-1.0, 1.0), threshold) {
            body.push_str(&svg(&scene));
        }
    }
    if let Some(detail) = &report.accuracy_detail {
        let folds = detail.accuracy.folds.iter().enumerate();
        let rows: Vec<Vec<String>> = folds
            .map(|(n, fold)| vec![(n + 1).to_string(), percent(Some(fold.accuracy)), format!("{:.4}", fold.threshold)])
            .collect();
        body.push_str(&table(
            "Accuracy by fold, at the threshold that the other folds chose",
            &["fold", "accuracy", "threshold"],
            &rows,
        ));
    }
    body.push_str("<h2>Identification (one to many, with strangers)</h2>\n");
    body.push_str(&identification(report));
    page(&format!("Face recognition on {}", report.dataset.name), &body, &report.notes)
}

/// The DET curve as PNG; `None` if there is no curve, because errors of one kind are missing.
///
/// # Errors
/// If it can't be drawn or compressed.
pub fn face_png(report: &FaceReport) -> Result<Option<Vec<u8>>, EvalError> {
    verification_plot(report).map(|scene| png(&scene)).transpose()
}

/// Bars of the histogram, from −1 to 1.
const BARS: usize = 100;
const NO_CURVE: &str = "<p>No DET curve: genuine and impostor scores don't overlap, or there are none.</p>\n";

fn facts(report: &FaceReport) -> String {
    let mut rows = vec![
        vec!["Protocol".to_owned(), report.protocol.to_owned(), String::new()],
        vec!["People".to_owned(), report.dataset.people.to_string(), String::new()],
        vec!["Pictures".to_owned(), report.dataset.pictures.to_string(), String::new()],
    ];
    if let Some(detail) = &report.accuracy_detail {
        let a = &detail.accuracy;
        let deviation =
            format!("standard deviation {}, standard error {}", percent(Some(a.std)), percent(Some(a.standard_error)));
        rows.push(vec![format!("Accuracy on {} pairs", detail.pairs), percent(Some(a.mean)), deviation]);
    }
    let failures = |name: &str, detail: &FailureDetail| {
        vec![format!("{name}: {} of {}", detail.failed, detail.tried), percent(detail.rate()), range(detail.interval)]
    };
    rows.push(failures("Failure to acquire", &report.fta_detail));
    rows.extend(report.fte_detail.as_ref().map(|detail| failures("Failure to enrol", detail)));
    let mut out = table("Data and failures", &["", "value", "95 % interval"], &rows);
    let models: Vec<Vec<String>> = report
        .models
        .iter()
        .map(|model| {
            let threshold = or_dash(model.threshold.map(|threshold| threshold.to_string()));
            vec![model.name.clone(), model.version.clone(), model.task.clone(), threshold, model.sha256.clone()]
        })
        .collect();
    out.push_str(&table("Models", &["name", "version", "task", "manifest's threshold", "SHA-256"], &models));
    out
}

fn verification_plot(report: &FaceReport) -> Option<Scene> {
    let series: Vec<DetSeries> = report
        .comparison_sets
        .iter()
        .map(|set| DetSeries {
            name: set.name.to_owned(),
            points: set.counts.det(),
            marks: set
                .fnmr_at_fmr
                .values()
                .flatten()
                .map(|at| DetPoint { false_match_rate: at.fmr, false_non_match_rate: at.fnmr })
                .collect(),
        })
        .collect();
    det("DET curve of verification", "False match rate", "False non-match rate", &series)
}

fn rates(set: &ComparisonSet) -> String {
    let rows: Vec<Vec<String>> = set
        .fnmr_at_fmr
        .iter()
        .rev()
        .map(|(key, at)| {
            vec![
                format!("FMR {key}"),
                percent(at.map(|at| at.fnmr)),
                range(at.and_then(|at| at.interval)),
                range(at.and_then(|at| at.interval_by_people)),
                percent(at.map(|at| at.frr)),
                or_dash(at.map(|at| format!("{:.4}", at.threshold))),
            ]
        })
        .collect();
    let caption = format!(
        "{}: {}; {} genuine, {} impostor comparisons; equal error rate {}",
        set.name,
        set.description,
        set.genuine,
        set.impostor,
        percent(set.eer)
    );
    let head = ["at", "FNMR", "95 % (comparisons)", "95 % (people)", "FRR, with failures to acquire", "threshold"];
    table(&caption, &head, &rows)
}

fn identification(report: &FaceReport) -> String {
    let facts = &report.identification;
    let marks = report.fnir_at_fpir.values().flatten();
    let series = DetSeries {
        name: format!("gallery of {}", facts.gallery),
        points: facts.counts.det(),
        marks: marks.map(|at| DetPoint { false_match_rate: at.fpir, false_non_match_rate: at.fnir }).collect(),
    };
    let plot = det(
        "DET curve of identification",
        "False positive identification rate",
        "False negative identification rate",
        &[series],
    );
    let mut out = plot.map_or_else(|| NO_CURVE.to_owned(), |scene| svg(&scene));
    let rows: Vec<Vec<String>> = report
        .fnir_at_fpir
        .iter()
        .map(|(key, at)| {
            vec![
                format!("FPIR {key}"),
                percent(at.map(|at| at.fnir)),
                range(at.and_then(|at| at.interval)),
                range(at.and_then(|at| interval(at.false_positives, facts.non_mated_searches))),
                or_dash(at.map(|at| format!("{:.4}", at.threshold))),
            ]
        })
        .collect();
    let caption = format!(
        "{} enrolled, {} strangers; {} searches with the enrolled, {} with strangers; right person first: {}",
        facts.gallery,
        facts.strangers,
        facts.mated_searches,
        facts.non_mated_searches,
        percent(facts.rank_one)
    );
    out.push_str(&table(&caption, &["at", "FNIR", "95 %", "FPIR 95 %", "threshold"], &rows));
    out
}
