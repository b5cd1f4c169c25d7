//! Gate cameras. Faces: capture → detection → gate → recognition → decision → publisher. Codes:
//! capture → code reading → decision → publisher.

mod codes;
mod detection;
mod face_finder;
mod gallery;
mod models;
mod pipeline;
mod recognition;
mod settings;
mod sink;
mod sub_stream_monitor;

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use gatehouse_batching::Batcher;
use gatehouse_capture::{StreamOptions, Wanted};
use gatehouse_config::{self as config, Site};
use gatehouse_core::key::SiteKey;
use gatehouse_core::rate::RateLimit;
use gatehouse_core::time::Clock;
use gatehouse_core::{CameraId, FateCounters};
use gatehouse_credential::{CardKey, ModelTag, Purpose, SiteSecret, SiteSigner};
use gatehouse_faces::{LivenessModel, TemplateProtection};
use gatehouse_runtime::Manifest;
use gatehouse_store::{Actor, Store};
use parking_lot::Mutex;

pub(crate) use models::GateModels;
pub use settings::{calibration, match_rule, threshold_for_target};

use crate::NodeError;
use crate::publish::Outbound;
use crate::report::{HealthBoard, PictureMonitor, RoleMeter};
use crate::stream::{CameraFates, Stream, stream};
use crate::threads::Threads;
use crate::view::CameraRole;
use crate::wall_clock::WallClock;
use crate::workers::batcher;
use codes::{CodeJob, CodeWorker, READS_PER_SECOND};
use detection::{DetectJob, DetectionWorker};
use face_finder::FaceFinder;
use gallery::{Galleries, TemplateModel};
use pipeline::GatePipeline;
use recognition::{EmbedJob, RecognitionWorker};
use sink::GateSink;
use sub_stream_monitor::SubStreamMonitor;

/// What gates need of the rest of the node.
pub(crate) struct Deps<'a> {
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) wall_clock: &'a Arc<WallClock>,
    pub(crate) store: &'a Arc<Store>,
    pub(crate) secret: &'a SiteSecret,
    pub(crate) key: &'a SiteKey,
    pub(crate) outbound: &'a Outbound,
    pub(crate) health: &'a Arc<HealthBoard>,
    pub(crate) meter: &'a Arc<RoleMeter>,
}

/// The gates of a running node.
pub(crate) struct Gates {
    pub(crate) streams: Vec<Stream>,
    /// Each gate's record of frames.
    pub(crate) fates: Vec<CameraFates>,
    detection: Batcher<DetectJob>,
    embedding: Batcher<EmbedJob>,
    codes: Batcher<CodeJob>,
    workers: Threads,
    /// Dropped to end the thread that follows the store.
    stop_gallery: Sender<()>,
}

impl Gates {
    /// Lets the workers end, and returns them to be joined.
    pub(crate) fn close(self) -> Threads {
        self.detection.close();
        self.embedding.close();
        self.codes.close();
        drop(self.stop_gallery);
        self.workers
    }
}

