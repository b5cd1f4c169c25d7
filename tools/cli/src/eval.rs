//! `gatehouse eval`: how well faces are recognised, attacks are told and people are counted, on pictures of the user's own.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use gatehouse_core::provider::Provider;
use gatehouse_eval::{
    BoxErrors, CountErrors, CrowdEvalOptions, CrowdReport, EvalError, FaceOptions, FaceReport, ModelChoice, PadOptions,
    PadReport, Protocol, ScoreBand, report,
};
use gatehouse_runtime::{Assets, Registry};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::exit::{self, Exit, Failure};
use crate::print;

/// Measure how well faces are recognised, attacks are told, or people are counted, on a folder of pictures
///
/// Pictures go through the product's own detectors, alignment and models. Reports hold counts and rates with intervals, and
/// no name of a person; that of crowds, as HTML, shows the twelve pictures whose counts are furthest off, and no other does.
#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Face(FaceArgs),
    Pad(PadArgs),
    Crowd(CrowdArgs),
}

/// Measure face recognition (ISO/IEC 19795-1)
///
/// DIR has a folder for each person with JPEG or PNG files in it. Rates that the number of comparisons can't support are null,
/// and the notes say why.
#[derive(Debug, Args)]
struct FaceArgs {
    /// The folder of people
    dir: PathBuf,
    /// How it is laid out and evaluated
    #[arg(long, value_enum)]
    protocol: ProtocolName,
    /// A list of pairs in the form of LFW's `pairs.txt`, for the accuracy; DIR/pairs.txt is taken if it is there
    #[arg(long, value_name = "FILE")]
    pairs: Option<PathBuf>,
    /// Pictures of each person that are enrolled; the rest are probes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    enrol: u16,
    /// What the draws depend on: who is left out of the gallery, and the intervals by people
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Write the calibration table for the model's manifest
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
    /// Write the score of each pair of the list, in its order, as CSV: to compare with another implementation
    #[arg(long, value_name = "FILE")]
    scores: Option<PathBuf>,
    /// The face detector
    #[arg(long, value_name = "MODEL", default_value = "yunet")]
    detector: String,
    /// The face embedder
    #[arg(long, value_name = "MODEL", default_value = "sface")]
    embedder: String,
    /// Look at pictures as a camera's frames, their chroma halved; otherwise in full colour, as at enrolment
    #[arg(long)]
    as_video: bool,
    #[command(flatten)]
    common: CommonArgs,
}

/// Measure liveness (ISO/IEC 30107-3)
///
/// DIR has a folder `bonafide` with pictures of live faces, and one for each kind of attack (`print`, `replay`, …). Each
/// picture is one presentation; video files are not read. Exits with 3 if `bonafide` or the attacks are not there.
#[derive(Debug, Args)]
struct PadArgs {
    /// The folder of presentations
    dir: PathBuf,
    /// The face detector
    #[arg(long, value_name = "MODEL", default_value = "yunet")]
    detector: String,
    /// The liveness model
    #[arg(long, value_name = "MODEL", default_value = "fr-liveness")]
    liveness: String,
    /// Look at pictures as a camera's frames, their chroma halved; otherwise in full colour, as at enrolment
    #[arg(long)]
    as_video: bool,
    #[command(flatten)]
    common: CommonArgs,
}

/// Measure how well people are counted
///
/// DIR has the pictures, or a folder `images` with them, and `points.json`: an object of picture → [[x, y], …], the heads in
/// pixels, or [[left, top, width, height], …], people's boxes. Or it is laid out as ShanghaiTech (`images`, `ground_truth/GT_NAME.mat`) or as a sequence of MOTChallenge (`img1`,
/// `gt/gt.txt`, boxes). In place of pictures there may be one video; in `points.json` frames are then named by their number,
/// from 1. Frames of a video, or with their rate in `seqinfo.ini`, are counted as a crowd camera does, one after the other.
/// Errors are told by how many people there are. Several folders make one table, a set after the other.
#[derive(Debug, Args)]
struct CrowdArgs {
    /// The folders of crowds
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// As `detail_px` of a crowd camera: the longer side of the pictures that people are looked for in
    #[arg(long, value_name = "PIXELS", default_value_t = 768, value_parser = clap::value_parser!(u16).range(256..=2048))]
    detail_px: u16,
    /// As `tiles` of a crowd camera: parts that are looked at again, larger, where people are small, at most
    #[arg(long, value_name = "COUNT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=16))]
    tiles: u8,
    /// As `min_score` of a crowd camera: the least score that counts as a person
    #[arg(long, value_name = "SCORE", default_value_t = 0.5)]
    min_score: f32,
    /// As `analyse_fps` of a crowd camera: the frames of a sequence that are looked at, a second
    #[arg(long, value_name = "FPS", default_value_t = 2.0, value_parser = analyse_fps)]
    analyse_fps: f64,
    /// Count each frame of a sequence by itself, and don't follow people from one to the next
    #[arg(long)]
    stills: bool,
    /// Write each picture's count beside its marks, as CSV
    #[arg(long, value_name = "FILE")]
    counts: Option<PathBuf>,
    /// The person detector
    #[arg(long, value_name = "MODEL", default_value = "crowd")]
    detector: String,
    /// A density model of its own, as `crowd_density` in a site's file
    #[arg(long, value_name = "MODEL")]
    density: Option<String>,
    /// The longer side of the pictures as that model sees them; if left out, as `--detail-px`
    #[arg(long, value_name = "PIXELS", requires = "density", value_parser = clap::value_parser!(u16).range(256..=2048))]
    density_px: Option<u16>,
    #[command(flatten)]
    common: CommonArgs,
}

