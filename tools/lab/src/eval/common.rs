//! Options and output that all evaluations share.

use std::path::{Path, PathBuf};

use clap::Args;
use gatehouse_eval::{EvalError, ModelChoice, Progress};
use gatehouse_runtime::{Assets, Catalogue, Registry};
use gatehouse_terminal::{Exit, Failure, print, progress_bar};
use indicatif::ProgressStyle;
use serde::Serialize;

#[derive(Debug, Args)]
pub(super) struct CommonArgs {
    /// Name of the data set in reports; the default is the folder's name
    #[arg(long, value_name = "NAME")]
    pub(super) dataset: Option<String>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
    /// Write a report with plots as one self-contained file
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Write the main plot as a picture: the DET curve, or counted over marked numbers
    #[arg(long, value_name = "FILE")]
    pub(super) png: Option<PathBuf>,
    /// A folder with more manifests; may be given several times
    #[arg(long, value_name = "FOLDER")]
    manifests: Vec<PathBuf>,
    /// Number of threads; the default is one per processor
    #[arg(long, value_name = "N")]
    threads: Option<std::num::NonZero<usize>>,
}

impl CommonArgs {
    pub(super) fn dataset(&self, dir: &Path) -> String {
        let of_folder = || {
            let whole = dir.canonicalize().ok();
            whole.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned())
        };
        self.dataset.clone().or_else(of_folder).unwrap_or_else(|| "unnamed".to_owned())
    }

    pub(super) fn threads(&self) -> usize {
        self.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, usize::from)
    }

    /// The models; the caller adds those that it needs.
    pub(super) fn models(&self, detector: &str, as_video: bool) -> ModelChoice {
        let (threads, none) = (self.threads(), String::new);
        ModelChoice { detector: detector.to_owned(), embedder: none(), liveness: none(), threads, as_video }
    }

    pub(super) fn registry(&self) -> Result<Registry, Failure> {
        let assets = Assets::locate().map_err(Failure::setup)?;
        let catalogue = Catalogue::with_folders(&self.manifests).map_err(Failure::input)?;
        Registry::open(assets, catalogue).map_err(Failure::setup)
    }

    pub(super) fn with_progress<R>(
        &self,
        evaluate: impl FnOnce(Progress<'_>) -> Result<R, EvalError>,
    ) -> Result<R, Failure> {
        let bar = progress_bar(0, "pictures");
        let result = evaluate(&|done, all| {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
            if done == all {
                bar.set_style(ProgressStyle::default_spinner());
                bar.set_message("comparing");
            }
        });
        bar.finish_and_clear();
        result.map_err(|error| Failure::new(exit_code(&error), error))
    }

    pub(super) fn print<R: Serialize>(&self, report: &R, lines: impl FnOnce(&R) -> Vec<String>) -> Result<(), Failure> {
        let printed = if self.json { vec![serde_json::to_string(report)?] } else { lines(report) };
        for line in printed {
            print::line(&line)?;
        }
        Ok(())
    }

    pub(super) fn write(&self, html: &str, png: Result<Option<Vec<u8>>, EvalError>) -> Result<(), Failure> {
        if let Some(path) = &self.html {
            write(path, html.as_bytes())?;
        }
        if let Some(path) = &self.png {
            match png? {
                Some(png) => write(path, &png)?,
                None => tracing::warn!("{}: not written: without errors there is no curve", path.display()),
            }
        }
        Ok(())
    }
}

fn exit_code(error: &EvalError) -> Exit {
    match error {
        EvalError::Model(_) | EvalError::Face(_) => Exit::Setup,
        EvalError::Plot(_) => Exit::Failed,
        EvalError::DataSet(_) | EvalError::Video(_) | EvalError::NoThreshold(_) => Exit::Input,
    }
}

pub(super) fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, content)
        .map_err(|e| Failure::message(Exit::Failed, format!("{}: can't be written: {e}", path.display())))
}

pub(super) fn percent(rate: Option<f64>) -> String {
    rate.map_or_else(|| "unknown".to_owned(), |rate| format!("{:.3} %", 100.0 * rate))
}
