//! A running node: started back to front, so that whatever is made has somewhere to go, and stopped front to back.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use gatehouse_bus::{Bus, BusOptions};
use gatehouse_capture::{Camera, Cameras};
use gatehouse_config::{self as config, Site};
use gatehouse_core::event::Direction;
use gatehouse_core::key::SiteKey;
use gatehouse_core::load::NodeLoad;
use gatehouse_core::provider::Provider;
use gatehouse_core::time::Clock;
use gatehouse_core::{CameraId, Event};
use gatehouse_credential::{SiteSecret, SiteSigner};
use gatehouse_runtime::{Assets, Registry};
use gatehouse_store::{Retention, Store};

use crate::NodeError;
use crate::crowd_rules;
use crate::health::{Counters, HealthBoard};
use crate::housekeeping::{Housekeeping, Present};
use crate::load::LoadBoard;
use crate::load_shedder::{Change, LoadShedder};
use crate::models::{Models, load_catalogue};
use crate::processors::Taken;
use crate::publisher::{self, Outbound, Publisher};
use crate::threads::Threads;
use crate::view::{CameraRole, NodeView};
use crate::wiring::{CameraFates, Ends, Stream, Wiring, view_of};

/// Between two reports of every camera's health and of the node's load.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// Share of a stop's deadline that the cameras may take; the rest is for draining what they left in the queues.
const CAMERAS_SHARE: f64 = 0.5;

/// The secret of a site.
///
/// # Errors
/// If it can't be had, or is none.
pub fn site_secret(site: &Site) -> Result<SiteSecret, NodeError> {
    let secret = |source| NodeError::Secret { what: "store.key".into(), source };
    Ok(SiteSecret::from_text(site.store.key.resolve().map_err(secret)?.expose())?)
}

/// Opens the store of a site, with its key. Makes the store's folder, for its owner alone, if it isn't there.
///
/// # Errors
/// If the key can't be had or doesn't fit, or the file can't be opened.
pub fn open_store(site: &Site) -> Result<Store, NodeError> {
    open_store_with(site, &site_secret(site)?)
}

fn open_store_with(site: &Site, secret: &SiteSecret) -> Result<Store, NodeError> {
    if let Some(folder) = site.store.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| NodeError::StoreFolder { folder: folder.to_owned(), source })?;
    }
    Ok(Store::open(&site.store.path, secret)?)
}

/// The gate, and how many enrolled faces its threshold is computed for, if it is.
fn target_of(gate: &config::GateCamera) -> Option<(CameraId, u64)> {
    Some((gate.id.clone(), gate.match_target.as_ref()?.enrolled))
}

/// The models that a site may use: the built-in manifests and those of the site's own folders. They are run by the first of the
/// providers that can.
///
/// # Errors
/// If a manifest can't be read, or ONNX Runtime can't be loaded.
pub fn open_registry(assets: Assets, manifests: &[PathBuf], providers: &[Provider]) -> Result<Registry, NodeError> {
    Ok(Registry::open_on(assets, load_catalogue(manifests)?, providers)?)
}

/// A running node.
pub struct Node {
    view: Arc<NodeView>,
    bus: Arc<Bus>,
    clock: Arc<dyn Clock>,
    cameras: Arc<Mutex<Cameras>>,
    outbound: Outbound,
    close_batchers: Vec<Box<dyn FnOnce() + Send>>,
    workers: Threads,
    publishers: Threads,
    /// Dropped to end the threads that wake by the clock: health reports and the gallery's watch.
    stop_tickers: Sender<()>,
    /// Dropped to end a publisher that waits for a store that can't be written.
    abandon: Sender<()>,
}

