//! The models of a node, and how many of each: one for every worker.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread::{self, available_parallelism};

use gatehouse_config::{self as config, Site};
use gatehouse_models::{FaceDetector, FaceEmbedder, LivenessModel, ModelError, PeopleReader, Registry, SessionOptions};

use crate::NodeError;
use crate::threads::stand_back;

/// The models that a site's cameras need, loaded and warm.
pub(crate) struct Models {
    /// For gates, where there are any.
    pub(crate) face: Option<FaceModels>,
    /// For crowd cameras; one for each worker.
    pub(crate) people: Vec<PeopleReader>,
}

/// What gates need, each for one worker.
pub(crate) struct FaceModels {
    pub(crate) detectors: Vec<FaceDetector>,
    pub(crate) recognisers: Vec<FaceRecognition>,
}

/// What a recognising worker needs.
pub(crate) struct FaceRecognition {
    pub(crate) embedder: FaceEmbedder,
    /// None where no gate asks for liveness.
    pub(crate) liveness: Option<LivenessModel>,
}

impl Models {
    /// Loads what the site's cameras need, and nothing else: a site of crowd cameras loads no face model.
    pub(crate) fn load(site: &Site, registry: &Registry) -> Result<Self, NodeError> {
        let options = SessionOptions { intra_threads: site.models.threads };
        let people = || {
            // ONNX Runtime's own threads are as urgent as the one that opens the session.
            stand_back();
            let (detector, density) = (&site.models.person_detector, site.models.crowd_density.as_deref());
            let load = |_| PeopleReader::load(registry, detector, density, &options);
            (0..workers(site, site.crowds.len())).map(load).collect::<Result<_, ModelError>>()
        };
        thread::scope(|scope| {
            let people = scope.spawn(people);
            let face = FaceModels::load(site, registry, &options);
            let people = people.join().unwrap_or_else(|panic| resume_unwind(panic));
            Ok(Self { face: face?, people: people? })
        })
    }
}

impl FaceModels {
    fn load(site: &Site, registry: &Registry, options: &SessionOptions) -> Result<Option<Self>, ModelError> {
        let workers = workers(site, site.gates.len());
        if workers == 0 {
            return Ok(None);
        }
        let asks = site.gates.iter().any(|gate| gate.liveness != config::Liveness::Off);
        let detector = |_| FaceDetector::load(registry, &site.models.face_detector, options);
        let recognition = |_| {
            Ok(FaceRecognition {
                embedder: FaceEmbedder::load(registry, &site.models.face_embedder, options)?,
                liveness: asks.then(|| LivenessModel::load(registry, &site.models.liveness, options)).transpose()?,
            })
        };
        Ok(Some(Self {
            detectors: (0..workers).map(detector).collect::<Result<_, ModelError>>()?,
            recognisers: (0..workers).map(recognition).collect::<Result<_, ModelError>>()?,
        }))
    }
}

/// How many workers a model has. A camera's frames are never with two, so more than there are cameras would be idle.
fn workers(site: &Site, cameras: usize) -> usize {
    let processors = || available_parallelism().map_or(1, NonZero::get);
    let wanted = site.models.workers.unwrap_or_else(|| (processors() / site.models.threads).max(1));
    wanted.min(cameras)
}
