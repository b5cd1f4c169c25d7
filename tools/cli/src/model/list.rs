//! `gatehouse model list`: the models, and whether their files match the manifests.

use std::path::PathBuf;

use clap::Args;
use gatehouse_runtime::{Assets, ModelError, verify};
use gatehouse_service::load_catalogue;
use gatehouse_terminal::{Exit, Failure, print};

/// List the models and check their files
///
/// Compares each file with the SHA-256 in its manifest. Exits with 4 if one is missing or altered.
/// `make setup` downloads the files; models that are large, or whose licence must be settled first,
/// need `make setup WITH=MODEL`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// A folder with more manifests; may be given several times
    #[arg(long, value_name = "FOLDER")]
    manifests: Vec<PathBuf>,
}

pub(crate) fn list(args: &ListArgs) -> Result<(), Failure> {
    let assets = Assets::locate().map_err(Failure::setup)?;
    let catalogue = load_catalogue(&args.manifests).map_err(Failure::input)?;
    let mut unusable = 0;
    for manifest in catalogue.iter() {
        let state = match verify(&catalogue, &assets, &manifest.name) {
            Ok(path) => format!("verified: {}", path.display()),
            Err(ModelError::Missing { opt_in: true, model, .. }) => {
                format!("optional, not installed: run `make setup WITH={model}`")
            }
            Err(e) => {
                unusable += 1;
                format!("NOT USABLE: {e}")
            }
        };
        print::line(&format!("{} {} ({}, {})", manifest.name, manifest.version, manifest.task, manifest.licence))?;
        print::line(&format!("    {}", manifest.description))?;
        if let Some(note) = manifest.licence_note.as_deref().filter(|_| manifest.opt_in) {
            print::line(&format!("    {note}"))?;
        }
        if let Some(t) = &manifest.threshold {
            print::line(&format!("    threshold {} on {}: {}", t.value, t.dataset, t.error))?;
        }
        print::line(&format!("    {state}"))?;
    }
    if unusable > 0 {
        return Err(Failure::message(Exit::Setup, format!("{unusable} model(s) are not usable: run `make setup`")));
    }
    Ok(())
}
