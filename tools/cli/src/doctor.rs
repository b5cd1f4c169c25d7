//! `gatehouse doctor`: is everything there, in which version, and what runs the models?

use clap::Args;
use gatehouse_runtime::{Assets, Build, Catalogue, ModelError, OnnxRuntime, Registry, RuntimeError, verify};

use crate::exit::{Exit, Failure};
use crate::print;

/// Say whether everything that `gatehouse` needs is there
///
/// Looks at GStreamer and its elements, ONNX Runtime, and every model. Exits with 4 if anything is missing, and says which
/// command mends it.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {}

/// Collects the lines and whether all is well.
#[derive(Default)]
struct Report {
    wrong: usize,
}

impl Report {
    fn good(&mut self, what: &str, detail: &str) -> Result<(), Failure> {
        print::line(&format!("  ok       {what:<16} {detail}"))?;
        Ok(())
    }

    fn bad(&mut self, what: &str, detail: &str) -> Result<(), Failure> {
        self.wrong += 1;
        print::line(&format!("  MISSING  {what:<16} {detail}"))?;
        Ok(())
    }
}

pub(crate) fn doctor(_: &DoctorArgs) -> Result<(), Failure> {
    print::line(&format!("gatehouse {}", env!("CARGO_PKG_VERSION")))?;
    let mut report = Report::default();

    match gatehouse_capture::init() {
        Ok(()) => {
            report.good("GStreamer", &gatehouse_capture::gstreamer_version())?;
            for missing in gatehouse_capture::missing() {
                let detail = format!("{}: apt-get install {}", missing.purpose, missing.package);
                report.bad(missing.element, &detail)?;
            }
        }
        Err(e) => report.bad("GStreamer", &e.to_string())?,
    }

    match Assets::locate() {
        Ok(assets) => models(&mut report, assets)?,
        Err(e) => report.bad("assets", &e.to_string())?,
    }

    if report.wrong > 0 {
        return Err(Failure::say(Exit::Setup, format!("{} thing(s) are missing: run `make setup`", report.wrong)));
    }
    print::line("Everything is there.")?;
    Ok(())
}

fn models(report: &mut Report, assets: Assets) -> Result<(), Failure> {
    report.good("assets", &assets.root().display().to_string())?;
    let catalogue = Catalogue::builtin().map_err(|e| Failure::new(Exit::Setup, e))?;
    match Registry::open(assets.clone(), catalogue.clone()) {
        Ok(registry) => {
            let runtime = registry.runtime();
            let detail =
                format!("{} (pinned: {}), {}", runtime.version(), Build::Cpu.version(), runtime.path().display());
            report.good("ONNX Runtime", &detail)?;
            report.good("providers", &runtime.providers().join(", "))?;
        }
        Err(e) => report.bad("ONNX Runtime", &e.to_string())?,
    }
    for (name, build) in [("with OpenVINO", Build::OpenVino), ("with CUDA", Build::Cuda)] {
        let path = assets.onnxruntime(build);
        match OnnxRuntime::check(&path, build) {
            Ok(version) => report.good(name, &format!("{version}, {}", path.display()))?,
            // Whoever doesn't use it misses nothing.
            Err(RuntimeError::Missing { .. }) => {}
            Err(e) => report.bad(name, &e.to_string())?,
        }
    }
    for manifest in catalogue.iter() {
        match verify(&catalogue, &assets, &manifest.name) {
            Ok(_) => {
                report.good(&manifest.name, &format!("{}, the file is the one of its manifest", manifest.version))?
            }
            // Whoever doesn't use it misses nothing.
            Err(ModelError::Missing { opt_in: true, .. }) => {}
            Err(e) => report.bad(&manifest.name, &e.to_string())?,
        }
    }
    Ok(())
}
