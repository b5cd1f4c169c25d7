//! `gatehouse-lab eval crowd`.

use std::path::{Path, PathBuf};

use clap::Args;
use gatehouse_eval::{BoxErrors, CountErrors, CrowdEvalOptions, CrowdReport, ScoreBand, report};
use gatehouse_runtime::Registry;
use gatehouse_terminal::{Exit, Failure};
use serde::Serialize;

use super::common::{CommonArgs, write};

/// Measure counting
///
/// DIR contains the pictures, or a folder `images` with them, and `points.json`: an object of
/// picture → [[x, y], …] (heads, in pixels) or [[left, top, width, height], …] (people's boxes).
/// The layouts of ShanghaiTech (`images`, `ground_truth/GT_NAME.mat`) and of MOTChallenge sequences
/// (`img1`, `gt/gt.txt`, boxes) work too. Instead of pictures, DIR may contain one video;
/// `points.json` then names frames by their number, from 1. Frames of a video, or with a rate in
/// `seqinfo.ini`, are counted in sequence, as a crowd camera does. Errors are grouped by the number
/// of people. Several folders make one table.
#[derive(Debug, Args)]
pub(crate) struct CrowdArgs {
    /// The folders of crowds
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// As `detail_px` of a crowd camera: the longer side of the picture that the detector sees
    #[arg(long, value_name = "PIXELS", default_value_t = 768, value_parser = clap::value_parser!(u16).range(256..=2048))]
    detail_px: u16,
    /// As `tiles` of a crowd camera: the most parts that the detector sees again, enlarged, where
    /// people are small
    #[arg(long, value_name = "COUNT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=16))]
    tiles: u8,
    /// As `min_score` of a crowd camera: the lowest score that counts as a person
    #[arg(long, value_name = "SCORE", default_value_t = 0.5)]
    min_score: f32,
    /// As `analyse_fps` of a crowd camera: analysed frames per second of a sequence
    #[arg(long, value_name = "FPS", default_value_t = 2.0, value_parser = analyse_fps)]
    analyse_fps: f64,
    /// Count each frame of a sequence separately, without following people
    #[arg(long)]
    stills: bool,
    /// Write the counted and the marked number of each picture as CSV
    #[arg(long, value_name = "FILE")]
    counts: Option<PathBuf>,
    /// The person detector
    #[arg(long, value_name = "MODEL", default_value = "crowd")]
    detector: String,
    /// A separate density model, as `crowd_density` in the site file
    #[arg(long, value_name = "MODEL")]
    density: Option<String>,
    /// The longer side of the picture that the density model sees; the default is `--detail-px`
    #[arg(long, value_name = "PIXELS", requires = "density", value_parser = clap::value_parser!(u16).range(256..=2048))]
    density_px: Option<u16>,
    #[command(flatten)]
    common: CommonArgs,
}

fn analyse_fps(text: &str) -> Result<f64, String> {
    let fps = text.parse().ok().filter(|fps| (0.1..=60.0).contains(fps));
    fps.ok_or_else(|| "expected a number from 0.1 to 60".to_owned())
}

pub(super) fn crowd(args: &CrowdArgs) -> Result<(), Failure> {
    let common = &args.common;
    let [dir] = args.dirs.as_slice() else { return several(args) };
    let report = crowd_report(args, dir, &common.registry()?)?;
    if let Some(path) = &args.counts {
        write(path, &counts_csv(&report)?)?;
    }
    common.write(&report::crowd_html(&report)?, report::crowd_png(&report).map(Some))?;
    common.print(&report, crowd_lines)
}

fn several(args: &CrowdArgs) -> Result<(), Failure> {
    let common = &args.common;
    if args.counts.is_some() || common.html.is_some() || common.png.is_some() || common.dataset.is_some() {
        let what = "--counts, --html, --png and --dataset need a single folder";
        return Err(Failure::message(Exit::Input, what));
    }
    let registry = common.registry()?;
    let sets = args.dirs.iter().map(|dir| crowd_report(args, dir, &registry)).collect::<Result<Vec<_>, _>>()?;
    common.print(&Sets { sets }, |all| {
        let rows = all.sets.iter().flat_map(|report| {
            let title = format!("{}:", report.dataset.name);
            std::iter::once(title).chain(count_rows(report)).chain(unread(report))
        });
        std::iter::once(count_columns()).chain(rows).collect()
    })
}

