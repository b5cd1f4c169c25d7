//! The models that gates need.

use gatehouse_config::Site;
use gatehouse_core::liveness::LivenessPolicy;
use gatehouse_core::time::Clock;
use gatehouse_faces::{FaceDetector, FaceEmbedder, LivenessModel};
use gatehouse_runtime::{ModelError, Registry, SessionOptions};

use crate::model_load::ModelLoad;
use crate::workers::{MAX_BATCH, batch_size, best_time, load_copies};

pub(crate) struct GateModels {
    /// One for each worker; never empty.
    pub(super) detectors: Vec<FaceDetector>,
    /// Frames in a batch of a detector.
    pub(super) detection_batch: usize,
    /// One for each worker; never empty.
    pub(super) recognition: Vec<RecognitionModels>,
    /// Faces in a batch of an embedder.
    pub(super) embedding_batch: usize,
}

pub(super) struct RecognitionModels {
    pub(super) embedder: FaceEmbedder,
    /// `None` if no gate checks liveness.
    pub(super) liveness: Option<LivenessModel>,
}

impl GateModels {
    /// Loads the models; `None` for a site without gates.
    ///
    /// # Errors
    /// If a model is missing or wrong.
    pub(crate) fn load(site: &Site, registry: &Registry, options: &SessionOptions) -> Result<Option<Self>, ModelError> {
        if site.gates.is_empty() {
            return Ok(None);
        }
        let models = &site.models;
        let checks_liveness = site.gates.iter().any(|gate| gate.liveness != LivenessPolicy::Off);
        let detector = || FaceDetector::load(registry, &models.face_detector, options);
        let recognition = || {
            let liveness = || LivenessModel::load(registry, &models.liveness, options);
            Ok(RecognitionModels {
                embedder: FaceEmbedder::load(registry, &models.face_embedder, options)?,
                liveness: checks_liveness.then(liveness).transpose()?,
            })
        };
        let detectors = load_copies(site, site.gates.len(), detector, FaceDetector::provider)?;
        let recognition = load_copies(site, site.gates.len(), recognition, |models| models.embedder.provider())?;
        Ok(Some(Self { detectors, detection_batch: 1, recognition, embedding_batch: 1 }))
    }

    /// Chooses the batch sizes, and adds the processor time that detection needs to `load`.
    ///
    /// # Errors
    /// If a model can't be run.
    pub(crate) fn benchmark(&mut self, site: &Site, clock: &dyn Clock, load: &mut ModelLoad) -> Result<(), ModelError> {
        let Self { detectors, detection_batch, recognition, embedding_batch } = self;
        let ([detector, ..], [RecognitionModels { embedder, .. }, ..]) = (&mut **detectors, &mut **recognition) else {
            return Ok(());
        };
        let provider = detector.provider();
        let names = &site.models;
        *detection_batch =
            batch_size(site, clock, site.gates.len(), &names.face_detector, provider, |n| detector.benchmark(n, None))?;
        *embedding_batch =
            batch_size(site, clock, MAX_BATCH, &names.face_embedder, embedder.provider(), |n| embedder.benchmark(n))?;
        let each = best_time(clock, || detector.benchmark(1, None))?;
        load.add(site.gates.iter().map(|gate| (gate.id.as_str(), gate.analyse_fps)), each, provider);
        Ok(())
    }
}