/// Builds a site's gates and starts their workers. Does not start their streams.
///
/// # Errors
/// If a gate's rules are incomplete, the store can't be read, or a model can't be run.
pub(crate) fn build(site: &Site, models: GateModels, deps: &Deps<'_>) -> Result<Gates, NodeError> {
    let GateModels { detectors, detection_batch, recognition, embedding_batch } = models;
    let (stop_gallery, stopped) = bounded(0);
    let mut gates = Gates {
        streams: Vec::new(),
        fates: Vec::new(),
        detection: batcher(site, detection_batch, deps.clock),
        embedding: batcher(site, embedding_batch, deps.clock),
        codes: batcher(site, 1, deps.clock),
        workers: Threads::new(),
        stop_gallery,
    };
    let Some(first) = recognition.first() else { return Ok(gates) };

    let (embedder, liveness) = (first.embedder.manifest(), first.liveness.as_ref());
    let model = TemplateModel { name: embedder.name.clone(), version: embedder.version.clone() };
    let model_tag = ModelTag::of(&model.name, &model.version);
    let mut galleries = Galleries::new(Arc::clone(deps.store), model, deps.clock, deps.wall_clock);
    for gate in &site.gates {
        gates.add_gate(site, gate, embedder, liveness, &mut galleries, deps)?;
    }
    let loaded = galleries.load()?;
    gates.workers.spawn("gallery", move || galleries.watch(loaded, &stopped))?;

    for detector in detectors {
        let finder = FaceFinder::new(detector)?;
        let detection = DetectionWorker { finder, clock: Arc::clone(deps.clock), meter: Arc::clone(deps.meter) };
        let worker = gates.detection.worker();
        gates.workers.spawn("face-detect", move || detection.run(worker))?;
    }
    let protection = Arc::new(TemplateProtection::new(&deps.secret.derive(Purpose::TemplateProtection)));
    for models in recognition {
        let (protection, clock) = (Arc::clone(&protection), Arc::clone(deps.clock));
        let (recognition, worker) = (RecognitionWorker { models, protection, clock }, gates.embedding.worker());
        gates.workers.spawn("face-embed", move || recognition.run(worker))?;
    }
    let codes = CodeWorker {
        site: deps.key.to_string(),
        verifier: SiteSigner::new(deps.secret).verifier(),
        card_key: CardKey::new(deps.secret),
        model: model_tag,
        store: Arc::clone(deps.store),
        clock: Arc::clone(deps.clock),
    };
    let worker = gates.codes.worker();
    gates.workers.spawn("code-read", move || codes.run(worker))?;
    Ok(gates)
}

impl Gates {
    fn add_gate(
        &mut self,
        site: &Site,
        gate: &config::GateCamera,
        embedder: &Manifest,
        liveness: Option<&LivenessModel>,
        galleries: &mut Galleries,
        deps: &Deps<'_>,
    ) -> Result<(), NodeError> {
        let id = gate.id.clone();
        let rule = match_rule(site, gate, embedder)?;
        let policy = settings::policy(gate, &rule, liveness)?;
        let audited = settings::audited_rules(gate, &rule, &policy);
        if deps.store.note_gate_rules(&id, &audited, &Actor::gatehouse(), deps.clock.wall())? {
            tracing::info!(camera = %id, "the gate has new rules; they are recorded in the audit log: {audited}");
        }
        let fates = Arc::new(FateCounters::default());
        let (gallery, embedding) = (galleries.with_rule(rule), &self.embedding);
        let pipeline = GatePipeline::new(gate, policy, gallery, embedding, deps.outbound, Arc::clone(&fates));
        let main = stream(&id, &gate.common)?;
        let sub_stream = gate.sub_source.as_ref().map(|source| {
            let monitor = SubStreamMonitor::new(&id, deps.health);
            // No camera of a site can have this name.
            let camera = CameraId::new(&format!("{id}/sub"));
            let options = StreamOptions { camera, source: source.clone(), ..main.clone() };
            let (frames, status) = (monitor.clone(), monitor.clone());
            self.streams.push(Stream { options, frames, status, fates: Arc::default() });
            monitor
        });
        let sink = GateSink {
            pipeline,
            detection: self.detection.lane(),
            codes: self.codes.lane(),
            code_rate: Mutex::new(RateLimit::new(READS_PER_SECOND)),
            pictures: PictureMonitor::new(&id, deps.health),
            motion_gate: gate.skip_unchanged.then(Mutex::default),
            sub_stream,
            clock: Arc::clone(deps.clock),
        };
        let wanted = Wanted::AsDemanded(Duration::from_secs_f64(1.0 / gate.analyse_fps));
        let options = StreamOptions { wanted, ..main };
        let (frames, status) = (Arc::new(sink), deps.health.clone());
        self.streams.push(Stream { options, frames, status, fates: Arc::clone(&fates) });
        self.fates.push(CameraFates { camera: id, role: CameraRole::Gate, fates });
        Ok(())
    }
}
