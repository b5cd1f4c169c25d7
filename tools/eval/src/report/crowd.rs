//! The report on counts.

use super::html::{list, models, page, percent, table};
use super::png::png;
use super::scene::{Anchor, GRID, INK, SERIES, Scene};
use super::svg::svg;
use crate::crowd::{CountErrors, CrowdReport};
use crate::error::EvalError;

/// The report as one HTML file.
pub fn crowd_html(report: &CrowdReport) -> String {
    let head = ["", "pictures", "marked", "MAE", "RMSE", "bias", "relative", "GAME 1", "GAME 2", "GAME 3", "coverage"];
    let row = |name: &str, e: &CountErrors| {
        let mut row = vec![name.to_owned(), e.images.to_string()];
        row.extend([e.mean_marked, e.mae, e.rmse, e.bias].map(|people| format!("{people:.1}")));
        row.push(percent(Some(e.relative_error)));
        row.extend(e.game.map(|people| format!("{people:.1}")));
        row.push(percent(e.coverage));
        row
    };
    let mut by_band = vec![row("all", &report.errors)];
    by_band.extend(report.bands_in_order().into_iter().map(|(band, errors)| row(band, errors)));
    let caption = format!("Errors in people, by how many are marked; pictures at {} pixels", report.detail_px);
    let mut body = table(&caption, &head, &by_band);
    let by_itself: Vec<_> = report.by_self_assessment.iter().map(|(said, errors)| row(said, errors)).collect();
    body.push_str(&table("By what the counter said of itself", &head, &by_itself));
    body.push_str(&models(&report.models));
    body.push_str(&svg(&plot(report)));
    body.push_str("<h2>Notes</h2>\n");
    body.push_str(&list(&report.notes));
    page(&format!("Counts on {}", report.dataset.name), &body)
}

/// The plot of counts against marks as PNG.
///
/// # Errors
/// If it can't be drawn or packed.
pub fn crowd_png(report: &CrowdReport) -> Result<Vec<u8>, EvalError> {
    png(&plot(report))
}

/// Each picture's count over its marks; on the diagonal, it is right.
fn plot(report: &CrowdReport) -> Scene {
    const SIDE: f32 = 480.0;
    const MARGIN: f32 = 60.0;
    let most = report.pictures.iter().map(|p| p.counted.max(p.marked as f64)).fold(10.0, f64::max);
    let at = |marked: f64, counted: f64| {
        let share = |people: f64| (people / most) as f32 * SIDE;
        (MARGIN + share(marked), MARGIN + SIDE - share(counted))
    };
    let side = (SIDE + 2.0 * MARGIN) as u32;
    let mut scene = Scene::new(side, side, "Counted people over marked people");
    for step in 0..=4 {
        let people = most * f64::from(step) / 4.0;
        let label = format!("{people:.0}");
        let (x, y) = at(people, people);
        scene.line(vec![at(people, 0.0), at(people, most)], GRID, 1.0);
        scene.line(vec![at(0.0, people), at(most, people)], GRID, 1.0);
        scene.text(x, MARGIN + SIDE + 18.0, Anchor::Middle, label.clone());
        scene.text(MARGIN - 8.0, y + 4.0, Anchor::End, label);
    }
    scene.line(vec![at(0.0, 0.0), at(most, most)], INK, 1.0);
    for picture in &report.pictures {
        scene.dot(at(picture.marked as f64, picture.counted), 3.0, SERIES[0]);
    }
    scene.text(MARGIN + SIDE / 2.0, MARGIN + SIDE + 42.0, Anchor::Middle, "marked people");
    scene.text(MARGIN, MARGIN - 16.0, Anchor::Start, "counted people");
    scene
}
