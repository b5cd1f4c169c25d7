//! `gatehouse threshold`: what each gate's threshold means in errors, and what a target would take.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use gatehouse_service::{calibration, load_catalogue, threshold_for_target};

use crate::exit::{self, Exit, Failure};
use crate::{check, print};

/// Say how often each gate's threshold lets a stranger in, and sends a resident to the staffed lane
///
/// Works from the calibration of the site's face embedder: measured with `gatehouse eval face`, named as `calibration` in
/// [models], or part of the model's manifest. Nothing is extrapolated: where the data can't support a target or a figure, it
/// says what could.
#[derive(Debug, Args)]
pub(crate) struct ThresholdArgs {
    /// The site file
    site: PathBuf,
    /// For gates without a target: with how many people enrolled
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    enrolled: u64,
}

pub(crate) fn threshold(args: &ThresholdArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let input = |e: anyhow::Error| Failure::new(Exit::Input, e);
    let catalogue = load_catalogue(&site.models.manifests).map_err(|e| input(e.into()))?;
    let name = &site.models.face_embedder;
    let embedder = catalogue.get(name).with_context(|| format!("there is no model `{name}`")).map_err(input)?;
    let measured = calibration(&site, embedder).map_err(|e| Failure::new(exit::of_node(&e), e))?;
    for gate in &site.gates {
        print::line(&format!("gate {}:", gate.id))?;
        if let Some(target) = &gate.match_target {
            let prediction = threshold_for_target(&site, gate, target, embedder);
            let prediction = prediction.map_err(|e| Failure::new(exit::of_node(&e), e))?;
            print::line(&format!("  threshold {}, computed from its target", prediction.threshold))?;
            print::line(&format!("  {prediction}"))?;
            continue;
        }
        let (value, whence) = match (gate.match_threshold, &embedder.threshold) {
            (Some(value), _) => (value, "set in the site file".to_owned()),
            (None, Some(stated)) => (stated.value, format!("the manifest's: {}, {}", stated.dataset, stated.error)),
            (None, None) => {
                print::line("  no threshold: set `match_threshold` or `match_target`")?;
                continue;
            }
        };
        print::line(&format!("  threshold {value}, {whence}"))?;
        match measured.as_ref().map(|table| table.predict(value, args.enrolled)) {
            Some(Some(prediction)) => print::line(&format!("  {prediction}"))?,
            Some(None) => print::line("  outside of what the calibration's table covers: nothing can be said")?,
            None => print::line(
                "  no calibration, so nothing can be said for your gallery; `gatehouse eval face DIR --calibration FILE` \
                 measures one",
            )?,
        };
    }
    Ok(())
}