impl Node {
    /// Starts a node. When this returns, its models are warm, its bus is open and its cameras are connecting.
    ///
    /// # Errors
    /// If anything that it needs is missing or wrong.
    pub fn start(site: &Site, assets: Assets, clock: Arc<dyn Clock>) -> Result<Self, NodeError> {
        gatehouse_capture::init()?;
        let secret = site_secret(site)?;
        let store = Arc::new(open_store_with(site, &secret)?);
        let registry = open_registry(assets, &site.models.manifests, &site.models.providers)?;
        let models = Models::load(site, &registry, clock.as_ref())?;
        let view = Arc::new(view_of(site));
        let key = SiteKey::new(&site.site.area, &site.site.id);
        let bus = Arc::new(open_bus(site, &key, &store, &view)?);

        let present = Arc::new(Present::default());
        let (outbound, inbound) = publisher::channel(&clock);
        let (abandon, abandoned) = bounded(0);
        let mut publishers = Threads::new();
        let load = LoadBoard::new(&site.site.node, [!site.gates.is_empty(), !site.crowds.is_empty()], &clock);
        let publisher = Publisher {
            bus: Arc::clone(&bus),
            store: Arc::clone(&store),
            view: Arc::clone(&view),
            key: key.clone(),
            clock: Arc::clone(&clock),
            signer: SiteSigner::new(&secret),
            present: Arc::clone(&present),
            load: Arc::clone(&load),
            abandoned,
        };
        let gates = site.gates.iter().map(|gate| gate.id.clone()).collect();
        let crowds = site.crowds.iter().map(crowd_rules::summed).collect();
        publisher.start(inbound, gates, crowds, &mut publishers)?;

        let ids = site.gates.iter().map(|gate| &gate.id).chain(site.crowds.iter().map(|camera| &camera.id));
        let health = Arc::new(HealthBoard::new(ids.cloned(), Arc::clone(&clock), outbound.clone()));
        let mut workers = Threads::new();
        let ends = Ends {
            site,
            clock: &clock,
            health: &health,
            load: &load,
            outbound: &outbound,
            view: &view,
            store: &store,
            secret: &secret,
            key: &key,
        };
        let wiring = Wiring::new(models, &ends, &mut workers)?;

        let mut cameras = Cameras::default();
        for Stream { options, frames, status, fates } in wiring.streams {
            cameras.push(Camera::start(options, Arc::clone(&clock), frames, status, fates)?);
        }
        let cameras = Arc::new(Mutex::new(cameras));
        let (stop_tickers, stopped) = bounded(0);
        if let Some((galleries, loaded)) = wiring.galleries {
            let stopped = stopped.clone();
            workers.spawn("gallery", move || galleries.watch(loaded, &stopped))?;
        }
        let housekeeping = Housekeeping {
            store: open_store_with(site, &secret)?,
            clock: Arc::clone(&clock),
            retention: retention(site),
            people_limit: site.store.people_limit,
            targets: site.gates.iter().filter_map(target_of).collect(),
            present: site.gates.iter().any(|gate| gate.direction == Direction::Out).then_some(present),
        };
        let until_stopped = stopped.clone();
        workers.spawn("housekeeping", move || housekeeping.run(&until_stopped))?;
        let reports = Reports {
            health,
            load,
            cameras: Arc::clone(&cameras),
            fates: wiring.fates,
            outbound: outbound.clone(),
            taken: Taken::since_now(),
            shedder: LoadShedder::default(),
        };
        workers.spawn("reports", move || reports.run(&stopped))?;
        let close_batchers = wiring.close_batchers;
        Ok(Self { view, bus, clock, cameras, outbound, close_batchers, workers, publishers, stop_tickers, abandon })
    }

    /// What the node shows of itself.
    pub fn view(&self) -> &Arc<NodeView> {
        &self.view
    }

    /// Where its bus listens, with the ports that the system chose.
    pub fn bus_locators(&self) -> Vec<String> {
        self.bus.locators()
    }

    /// Stops the cameras, lets what they delivered drain to the bus, and ends every thread by the deadline. Returns, in
    /// words, what didn't end in time; nothing means a clean stop.
    pub fn stop(self, deadline: Duration) -> Vec<String> {
        let until = self.clock.monotonic() + deadline;
        let cameras = std::mem::take(&mut *self.cameras.lock().unwrap_or_else(PoisonError::into_inner));
        let camera_problems = cameras.stop(self.clock.as_ref(), deadline.mul_f64(CAMERAS_SHARE));
        let mut left: Vec<String> = camera_problems.iter().map(ToString::to_string).collect();
        self.close_batchers.into_iter().for_each(|close| close());
        drop(self.stop_tickers);
        left.extend(self.workers.join(until, self.clock.as_ref()));
        let dropped = self.outbound.dropped();
        if dropped > 0 {
            tracing::warn!(dropped, "events were dropped because the bus took them too slowly");
        }
        // With the last sender gone the publishers end as soon as their queues are empty.
        drop(self.outbound);
        left.extend(self.publishers.join(until, self.clock.as_ref()));
        drop(self.abandon);
        left.extend(self.bus.close(until.since(self.clock.monotonic())).err().map(|e| e.to_string()));
        left
    }
}

