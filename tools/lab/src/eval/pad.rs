//! `gatehouse-lab eval pad`.

use std::path::PathBuf;

use clap::Args;
use gatehouse_eval::{ModelChoice, PadOptions, PadReport, report};
use gatehouse_terminal::Failure;

use super::common::{CommonArgs, percent};

/// Measure liveness (ISO/IEC 30107-3)
///
/// DIR contains a folder `bonafide` with pictures of live faces, and one folder for each kind of
/// attack (`print`, `replay`, …). Each picture is one presentation. Does not read videos. Exits
/// with 3 if `bonafide` or the attacks are missing.
#[derive(Debug, Args)]
pub(crate) struct PadArgs {
    /// The folder of presentations
    dir: PathBuf,
    /// The face detector
    #[arg(long, value_name = "MODEL", default_value = "yunet")]
    detector: String,
    /// The liveness model
    #[arg(long, value_name = "MODEL", default_value = "fr-liveness")]
    liveness: String,
    /// Process pictures like camera frames, with halved chroma; otherwise in full colour, as at
    /// enrolment
    #[arg(long)]
    as_video: bool,
    #[command(flatten)]
    common: CommonArgs,
}

pub(super) fn pad(args: &PadArgs) -> Result<(), Failure> {
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

fn pad_lines(report: &PadReport) -> Vec<String> {
    let auc = report.auc.map_or_else(|| "unknown".to_owned(), |auc| format!("{auc:.5}"));
    let mut lines = vec![
        format!("{}: {} pictures, threshold {}", report.dataset.name, report.dataset.pictures, report.threshold),
        format!("AUC           {auc}"),
        format!("BPCER         {}, no answer {}", percent(report.bpcer), percent(report.bpnrr)),
    ];
    for (kind, apcer) in &report.apcer {
        let none = report.apnrr.get(kind).copied().flatten();
        lines.push(format!("APCER         {kind}: {}, no answer {}", percent(*apcer), percent(none)));
    }
    lines.extend(report.notes.iter().map(|note| format!("note: {note}")));
    lines
}