#[derive(Serialize)]
struct Sets {
    sets: Vec<CrowdReport>,
}

fn crowd_report(args: &CrowdArgs, dir: &Path, registry: &Registry) -> Result<CrowdReport, Failure> {
    let common = &args.common;
    let options = CrowdEvalOptions {
        dataset: common.dataset(dir),
        detector: args.detector.clone(),
        density: args.density.clone(),
        density_px: args.density_px.unwrap_or(args.detail_px).into(),
        detail_px: args.detail_px.into(),
        tiles: args.tiles.into(),
        min_score: args.min_score,
        analyse_fps: args.analyse_fps,
        follow: !args.stills,
        threads: common.threads(),
    };
    common.with_progress(|progress| gatehouse_eval::evaluate_crowd(dir, &options, registry, progress))
}

/// The counts: one picture a line, in counting order.
fn counts_csv(report: &CrowdReport) -> Result<Vec<u8>, Failure> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["picture", "marked", "counted", "low", "high", "share_by_density"])?;
    for picture in &report.pictures {
        let [low, high] = picture.interval.map_or([None; 2], |ends| ends.map(Some));
        csv.serialize((&picture.name, picture.marked, picture.counted, low, high, picture.share_by_density))?;
    }
    Ok(csv.into_inner()?)
}

/// [`count_rows`]'s header. `GAME`: level 1; `held`: share of intervals with the marked number.
fn count_columns() -> String {
    format!(
        "{:<14} {:>8} {:>8} {:>8} {:>8} {:>8} {:>11} {:>8} {:>8}",
        "people", "pictures", "marked", "MAE", "RMSE", "bias", "relative", "GAME", "held"
    )
}

/// The errors of all pictures, by number of people, and by self-assessment.
fn count_rows(report: &CrowdReport) -> Vec<String> {
    let row = |name: &str, e: &CountErrors| {
        format!(
            "{name:<14} {:>8} {:>8.1} {:>8.2} {:>8.2} {:>8.2} {:>9.1} % {:>8.2} {:>8}",
            e.images,
            e.mean_marked,
            e.mae,
            e.rmse,
            e.bias,
            100.0 * e.relative_error,
            e.game[0],
            e.coverage.map_or_else(|| "-".to_owned(), |held| format!("{:.0} %", 100.0 * held))
        )
    };
    let bands = report.bands_in_order().into_iter().map(|(band, errors)| row(band, errors));
    let assessed = report.by_self_assessment.iter().map(|(assessment, errors)| row(assessment, errors));
    std::iter::once(row("all", &report.errors)).chain(bands).chain(assessed).collect()
}

fn score_row(band: &ScoreBand) -> String {
    let scores = format!("{:.1}-{:.1}", band.from, band.to);
    format!("{scores:<14} {:>8} {:>10.0} %", band.found, 100.0 * band.precision())
}

fn unread(report: &CrowdReport) -> Option<String> {
    let unread = report.dataset.unreadable;
    (unread > 0).then(|| format!("note: {unread} unreadable picture(s) are left out"))
}

fn crowd_lines(report: &CrowdReport) -> Vec<String> {
    let mut lines = vec![
        format!("{}: {} people in {} pictures", report.dataset.name, report.dataset.marked, report.errors.images),
        count_columns(),
    ];
    lines.extend(count_rows(report));
    if let Some(BoxErrors { precision, recall, f1 }) = report.boxes {
        lines.push(format!("boxes: F1 {f1:.3} at IoU 0.5, precision {precision:.3}, recall {recall:.3}"));
        lines.push(format!("{:<14} {:>8} {:>12}", "score", "found", "correct"));
        lines.extend(report.scores.iter().map(score_row));
    }
    if let Some(facts) = report.sequence {
        lines.push(format!(
            "steadiness: at most ±{:.1} while the marked number stays the same",
            facts.most_change_while_still
        ));
    }
    lines.extend(unread(report));
    lines.extend(report.notes.iter().map(|note| format!("note: {note}")));
    lines
}
