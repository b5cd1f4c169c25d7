//! `gatehouse check`: finds the mistakes in a site file without starting anything.

use std::path::PathBuf;

use clap::Args;
use gatehouse_config::Site;
use gatehouse_runtime::Catalogue;
use gatehouse_terminal::{Exit, Failure, print};

/// Check a site file without starting anything
///
/// Lists every mistake with file, line and column, and exits with 3 if there is one. Also resolves
/// secrets, looks up models and computes the gates' thresholds, so that it finds all that would
/// keep a node from starting. Never prints a secret.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The site file
    site: PathBuf,
}

pub(crate) fn load(path: &std::path::Path) -> Result<Site, Failure> {
    Site::load(path).map_err(Failure::input)
}

pub(crate) fn check(args: &CheckArgs) -> Result<(), Failure> {
    let site = load(&args.site)?;
    let mut problems = Vec::new();
    if let Err(e) = site.store.key.resolve() {
        problems.push(format!("store.key: {e}"));
    }
    let gates = site.gates.iter().map(|g| (&g.id, &g.common));
    let streams: Vec<_> = gates.chain(site.crowds.iter().map(|c| (&c.id, &c.common))).collect();
    for (id, stream) in &streams {
        if let Some(Err(e)) = stream.login.as_ref().map(|login| login.resolve_login()) {
            problems.push(format!("login of camera {id}: {e}"));
        }
    }
    for camera in &site.crowds {
        if let Err(e) = gatehouse_service::crowd_options(&camera.id, camera) {
            problems.push(e.to_string());
        }
    }
    match gatehouse_service::load_catalogue(&site.models.manifests) {
        Ok(catalogue) => problems.extend(problems_with_models(&site, &catalogue)),
        Err(e) => problems.push(e.to_string()),
    }
    if !problems.is_empty() {
        return Err(Failure::message(Exit::Input, format!("{}:\n  {}", args.site.display(), problems.join("\n  "))));
    }
    print::line(&format!(
        "{}: no mistakes. Site {} in {}: {} gate(s), {} crowd camera(s).",
        args.site.display(),
        site.site.id,
        site.site.area,
        site.gates.len(),
        site.crowds.len()
    ))?;
    for (id, stream) in streams {
        print::line(&format!("  {id:<16} {}", stream.source))?;
    }
    for camera in site.crowds.iter().filter(|camera| camera.detail_px.is_none()) {
        let px = gatehouse_service::detail_px(camera);
        print::line(&format!("  {:<16} detail_px is {px}, computed from its `ground`", camera.id))?;
    }
    Ok(())
}

/// Unknown models, and targets that the calibration can't support. Each keeps a node from starting.
fn problems_with_models(site: &Site, catalogue: &Catalogue) -> Vec<String> {
    let models = &site.models;
    let at_gates = [
        ("models.face_detector", Some(&models.face_detector)),
        ("models.face_embedder", Some(&models.face_embedder)),
        ("models.liveness", Some(&models.liveness)),
    ];
    let of_crowds = [
        ("models.person_detector", Some(&models.person_detector)),
        ("models.crowd_density", models.crowd_density.as_ref()),
    ];
    let used = at_gates.iter().filter(|_| !site.gates.is_empty());
    let used = used.chain(of_crowds.iter().filter(|_| !site.crowds.is_empty()));
    let mut problems: Vec<String> = used
        .filter_map(|(key, name)| name.map(|name| (key, name)))
        .filter(|(_, name)| catalogue.get(name).is_none())
        .map(|(key, name)| {
            let known = catalogue.iter().map(|known| known.name.as_str()).collect::<Vec<_>>().join(", ");
            site.source_map.error_at(key, format!("there is no model `{name}` (there are {known})"), None).to_string()
        })
        .collect();
    let Some(embedder) = catalogue.get(&models.face_embedder) else { return problems };
    for (i, gate) in site.gates.iter().enumerate() {
        if let Some(target) = &gate.match_target
            && let Err(e) = gatehouse_service::threshold_for_target(site, gate, target, embedder)
        {
            problems
                .push(site.source_map.error_at(&format!("gate[{i}].match_target"), e.to_string(), None).to_string());
        }
    }
    problems
}
