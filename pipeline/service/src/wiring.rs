//! From a site's configuration to cameras, lanes and workers: what is plugged into what.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatehouse_batching::{BatchPolicy, Batcher};
use gatehouse_capture::{StreamOptions, Wanted};
use gatehouse_config::{self as config, Site};
use gatehouse_core::health::StatusSink;
use gatehouse_core::key::SiteKey;
use gatehouse_core::time::Clock;
use gatehouse_core::zone::Zone;
use gatehouse_core::{CameraId, FateCounters, FrameSink, ThreadPriority};
use gatehouse_credential::{CardKey, ModelTag, Purpose, SiteSecret, SiteSigner};
use gatehouse_crowd::preview::Preview;
use gatehouse_crowd::tiling::Tiling;
use gatehouse_crowd::{Crowd, CrowdModel, CrowdReader};
use gatehouse_faces::TemplateProtection;
use gatehouse_picture::Point;
use gatehouse_store::{Actor, Store};

use crate::NodeError;
use crate::codes::{CodeIntake, CodeReader};
use crate::crowd_rules;
use crate::crowds::{CrowdLine, CrowdSink, LineOptions, PeopleCounter};
use crate::face_finder::FaceFinder;
use crate::gallery_watch::{Galleries, Loaded, TemplateModel};
use crate::gate_rules;
use crate::gates::{self, GateLine, GateSink, Recogniser};
use crate::health::HealthBoard;
use crate::load::LoadBoard;
use crate::models::{FaceModels, FaceRecognition, Models};
use crate::picture_monitor::PictureMonitor;
use crate::publisher::Outbound;
use crate::sub_stream::SubStreamMonitor;
use crate::threads::{Threads, apply_priority};
use crate::view::{CameraRole, CameraView, LineView, NodeView, SiteView, ZoneView};
use crate::views::Views;

/// The record of a camera's frames.
pub(crate) struct CameraFates {
    pub(crate) camera: CameraId,
    pub(crate) role: CameraRole,
    pub(crate) fates: Arc<FateCounters>,
}

/// One stream of a camera, before it is started.
pub(crate) struct Stream {
    pub(crate) options: StreamOptions,
    pub(crate) frames: Arc<dyn FrameSink>,
    /// The receiver of its state.
    pub(crate) status: Arc<dyn StatusSink>,
    pub(crate) fates: Arc<FateCounters>,
}

/// What the wiring has made, before any camera is started.
pub(crate) struct Wiring {
    pub(crate) streams: Vec<Stream>,
    /// Each camera's record of frames.
    pub(crate) fates: Vec<CameraFates>,
    /// Closes the batchers, so that the workers end.
    pub(crate) close_batchers: Vec<Box<dyn FnOnce() + Send>>,
    /// The galleries to keep equal to the store, and the state that they were read from.
    pub(crate) galleries: Option<(Galleries, Loaded)>,
}

/// What every line is plugged into.
pub(crate) struct Ends<'a> {
    pub(crate) site: &'a Site,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) health: &'a Arc<HealthBoard>,
    pub(crate) load: &'a Arc<LoadBoard>,
    pub(crate) outbound: &'a Outbound,
    pub(crate) view: &'a Arc<NodeView>,
    pub(crate) store: &'a Arc<Store>,
    pub(crate) secret: &'a SiteSecret,
    pub(crate) key: &'a SiteKey,
}

impl Wiring {
    /// Makes a line for each camera and starts the workers that the lines lead to.
    pub(crate) fn new(models: Models, ends: &Ends<'_>, workers: &mut Threads) -> Result<Self, NodeError> {
        let mut wiring = Self { streams: Vec::new(), fates: Vec::new(), close_batchers: Vec::new(), galleries: None };
        if let Some(models) = models.face {
            wiring.gates(models, ends, workers)?;
        }
        wiring.crowds(models.people, models.people_batch, ends, workers)?;
        Ok(wiring)
    }

