//! The models of a node: loaded, warm, and with the batch sizes that suit this machine.

use std::panic::resume_unwind;
use std::path::PathBuf;
use std::thread;

use gatehouse_config::Site;
use gatehouse_core::time::Clock;
use gatehouse_faces::calibration::Calibration;
use gatehouse_people::Counting;
use gatehouse_runtime::{Catalogue, ManifestError, ModelError, Registry, SessionOptions};

use crate::NodeError;
use crate::crowd::{CrowdModels, model_priority};
use crate::gate::GateModels;
use crate::model_load::ModelLoad;
use crate::threads::apply_priority;

/// The models that a site's cameras need.
pub(crate) struct Models {
    /// `None` for a site without gates.
    pub(crate) gates: Option<GateModels>,
    /// `None` for a site without crowd cameras.
    pub(crate) crowds: Option<CrowdModels>,
}

/// Loads the built-in manifests and those of these folders, and checks the tables that faces and
/// people read.
///
/// # Errors
/// If a folder or a manifest can't be read, or a manifest is wrong.
pub fn load_catalogue(folders: &[PathBuf]) -> Result<Catalogue, ManifestError> {
    let catalogue = Catalogue::with_folders(folders)?;
    for manifest in catalogue.iter() {
        Calibration::of(manifest)?;
        Counting::of(manifest)?;
    }
    Ok(catalogue)
}

impl Models {
    /// Loads what the site's cameras need, and nothing else: a site of crowd cameras loads no face
    /// model. Then benchmarks one model after the other, and logs the load that they cause.
    ///
    /// # Errors
    /// If a model is missing or wrong, or can't be run.
    pub(crate) fn load(site: &Site, registry: &Registry, clock: &dyn Clock) -> Result<Self, NodeError> {
        let options = SessionOptions { intra_threads: site.models.threads };
        let (mut gates, mut crowds) = thread::scope(|scope| {
            let crowds = scope.spawn(|| {
                // ONNX Runtime's threads inherit the priority of the thread that opens a session.
                apply_priority(model_priority(site));
                CrowdModels::load(site, registry, &options)
            });
            let gates = GateModels::load(site, registry, &options);
            let crowds = crowds.join().unwrap_or_else(|panic| resume_unwind(panic));
            Ok::<_, ModelError>((gates?, crowds?))
        })?;
        let mut load = ModelLoad::default();
        if let Some(gates) = &mut gates {
            gates.benchmark(site, clock, &mut load)?;
        }
        if let Some(crowds) = &mut crowds {
            crowds.benchmark(site, clock, &mut load)?;
        }
        load.log(site.models.threads);
        Ok(Self { gates, crowds })
    }
}
