//! The report on liveness.

use super::det::{DetSeries, det};
use super::histogram::histogram;
use super::html::{models, or_dash, page, percent, range, table};
use super::png::png;
use super::scene::Scene;
use super::svg::svg;
use crate::error::EvalError;
use crate::maths::scores::ScoreCounts;
use crate::pad::PadReport;

const BARS: usize = 50;

/// The report as one HTML file.
pub fn pad_html(report: &PadReport) -> String {
    let auc = |area: Option<f64>| or_dash(area.map(|area| format!("{area:.5}")));
    let rows: Vec<Vec<String>> = report
        .presentations
        .iter()
        .map(|(name, kind)| {
            let rate = if name == "bonafide" { "BPCER" } else { "APCER" };
            vec![
                name.clone(),
                kind.presented.to_string(),
                format!("{rate} {}", percent(kind.error_rate)),
                range(kind.interval),
                percent(kind.no_response_rate),
                range(kind.no_response_interval),
                auc(report.auc_per_kind.get(name).copied().flatten()),
            ]
        })
        .collect();
    let caption = format!(
        "Errors at the threshold {} of the manifest; AUC over all attacks {}",
        report.threshold,
        auc(report.auc)
    );
    let head = ["kind", "presentations", "errors", "95 %", "no answer", "95 %", "AUC"];
    let mut body = table(&caption, &head, &rows);
    body.push_str(&models(&report.models));
    let plot = pad_plot(report);
    body.push_str(&plot.map_or_else(
        || "<p>No DET curve: live faces and attacks don't overlap, or there are none.</p>\n".to_owned(),
        |scene| svg(&scene),
    ));
    body.extend(score_bars(report).map(|scene| svg(&scene)));
    page(&format!("Liveness on {}", report.dataset.name), &body, &report.notes)
}

/// The DET curve as PNG; none if there were no errors of both kinds, so that there is no curve.
///
/// # Errors
/// If it can't be drawn or packed.
pub fn pad_png(report: &PadReport) -> Result<Option<Vec<u8>>, EvalError> {
    pad_plot(report).map(|scene| png(&scene)).transpose()
}

fn kinds(report: &PadReport) -> impl Iterator<Item = (&String, &[f32])> {
    report
        .presentations
        .iter()
        .filter(|(name, _)| *name != "bonafide")
        .map(|(name, kind)| (name, kind.scores.as_slice()))
}

fn live(report: &PadReport) -> &[f32] {
    report.presentations.get("bonafide").map_or(&[], |kind| kind.scores.as_slice())
}

fn pad_plot(report: &PadReport) -> Option<Scene> {
    let series: Vec<DetSeries> = kinds(report)
        .map(|(name, scores)| {
            let mut counts = ScoreCounts::default();
            live(report).iter().for_each(|score| counts.add_genuine(*score));
            scores.iter().for_each(|score| counts.add_impostor(*score));
            DetSeries { name: name.clone(), points: counts.det(), marks: Vec::new() }
        })
        .collect();
    det("DET curve of liveness", "APCER", "BPCER", &series)
}

fn score_bars(report: &PadReport) -> Option<Scene> {
    let mut bars = vec![(0, 0); BARS];
    let bar = |score: f32| ((score * BARS as f32) as usize).min(BARS - 1);
    live(report).iter().for_each(|score| bars[bar(*score)].0 += 1);
    kinds(report).flat_map(|(_, scores)| scores).for_each(|score| bars[bar(*score)].1 += 1);
    histogram("Liveness scores", ["live", "attacks"], &bars, (0.0, 1.0), Some(report.threshold))
}