fn retention(site: &Site) -> Retention {
    Retention {
        outbox: site.store.outbox,
        entry_log: site.store.entry_log,
        ended_consents: site.store.ended_consent,
        audit: site.store.audit,
        ended_passes: site.store.ended_pass,
    }
}

fn open_bus(site: &Site, key: &SiteKey, store: &Arc<Store>, view: &Arc<NodeView>) -> Result<Bus, NodeError> {
    let endpoints = |list: &[gatehouse_config::Endpoint]| list.iter().map(|e| e.as_str().to_owned()).collect();
    let options = BusOptions { listen: endpoints(&site.bus.listen), connect: endpoints(&site.bus.connect) };
    let bus = Bus::open(&options, key.clone(), &site.site.node)?;
    let view = Arc::clone(view);
    bus.serve_status(move || serde_json::to_value(view.snapshot()).unwrap_or_default())?;
    let gates: Vec<CameraId> = site.gates.iter().map(|gate| gate.id.clone()).collect();
    let store = Arc::clone(store);
    bus.serve_history(&gates, move |asked| {
        store.entries_from(&asked.gate, asked.from, asked.limit).map_err(|e| {
            tracing::error!(gate = %asked.gate, "a replay was asked for and can't be given: {e}");
            "the node can't read its outbox; its log says why".into()
        })
    })?;
    Ok(bus)
}

/// What the periodic reports are made of.
struct Reports {
    health: Arc<HealthBoard>,
    load: Arc<LoadBoard>,
    cameras: Arc<Mutex<Cameras>>,
    fates: Vec<CameraFates>,
    outbound: Outbound,
    taken: Taken,
    shedder: LoadShedder,
}

impl Reports {
    /// Reports every camera's health, and the node's load, until it is stopped. Sheds load on a full
    /// node.
    fn run(mut self, stopped: &Receiver<()>) {
        while stopped.recv_timeout(REPORT_EVERY) == Err(RecvTimeoutError::Timeout) {
            let captured: Vec<_> = {
                let cameras = self.cameras.lock().unwrap_or_else(PoisonError::into_inner);
                cameras.iter().map(|camera| (camera.id().clone(), camera.reconnects(), camera.is_shed())).collect()
            };
            let fates: Vec<_> = self.fates.iter().map(|of| (of, of.fates.snapshot())).collect();
            self.health.report_all(|id| {
                let frames = fates.iter().find(|(of, _)| of.camera == *id).map(|(_, frames)| *frames);
                let connection = captured.iter().find(|(camera, ..)| camera == id);
                let (reconnects, key_frames_only) =
                    connection.map(|(_, reconnects, is_shed)| (*reconnects, *is_shed)).unwrap_or_default();
                Counters { frames: frames.unwrap_or_default(), reconnects, key_frames_only }
            });
            let missed = [CameraRole::Gate, CameraRole::Crowd]
                .map(|role| fates.iter().filter(|(of, _)| of.role == role).map(|(_, frames)| frames.missed).sum());
            let load = self.load.report(missed);
            self.shed_load(&load);
            self.outbound.offer(Event::Load(Box::new(load)));
        }
    }

    fn shed_load(&mut self, load: &NodeLoad) {
        // A node may be limited to some of the processors: those can be full while others are idle.
        let taken = self.taken.share().unwrap_or_default().max(load.cpu_usage);
        let cameras = self.cameras.lock().unwrap_or_else(PoisonError::into_inner);
        let whole: Vec<_> =
            cameras.iter().filter(|camera| camera.decodes_whole_stream()).map(|c| c.id().clone()).collect();
        let Some(change) = self.shedder.after_report(load.full, taken, &whole) else { return };
        let (is_shedding, changed) = match &change {
            Change::Shed(cameras) => (true, cameras.as_slice()),
            Change::Restore(camera) => (false, std::slice::from_ref(camera)),
        };
        cameras
            .iter()
            .filter(|camera| changed.contains(camera.id()))
            .for_each(|camera| camera.set_shedding(is_shedding));
        let names = changed.iter().map(CameraId::as_str).collect::<Vec<_>>().join(", ");
        if is_shedding {
            tracing::warn!(
                cameras = names,
                "the node is full: of these cameras only key frames are decoded, where they are no more than 10 s apart. A camera that \
                 sends key frames as often as `analyse_fps` asks for frames costs a fraction"
            );
        } else {
            tracing::info!(camera = names, "the node has room: decoded whole again");
        }
    }
}