fn analyse_fps(text: &str) -> Result<f64, String> {
    let fps = text.parse().ok().filter(|fps| (0.1..=60.0).contains(fps));
    fps.ok_or_else(|| "expected a number from 0.1 to 60".to_owned())
}

#[derive(Debug, Args)]
struct CommonArgs {
    /// What the data set is called in reports; otherwise the folder's name
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
    /// Write a report with plots, one file that needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the main plot as a picture: the DET curve, or counts over marks
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// A folder with further manifests; may be given several times
    #[arg(long, value_name = "FOLDER")]
    manifests: Vec<PathBuf>,
    /// Threads; otherwise one for each processor
    #[arg(long, value_name = "N")]
    threads: Option<std::num::NonZero<usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProtocolName {
    /// Labeled Faces in the Wild: the face in the centre, the list of pairs, all pairs of pictures
    Lfw,
    /// Any folders: the first pictures are enrolled by the product's rules, the rest are probes
    Folders,
}

impl From<ProtocolName> for Protocol {
    fn from(name: ProtocolName) -> Self {
        match name {
            ProtocolName::Lfw => Self::Lfw,
            ProtocolName::Folders => Self::Folders,
        }
    }
}

pub(crate) fn eval(args: &EvalArgs) -> Result<(), Failure> {
    match &args.what {
        What::Face(args) => face(args),
        What::Pad(args) => pad(args),
        What::Crowd(args) => crowd(args),
    }
}

fn face(args: &FaceArgs) -> Result<(), Failure> {
    let common = &args.common;
    let beside = args.dir.join("pairs.txt");
    let found = (args.protocol == ProtocolName::Lfw && beside.is_file()).then_some(beside);
    let options = FaceOptions {
        dataset: common.dataset(&args.dir),
        protocol: args.protocol.into(),
        pairs: args.pairs.clone().or(found),
        enrol: usize::from(args.enrol),
        seed: args.seed,
        models: ModelChoice { embedder: args.embedder.clone(), ..common.models(&args.detector, args.as_video) },
    };
    let registry = common.registry()?;
    let report =
        common.with_progress(|progress| gatehouse_eval::evaluate_faces(&args.dir, &options, &registry, progress))?;
    common.write(&report::face_html(&report), report::face_png(&report))?;
    if let Some(path) = &args.calibration {
        let table = gatehouse_eval::calibration(&report).and_then(|calibration| calibration.to_toml());
        write(path, table.map_err(|e| Failure::new(Exit::Input, e))?.as_bytes())?;
    }
    if let Some(path) = &args.scores {
        write(path, scores_csv(&report).as_bytes())?;
    }
    common.print(&report, face_lines)
}

fn pad(args: &PadArgs) -> Result<(), Failure> {
    let common = &args.common;
    let options = PadOptions {
        dataset: common.dataset(&args.dir),
        models: ModelChoice { liveness: args.liveness.clone(), ..common.models(&args.detector, args.as_video) },
    };
    let registry = common.registry()?;
    let report =
        common.with_progress(|progress| gatehouse_eval::evaluate_pad(&args.dir, &options, &registry, progress))?;
    common.write(&report::pad_html(&report), report::pad_png(&report))?;
    common.print(&report, pad_lines)
}

fn crowd(args: &CrowdArgs) -> Result<(), Failure> {
    let common = &args.common;
    let [dir] = args.dirs.as_slice() else { return crowds(args) };
    let report = crowd_report(args, dir, &common.registry()?)?;
    if let Some(path) = &args.counts {
        write(path, &counts_csv(&report)?)?;
    }
    common.write(&report::crowd_html(&report)?, report::crowd_png(&report).map(Some))?;
    common.print(&report, crowd_lines)
}

/// Several sets, one table.
fn crowds(args: &CrowdArgs) -> Result<(), Failure> {
    let common = &args.common;
    if args.counts.is_some() || common.html.is_some() || common.png.is_some() || common.dataset.is_some() {
        let what = "--counts, --html, --png and --dataset are of one folder; leave them out, or name one folder";
        return Err(Failure::say(Exit::Input, what));
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

impl CommonArgs {
    fn dataset(&self, dir: &Path) -> String {
        let of_folder = || {
            let whole = dir.canonicalize().ok();
            whole.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned())
        };
        self.dataset.clone().or_else(of_folder).unwrap_or_else(|| "unnamed".to_owned())
    }

    fn threads(&self) -> usize {
        self.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, usize::from)
    }

    fn models(&self, detector: &str, as_video: bool) -> ModelChoice {
        let (threads, none) = (self.threads(), String::new);
        ModelChoice { detector: detector.to_owned(), embedder: none(), liveness: none(), threads, as_video }
    }

    fn registry(&self) -> Result<Registry, Failure> {
        let assets = Assets::locate().map_err(|e| Failure::new(Exit::Setup, e))?;
        gatehouse_service::open_registry(assets, &self.manifests, &[Provider::Cpu])
            .map_err(|e| Failure::new(exit::of_node(&e), e))
    }

    /// Shows how far the pictures are, on a terminal only.
    fn with_progress<R>(
        &self,
        evaluate: impl FnOnce(gatehouse_eval::Progress<'_>) -> Result<R, EvalError>,
    ) -> Result<R, Failure> {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} pictures, {eta} left")?;
        bar.set_style(style);
        let result = evaluate(&|done, all| {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
            if done == all {
                bar.set_style(ProgressStyle::default_spinner());
                bar.set_message("comparing");
            }
        });
        bar.finish_and_clear();
        result.map_err(|error| Failure::new(of_error(&error), error))
    }

    /// Prints the report, as JSON or in lines for a person.
    fn print<R: Serialize>(&self, report: &R, lines: impl FnOnce(&R) -> Vec<String>) -> Result<(), Failure> {
        let printed = if self.json { vec![serde_json::to_string(report)?] } else { lines(report) };
        for line in printed {
            print::line(&line)?;
        }
        Ok(())
    }

    fn write(&self, html: &str, png: Result<Option<Vec<u8>>, EvalError>) -> Result<(), Failure> {
        if let Some(path) = &self.html {
            write(path, html.as_bytes())?;
        }
        if let Some(path) = &self.png {
            match png? {
                Some(png) => write(path, &png)?,
                None => eprintln!("gatehouse: {}: not written, for without errors there is no curve", path.display()),
            }
        }
        Ok(())
    }
}

fn of_error(error: &EvalError) -> Exit {
    match error {
        EvalError::Model(_) | EvalError::Face(_) => Exit::Setup,
        EvalError::Plot(_) => Exit::Failed,
        EvalError::Unreadable { .. }
        | EvalError::Layout { .. }
        | EvalError::Pairs { .. }
        | EvalError::NoPair { .. }
        | EvalError::Points { .. }
        | EvalError::Video(_)
        | EvalError::NoThreshold { .. } => Exit::Input,
    }
}

fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, content)
        .map_err(|e| Failure::say(Exit::Failed, format!("{}: can't be written: {e}", path.display())))
}

