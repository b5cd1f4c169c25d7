//! `gatehouse-lab eval face`.

use std::path::PathBuf;

use clap::Args;
use gatehouse_eval::{FaceOptions, FaceReport, ModelChoice, Protocol, report};
use gatehouse_terminal::Failure;

use super::common::{CommonArgs, percent, write};

/// Measure face recognition (ISO/IEC 19795-1)
///
/// DIR contains a folder of JPEG or PNG files for each person. Rates that the number of comparisons
/// can't support are null, and the notes say why.
#[derive(Debug, Args)]
pub(crate) struct FaceArgs {
    /// The folder that contains a folder for each person
    dir: PathBuf,
    /// The layout of the folder, and the rules of the evaluation
    #[arg(long, value_enum)]
    protocol: Protocol,
    /// A list of pairs in the format of LFW's `pairs.txt`, for the accuracy; DIR/pairs.txt is the
    /// default with `lfw`
    #[arg(long, value_name = "FILE")]
    pairs: Option<PathBuf>,
    /// Number of pictures of each person to enrol; the rest are probes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    enrol: u16,
    /// Seed of the random choices: who is not in the gallery, and the bootstrap by people
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Write the calibration table for the model's manifest
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
    /// Write the score of each listed pair as CSV, in the list's order, to compare with another
    /// implementation
    #[arg(long, value_name = "FILE")]
    scores: Option<PathBuf>,
    /// The face detector
    #[arg(long, value_name = "MODEL", default_value = "yunet")]
    detector: String,
    /// The face embedder
    #[arg(long, value_name = "MODEL", default_value = "sface")]
    embedder: String,
    /// Process pictures like camera frames, with halved chroma; otherwise in full colour, as at
    /// enrolment
    #[arg(long)]
    as_video: bool,
    #[command(flatten)]
    common: CommonArgs,
}

pub(super) fn face(args: &FaceArgs) -> Result<(), Failure> {
    let common = &args.common;
    let default_pairs = args.dir.join("pairs.txt");
    let pairs = (args.protocol == Protocol::Lfw && default_pairs.is_file()).then_some(default_pairs);
    let options = FaceOptions {
        dataset: common.dataset(&args.dir),
        protocol: args.protocol,
        pairs: args.pairs.clone().or(pairs),
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
        write(path, table.map_err(Failure::input)?.as_bytes())?;
    }
    if let Some(path) = &args.scores {
        write(path, scores_csv(&report).as_bytes())?;
    }
    common.print(&report, face_lines)
}

/// The pairs' scores in the list's order, without names. A pair without a template has no score.
fn scores_csv(report: &FaceReport) -> String {
    let mut csv = String::from("pair,same_person,score\n");
    for (number, (genuine, score)) in (1..).zip(&report.pair_scores) {
        let score = score.map(|score| score.to_string()).unwrap_or_default();
        csv.push_str(&format!("{number},{},{score}\n", u8::from(*genuine)));
    }
    csv
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
