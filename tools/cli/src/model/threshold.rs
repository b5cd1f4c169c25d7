//! `gatehouse model threshold`: the error rates of each gate's match threshold.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use gatehouse_service::{calibration, load_catalogue, threshold_for_target};
use gatehouse_terminal::{Failure, print};

use crate::{check, failure};

/// Show how often each gate's threshold admits a stranger, and refers a resident
///
/// Uses the calibration of the site's face embedder: measured with `gatehouse-lab eval face` and
/// named as `calibration` in [models], or part of the model's manifest. Never extrapolates: where
/// the data can't support a target or a figure, it prints what they support.
#[derive(Debug, Args)]
pub(crate) struct ThresholdArgs {
    /// The site file
    site: PathBuf,
    /// Number of enrolled people, for gates without a target
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    enrolled: u64,
}

pub(crate) fn threshold(args: &ThresholdArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let catalogue = load_catalogue(&site.models.manifests).map_err(Failure::input)?;
    let name = &site.models.face_embedder;
    let embedder =
        catalogue.get(name).with_context(|| format!("there is no model `{name}`")).map_err(Failure::input)?;
    let measured = calibration(&site, embedder).map_err(failure::node)?;
    for gate in &site.gates {
        print::line(&format!("gate {}:", gate.id))?;
        if let Some(target) = &gate.match_target {
            let prediction = threshold_for_target(&site, gate, target, embedder);
            let prediction = prediction.map_err(failure::node)?;
            print::line(&format!("  threshold {}, computed from its target", prediction.threshold))?;
            print::line(&format!("  {prediction}"))?;
            continue;
        }
        let (value, source) = match (gate.match_threshold, &embedder.threshold) {
            (Some(value), _) => (value, "from the site file".to_owned()),
            (None, Some(stated)) => (stated.value, format!("from the manifest: {}, {}", stated.dataset, stated.error)),
            (None, None) => {
                print::line("  no threshold: set `match_threshold` or `match_target`")?;
                continue;
            }
        };
        print::line(&format!("  threshold {value}, {source}"))?;
        match measured.as_ref().map(|table| table.predict(value, args.enrolled)) {
            Some(Some(prediction)) => print::line(&format!("  {prediction}"))?,
            Some(None) => print::line("  no prediction: the threshold is outside the calibration's table")?,
            None => print::line(
                "  no prediction: there is no calibration; measure one with \
                 `gatehouse-lab eval face DIR --calibration FILE`",
            )?,
        };
    }
    Ok(())
}