/// A pair without a template has no score. Whose pairs they are stands in the list only.
fn scores_csv(report: &FaceReport) -> String {
    let mut csv = String::from("pair,same_person,score\n");
    for (number, (genuine, score)) in (1..).zip(&report.pair_scores) {
        let score = score.map(|score| score.to_string()).unwrap_or_default();
        csv.push_str(&format!("{number},{},{score}\n", u8::from(*genuine)));
    }
    csv
}

fn percent(rate: Option<f64>) -> String {
    rate.map_or_else(|| "not known".to_owned(), |rate| format!("{:.3} %", 100.0 * rate))
}

fn face_lines(report: &FaceReport) -> Vec<String> {
    let mut lines = vec![format!(
        "{}: {} pictures of {} people, by protocol {}",
        report.dataset.name, report.dataset.pictures, report.dataset.people, report.protocol
    )];
    if let Some(detail) = &report.accuracy_detail {
        let std = percent(report.accuracy_std);
        lines.push(format!("accuracy      {} ± {std} on {} pairs", percent(report.accuracy), detail.pairs));
    }
    lines.push(format!("FTA           {} ({} pictures)", percent(report.fta), report.fta_detail.failed));
    if let Some(detail) = &report.fte_detail {
        lines.push(format!("FTE           {} ({} people)", percent(report.fte), detail.failed));
    }
    for set in &report.comparison_sets {
        lines.push(format!("{}: {} genuine, {} impostor comparisons", set.name, set.genuine, set.impostor));
        for (key, at) in set.fnmr_at_fmr.iter().rev().filter_map(|(key, at)| Some((key, at.as_ref()?))) {
            lines.push(format!("  FMR {key}    FNMR {} at threshold {:.4}", percent(Some(at.fnmr)), at.threshold));
        }
    }
    let facts = &report.identification;
    lines.push(format!(
        "1:N, {} enrolled: {} searches with them, {} with strangers",
        facts.gallery, facts.mated_searches, facts.non_mated_searches
    ));
    for (key, at) in report.fnir_at_fpir.iter().filter_map(|(key, at)| Some((key, at.as_ref()?))) {
        lines.push(format!("  FPIR {key}   FNIR {} at threshold {:.4}", percent(Some(at.fnir)), at.threshold));
    }
    lines.extend(report.notes.iter().map(|note| format!("note: {note}")));
    lines
}

