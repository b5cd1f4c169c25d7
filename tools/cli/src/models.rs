//! `gatehouse models`: which models there are, whether their files are the right ones, and what is known of them.

use std::path::PathBuf;

use clap::Args;
use gatehouse_runtime::{Assets, ModelError, verify};
use gatehouse_service::load_catalogue;

use crate::exit::{Exit, Failure};
use crate::print;

/// List the models and check their files
///
/// Every model's file is checked against the SHA-256 in its manifest. Exits with 4 if one is missing or altered. Files are
/// fetched by `make setup`; those that are large or have a licence to settle first only by `make setup WITH=MODEL`.
#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    /// A folder with further manifests; may be given several times
    #[arg(long, value_name = "FOLDER")]
    manifests: Vec<PathBuf>,
}

pub(crate) fn models(args: &ModelsArgs) -> Result<(), Failure> {
    let assets = Assets::locate().map_err(|e| Failure::new(Exit::Setup, e))?;
    let catalogue = load_catalogue(&args.manifests).map_err(|e| Failure::new(Exit::Input, e))?;
    let mut wrong = 0;
    for manifest in catalogue.iter() {
        let state = match verify(&catalogue, &assets, &manifest.name) {
            Ok(path) => format!("in order: {}", path.display()),
            Err(ModelError::Missing { opt_in: true, model, .. }) => {
                format!("not fetched, since nobody asked for it: make setup WITH={model}")
            }
            Err(e) => {
                wrong += 1;
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
    if wrong > 0 {
        return Err(Failure::say(Exit::Setup, format!("{wrong} model(s) are not usable: run `make setup`")));
    }
    Ok(())
}