    fn batcher<T: Send + 'static>(&mut self, max_batch: usize, ends: &Ends<'_>) -> Batcher<T> {
        let policy = BatchPolicy { max_batch, max_wait: ends.site.models.max_wait };
        let batcher = Batcher::new(policy, Arc::clone(ends.clock));
        let closing = batcher.clone();
        self.close_batchers.push(Box::new(move || closing.close()));
        batcher
    }

    fn gates(&mut self, models: FaceModels, ends: &Ends<'_>, workers: &mut Threads) -> Result<(), NodeError> {
        let FaceModels { detectors, recognisers, detection_batch, embedding_batch } = models;
        let Some(FaceRecognition { embedder, liveness }) = recognisers.first() else { return Ok(()) };
        let (detection, embedding) = (self.batcher(detection_batch, ends), self.batcher(embedding_batch, ends));
        let codes = self.batcher(1, ends);
        let manifest = embedder.manifest();
        let model = TemplateModel { name: manifest.name.clone(), version: manifest.version.clone() };
        let model_tag = ModelTag::of(&model.name, &model.version);
        let (store, clock) = (Arc::clone(ends.store), Arc::clone(ends.clock));
        let mut galleries = Galleries { store, model, clock, galleries: Vec::new() };
        for gate in &ends.site.gates {
            let id = gate.id.clone();
            let rule = gate_rules::match_rule(ends.site, gate, manifest)?;
            let options = gate_rules::options(gate, &rule, liveness.as_ref())?;
            let noted = gate_rules::in_force(&rule, &options);
            if ends.store.note_gate_rules(&id, &noted, &Actor::gatehouse(), ends.clock.wall())? {
                tracing::info!(camera = %id, "these rules are new here, and noted in the audit log: {noted}");
            }
            let fates = Arc::new(FateCounters::default());
            let gallery = galleries.with_rule(rule);
            let line = GateLine::new(options, gallery, &embedding, ends.outbound, Arc::clone(&fates));
            let lane = detection.lane();
            let stream = stream(&id, &gate.stream)?;
            let sub_stream = gate.sub_source.as_ref().map(|source| {
                let monitor = SubStreamMonitor::new(&id, ends.health);
                // A name that no camera of a site can have.
                let camera = CameraId::new(&format!("{id}/sub"));
                let options = StreamOptions { camera, source: source.clone(), ..stream.clone() };
                let (frames, status) = (monitor.clone(), monitor.clone());
                self.streams.push(Stream { options, frames, status, fates: Arc::default() });
                monitor
            });
            let sink = GateSink {
                line,
                lane,
                codes: codes.lane(),
                code_intake: CodeIntake::default(),
                pictures: PictureMonitor::new(&id, ends.health),
                motion_gate: gate.skip_unchanged.then(Mutex::default),
                sub_stream,
                clock: Arc::clone(ends.clock),
            };
            let wanted = Wanted::AsDemanded(Duration::from_secs_f64(1.0 / gate.analyse_fps));
            let options = StreamOptions { wanted, ..stream };
            let (frames, status) = (Arc::new(sink), ends.health.clone());
            self.streams.push(Stream { options, frames, status, fates: Arc::clone(&fates) });
            self.fates.push(CameraFates { camera: id, role: CameraRole::Gate, fates });
        }
        let loaded = galleries.load()?;
        self.galleries = Some((galleries, loaded));
        for detector in detectors {
            let (worker, clock, meter) = (detection.worker(), Arc::clone(ends.clock), Arc::clone(&ends.load.gates));
            let finder = FaceFinder::new(detector)?;
            workers.spawn("face-detect", move || gates::detect(finder, worker, clock.as_ref(), &meter))?;
        }
        let protection = Arc::new(TemplateProtection::new(&ends.secret.derive(Purpose::TemplateProtection)));
        for models in recognisers {
            let (protection, clock) = (Arc::clone(&protection), Arc::clone(ends.clock));
            let (recogniser, worker) = (Recogniser { models, protection, clock }, embedding.worker());
            workers.spawn("face-embed", move || recogniser.run(worker))?;
        }
        let reader = CodeReader {
            site: ends.key.to_string(),
            verifier: SiteSigner::new(ends.secret).verifier(),
            card_key: CardKey::new(ends.secret),
            model: model_tag,
            store: Arc::clone(ends.store),
            clock: Arc::clone(ends.clock),
        };
        let worker = codes.worker();
        workers.spawn("code-read", move || reader.run(worker))
    }

    fn crowds(
        &mut self,
        readers: Vec<CrowdReader>,
        batch: usize,
        ends: &Ends<'_>,
        workers: &mut Threads,
    ) -> Result<(), NodeError> {
        let Some(reader) = readers.first() else { return Ok(()) };
        let batcher = self.batcher(batch, ends);
        let model = CrowdModel::of(reader);
        let views = Views::beside(&ends.site.store.path);
        for camera in &ends.site.crowds {
            let id = camera.id.clone();
            let density_px = crowd_rules::density_px(camera, reader);
            if camera.detail_px.is_none() {
                tracing::info!(camera = %id, "people are looked for at {} pixels, by its `ground`", crowd_rules::detail_px(camera));
            }
            let options = crowd_rules::options(&id, camera)?;
            let tiling = Tiling::new(camera.tiles, options.detail_px, options.ground);
            let detail_px = options.detail_px;
            let mut crowd = Crowd::new(id.clone(), model.clone(), options);
            if let Some(empty) = views.read_empty(&id, &crowd_rules::looking(camera, &model.name, density_px)) {
                crowd.know_empty_scene(empty);
            }
            let line = LineOptions {
                detail_px,
                density_px,
                preview: camera.preview.then(Preview::new),
                tiling,
                skip_unchanged: camera.skip_unchanged,
                reference: views.read(&id),
            };
            let fates = Arc::new(FateCounters::default());
            let line = CrowdLine::new(id.clone(), crowd, line, Arc::clone(&fates));
            let lane = batcher.lane();
            let sink = CrowdSink {
                line,
                lane,
                pictures: PictureMonitor::new(&id, ends.health),
                outbound: ends.outbound.clone(),
                view: Arc::clone(ends.view),
            };
            let wanted = Wanted::OneIn(Duration::from_secs_f64(1.0 / camera.analyse_fps));
            let thread_priority = crowd_rules::stream_priority(ends.site);
            let options = StreamOptions { wanted, thread_priority, ..stream(&id, &camera.stream)? };
            let (frames, status) = (Arc::new(sink), ends.health.clone());
            self.streams.push(Stream { options, frames, status, fates: Arc::clone(&fates) });
            self.fates.push(CameraFates { camera: id, role: CameraRole::Crowd, fates });
        }
        let priority = crowd_rules::model_priority(ends.site);
        for reader in readers {
            let worker = batcher.worker();
            let counter = PeopleCounter {
                reader,
                clock: Arc::clone(ends.clock),
                outbound: ends.outbound.clone(),
                view: Arc::clone(ends.view),
                views: views.clone(),
                meter: Arc::clone(&ends.load.crowds),
            };
            workers.spawn("people-count", move || {
                apply_priority(priority);
                counter.run(worker);
            })?;
        }
        Ok(())
    }
}