fn pad_lines(report: &PadReport) -> Vec<String> {
    let auc = report.auc.map_or_else(|| "not known".to_owned(), |auc| format!("{auc:.5}"));
    let mut lines = vec![
        format!("{}: {} pictures, threshold {}", report.dataset.name, report.dataset.pictures, report.threshold),
        format!("AUC           {auc}"),
        format!("BPCER         {}, without an answer {}", percent(report.bpcer), percent(report.bpnrr)),
    ];
    for (kind, apcer) in &report.apcer {
        let none = report.apnrr.get(kind).copied().flatten();
        lines.push(format!("APCER         {kind}: {}, without an answer {}", percent(*apcer), percent(none)));
    }
    lines.extend(report.notes.iter().map(|note| format!("note: {note}")));
    lines
}

/// One picture a line, in the order in which they were counted.
fn counts_csv(report: &CrowdReport) -> Result<Vec<u8>, Failure> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["picture", "marked", "counted", "low", "high", "share_by_density"])?;
    for picture in &report.pictures {
        let [low, high] = picture.interval.map_or([None; 2], |ends| ends.map(Some));
        csv.serialize((&picture.name, picture.marked, picture.counted, low, high, picture.share_by_density))?;
    }
    Ok(csv.into_inner()?)
}

/// The head of [`count_rows`]. `GAME` is of level 1; `held` says how many of the intervals hold the truth.
fn count_columns() -> String {
    format!(
        "{:<14} {:>8} {:>8} {:>8} {:>8} {:>8} {:>11} {:>8} {:>8}",
        "people", "pictures", "marked", "MAE", "RMSE", "bias", "relative", "GAME", "held"
    )
}

/// The errors over all pictures, by band, and by what the counter said of itself.
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
    let said = report.by_self_assessment.iter().map(|(said, errors)| row(said, errors));
    std::iter::once(row("all", &report.errors)).chain(bands).chain(said).collect()
}

fn score_row(band: &ScoreBand) -> String {
    let scores = format!("{:.1}-{:.1}", band.from, band.to);
    format!("{scores:<14} {:>8} {:>10.0} %", band.found, 100.0 * band.share_right())
}

fn unread(report: &CrowdReport) -> Option<String> {
    let unread = report.dataset.unreadable;
    (unread > 0).then(|| format!("note: {unread} picture(s) can't be read and are left out"))
}

fn crowd_lines(report: &CrowdReport) -> Vec<String> {
    let mut lines = vec![
        format!("{}: {} people in {} pictures", report.dataset.name, report.dataset.marked, report.errors.images),
        count_columns(),
    ];
    lines.extend(count_rows(report));
    if let Some(BoxErrors { precision, recall, f1 }) = report.boxes {
        lines.push(format!("boxes: F1 {f1:.3} at IoU 0.5, precision {precision:.3}, recall {recall:.3}"));
        lines.push(format!("{:<14} {:>8} {:>12}", "score", "found", "somebody's"));
        lines.extend(report.scores.iter().map(score_row));
    }
    if let Some(facts) = report.sequence {
        lines.push(format!("steadiness: at most ±{:.1} while as many are marked", facts.most_change_while_still));
    }
    lines.extend(unread(report));
    lines.extend(report.notes.iter().map(|note| format!("note: {note}")));
    lines
}
