//! `gatehouse doctor`: checks that libraries and models are installed, and prints versions.

use gatehouse_runtime::{Assets, Build, Catalogue, ModelError, OnnxRuntime, Registry, RuntimeError, verify};
use gatehouse_terminal::{Exit, Failure, print};

/// Prints the lines and counts the problems.
#[derive(Default)]
struct Report {
    problems: usize,
}

impl Report {
    fn ok(&mut self, what: &str, detail: &str) -> Result<(), Failure> {
        print::line(&format!("  ok       {what:<16} {detail}"))
    }

    fn missing(&mut self, what: &str, detail: &str) -> Result<(), Failure> {
        self.problems += 1;
        print::line(&format!("  MISSING  {what:<16} {detail}"))
    }
}

pub(crate) fn doctor() -> Result<(), Failure> {
    print::line(&format!("gatehouse {}", env!("CARGO_PKG_VERSION")))?;
    let mut report = Report::default();

    match gatehouse_capture::init() {
        Ok(()) => {
            report.ok("GStreamer", &gatehouse_capture::gstreamer_version())?;
            for missing in gatehouse_capture::missing() {
                let detail = format!("{}: apt-get install {}", missing.purpose, missing.package);
                report.missing(missing.element, &detail)?;
            }
        }
        Err(e) => report.missing("GStreamer", &e.to_string())?,
    }

    match Assets::locate() {
        Ok(assets) => models(&mut report, assets)?,
        Err(e) => report.missing("assets", &e.to_string())?,
    }

    if report.problems > 0 {
        return Err(Failure::message(
            Exit::Setup,
            format!("{} item(s) are missing or altered: run `make setup`", report.problems),
        ));
    }
    print::line("Everything is installed.")
}

fn models(report: &mut Report, assets: Assets) -> Result<(), Failure> {
    report.ok("assets", &assets.root().display().to_string())?;
    let catalogue = Catalogue::builtin().map_err(Failure::setup)?;
    match Registry::open(assets.clone(), catalogue.clone()) {
        Ok(registry) => {
            let runtime = registry.runtime();
            let detail =
                format!("{} (pinned: {}), {}", runtime.version(), Build::Cpu.version(), runtime.path().display());
            report.ok("ONNX Runtime", &detail)?;
            report.ok("providers", &runtime.providers().join(", "))?;
        }
        Err(e) => report.missing("ONNX Runtime", &e.to_string())?,
    }
    for (name, build) in [("with OpenVINO", Build::OpenVino), ("with CUDA", Build::Cuda)] {
        let path = assets.onnxruntime(build);
        match OnnxRuntime::check(&path, build) {
            Ok(version) => report.ok(name, &format!("{version}, {}", path.display()))?,
            // Optional.
            Err(RuntimeError::Missing { .. }) => {}
            Err(e) => report.missing(name, &e.to_string())?,
        }
    }
    for manifest in catalogue.iter() {
        match verify(&catalogue, &assets, &manifest.name) {
            Ok(_) => report.ok(&manifest.name, &format!("{}, the file matches its manifest", manifest.version))?,
            // Optional.
            Err(ModelError::Missing { opt_in: true, .. }) => {}
            Err(e) => report.missing(&manifest.name, &e.to_string())?,
        }
    }
    Ok(())
}
