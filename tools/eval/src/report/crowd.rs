//! The report on counts.

use base64::prelude::{BASE64_STANDARD, Engine};

use super::html::{escape, list, models, page, percent, table};
use super::png::{png, png_over};
use super::scene::{Anchor, Colour, Frame, INK, SERIES, Scene, Shape};
use super::svg::svg;
use crate::crowd::{BoxErrors, CountErrors, CountedPicture, CrowdReport, Example, ScoreBand};
use crate::error::EvalError;

const MARKED: Colour = SERIES[2];
const DETECTED: Colour = SERIES[4];
const DENSITY: Colour = SERIES[0];

/// The report as one HTML file.
///
/// # Errors
/// If an example can't be drawn.
pub fn crowd_html(report: &CrowdReport) -> Result<String, EvalError> {
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
    if !report.scores.is_empty() {
        body.push_str(&table(
            "What the detector's scores are worth",
            &["score", "found", "correct"],
            &scores(&report.scores),
        ));
    }
    body.push_str(&models(&report.models));
    body.push_str(&facts(report));
    body.push_str(&svg(&plot(report)));
    body.push_str(&examples(report)?);
    Ok(page(&format!("Counts on {}", report.dataset.name), &body, &report.notes))
}

fn scores(bands: &[ScoreBand]) -> Vec<Vec<String>> {
    let row = |band: &ScoreBand| {
        vec![format!("{:.1}–{:.1}", band.from, band.to), band.found.to_string(), percent(Some(band.precision()))]
    };
    bands.iter().map(row).collect()
}

fn facts(report: &CrowdReport) -> String {
    let mut facts = Vec::new();
    if let Some(BoxErrors { precision, recall, f1 }) = report.boxes {
        facts.push(format!("Boxes at IoU 0.5: F1 {f1:.3}, precision {precision:.3}, recall {recall:.3}."));
    }
    if let Some(sequence) = report.sequence {
        let (fps, change) = (sequence.analyse_fps, sequence.most_change_while_still);
        facts.push(format!(
            "{fps} frames per second were analysed. Between frames with the same marked number, the count \
             changed by at most {change:.1}."
        ));
    }
    if facts.is_empty() { String::new() } else { list(&facts) }
}

fn examples(report: &CrowdReport) -> Result<String, EvalError> {
    if report.examples.is_empty() {
        return Ok(String::new());
    }
    let mut html = "<h2>The counts with the largest errors</h2>\n<p>Green: marked. Orange: counted by detection. \
                    Blue: counted by density.</p>\n"
        .to_owned();
    for example in &report.examples {
        let picture = BASE64_STANDARD.encode(png_over(&example.grey, &overlay(example))?);
        let CountedPicture { name, marked, counted, .. } = &example.picture;
        let name = escape(name);
        html.push_str(&format!(
            "<figure><img alt=\"\" src=\"data:image/png;base64,{picture}\">\
             <figcaption>{name}: {marked} marked, {counted:.1} counted</figcaption></figure>\n"
        ));
    }
    Ok(html)
}

/// The picture with its marks and its counted grid.
fn overlay(example: &Example) -> Scene {
    let [width, height] = example.size;
    let mut scene = Scene::new(width as u32, height as u32, example.picture.name.clone());
    let (width, height) = (width as f32, height as f32);
    for head in example.seen.iter().filter(|head| !head.is_detection) {
        // A cell's side is about 1 % of the picture's; its colour is saturated at one person.
        let side = width / 96.0;
        let at = (head.at.x * width - side / 2.0, head.at.y * height - side / 2.0, side, side);
        scene.shapes.push(Shape::Box { at, colour: DENSITY, opacity: head.people.clamp(0.0, 1.0) });
    }
    for head in example.seen.iter().filter(|head| head.is_detection) {
        scene.dot((head.at.x * width, head.at.y * height), 4.0, DETECTED);
    }
    for [x, y] in &example.heads {
        scene.dot((*x as f32 * width, *y as f32 * height), 2.0, MARKED);
    }
    scene
}

/// The plot of counted over marked numbers as PNG.
///
/// # Errors
/// If it can't be drawn or compressed.
pub fn crowd_png(report: &CrowdReport) -> Result<Vec<u8>, EvalError> {
    png(&plot(report))
}

/// Each picture's counted over its marked number; the diagonal is correct.
fn plot(report: &CrowdReport) -> Scene {
    const SIDE: f32 = 480.0;
    const MARGIN: f32 = 60.0;
    let most = report.pictures.iter().map(|p| p.counted.max(p.marked as f64)).fold(10.0, f64::max);
    let frame = Frame { left: MARGIN, top: MARGIN, right: MARGIN + SIDE, bottom: MARGIN + SIDE };
    let at = |marked: f64, counted: f64| frame.at(marked / most, counted / most);
    let side = (SIDE + 2.0 * MARGIN) as u32;
    let mut scene = Scene::new(side, side, "Counted people over marked people");
    for step in 0..=4 {
        let share = f64::from(step) / 4.0;
        let label = format!("{:.0}", most * share);
        frame.tick_x(&mut scene, share, &label);
        frame.tick_y(&mut scene, share, &label);
    }
    scene.line(vec![at(0.0, 0.0), at(most, most)], INK, 1.0);
    for picture in &report.pictures {
        scene.dot(at(picture.marked as f64, picture.counted), 3.0, SERIES[0]);
    }
    scene.text(MARGIN + SIDE / 2.0, MARGIN + SIDE + 42.0, Anchor::Middle, "marked people");
    scene.text(MARGIN, MARGIN - 16.0, Anchor::Start, "counted people");
    scene
}