/// How to connect to a camera's stream, with its login.
///
/// # Errors
/// If the login can't be read.
pub fn stream(camera: &CameraId, settings: &config::StreamSettings) -> Result<StreamOptions, NodeError> {
    let secret = |source| NodeError::Secret { what: format!("the login of camera {camera}"), source };
    Ok(StreamOptions {
        camera: camera.clone(),
        source: settings.source.clone(),
        login: settings.login.as_ref().map(|login| login.resolve_login()).transpose().map_err(secret)?,
        transport: settings.transport,
        latency: settings.latency,
        wanted: Wanted::All,
        thread_priority: ThreadPriority::Normal,
        decoders: settings.decoders.clone(),
        privacy: settings.privacy.clone(),
    })
}

/// What the console and the status answer need to know of a site.
pub(crate) fn view_of(site: &Site) -> NodeView {
    let gate = |gate: &config::GateCamera| CameraView {
        id: gate.id.clone(),
        role: CameraRole::Gate,
        name: None,
        zones: Vec::new(),
        lines: Vec::new(),
        preview: false,
    };
    let crowd = |camera: &config::CrowdCamera| CameraView {
        id: camera.id.clone(),
        role: CameraRole::Crowd,
        name: None,
        zones: camera.zones.iter().map(zone_view).collect(),
        lines: camera.lines.iter().map(line_view).collect(),
        preview: camera.preview,
    };
    let cameras = site.gates.iter().map(gate).chain(site.crowds.iter().map(crowd)).collect();
    let site = SiteView {
        area: site.site.area.clone(),
        site: site.site.id.clone(),
        node: site.site.node.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
    };
    NodeView::new(site, cameras)
}

fn zone_view(zone: &Zone) -> ZoneView {
    ZoneView {
        id: zone.id.clone(),
        name: None,
        polygon: zone.polygon.corners().iter().map(|p| [p.x, p.y]).collect(),
        has_levels: zone.thresholds.is_some(),
    }
}

fn line_view(line: &config::Line) -> LineView {
    let at = |point: Point| [point.x, point.y];
    LineView { id: line.id.clone(), from: at(line.from), to: at(line.to), inside: at(line.inside) }
}
