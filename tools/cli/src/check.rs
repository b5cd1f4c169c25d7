//! `gatehouse check`: is a site file right, without starting anything?

use std::path::PathBuf;

use clap::Args;
use gatehouse_config::Site;
use gatehouse_core::CameraId;

use crate::exit::{Exit, Failure};
use crate::print;

/// Check a site file without starting anything
///
/// Lists every mistake with file, line and column, and exits with 3 if there is one. Secrets are looked up, so that a
/// missing one shows now and not when the node starts; they are never printed.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The site file
    site: PathBuf,
}

pub(crate) fn load(path: &std::path::Path) -> Result<Site, Failure> {
    Site::load(path).map_err(|errors| Failure::new(Exit::Input, errors))
}

pub(crate) fn check(args: &CheckArgs) -> Result<(), Failure> {
    let site = load(&args.site)?;
    let mut missing = Vec::new();
    if let Err(e) = site.store.key.resolve() {
        missing.push(format!("store.key: {e}"));
    }
    let gates = site.gates.iter().map(|g| (&g.id, &g.stream));
    let streams: Vec<_> = gates.chain(site.crowds.iter().map(|c| (&c.id, &c.stream))).collect();
    for (id, stream) in &streams {
        if let Some(Err(e)) = stream.login.as_ref().map(|login| login.resolve_login()) {
            missing.push(format!("login of camera {id}: {e}"));
        }
    }
    for camera in &site.crowds {
        if let Err(e) = gatehouse_service::crowd_options(&CameraId::new(&camera.id), camera) {
            missing.push(e.to_string());
        }
    }
    if !missing.is_empty() {
        return Err(Failure::say(Exit::Input, format!("{}:\n  {}", args.site.display(), missing.join("\n  "))));
    }
    print::line(&format!(
        "{}: right. Site {} in {}: {} gate(s), {} crowd camera(s).",
        args.site.display(),
        site.site.id,
        site.site.area,
        site.gates.len(),
        site.crowds.len()
    ))?;
    for (id, stream) in streams {
        print::line(&format!("  {id:<16} {}", stream.source))?;
    }
    Ok(())
}
