//! A running node. It is built back to front, so that every part has somewhere to send, and stopped
//! front to back.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use gatehouse_bus::{Bus, BusOptions};
use gatehouse_capture::{Camera, Cameras};
use gatehouse_config::{Endpoint, Site};
use gatehouse_core::CameraId;
use gatehouse_core::key::SiteKey;
use gatehouse_core::node_clock::RunId;
use gatehouse_core::time::Clock;
use gatehouse_credential::{SiteSigner, state_clock};
use gatehouse_runtime::Assets;
use gatehouse_store::Store;
use ulid::Ulid;

use crate::NodeError;
use crate::crowd::{self, Crowds};
use crate::gate::{self, Gates};
use crate::housekeeping::{self, Present};
use crate::models::Models;
use crate::open::{open_registry, open_store_with, site_secret};
use crate::publish::{self, EventSender, Publishers};
use crate::report::{self, HealthBoard, Meters};
use crate::stream::Stream;
use crate::threads::Threads;
use crate::view::NodeView;
use crate::wall_clock::WallClock;

/// Share of a stop's deadline that the cameras may take; the rest is for draining the queues.
const CAMERAS_SHARE: f64 = 0.5;

/// A running node.
pub struct Node {
    view: Arc<NodeView>,
    bus: Arc<Bus>,
    clock: Arc<dyn Clock>,
    cameras: Cameras,
    gates: Option<Gates>,
    crowds: Option<Crowds>,
    /// Reports and housekeeping.
    timed: Threads,
    /// Dropped to end the timed threads.
    stop_timed: Sender<()>,
    publishers: Publishers,
}

impl Node {
    /// Starts a node. When this returns, its models are warm, its bus is open and its cameras are
    /// connecting.
    ///
    /// # Errors
    /// If anything that it needs is missing or wrong.
    pub fn start(site: &Site, assets: Assets, clock: Arc<dyn Clock>) -> Result<Self, NodeError> {
        gatehouse_capture::init()?;
        let secret = site_secret(site)?;
        let store = Arc::new(open_store_with(site, &secret)?);
        let registry = open_registry(assets, &site.models.manifests, &site.models.providers)?;
        let models = Models::load(site, &registry, clock.as_ref())?;
        let view = Arc::new(NodeView::of(site));
        let key = SiteKey::new(&site.site.area, &site.site.id);
        let bus = Arc::new(open_bus(site, &key, &store, &view)?);
        let run = RunId(Ulid(rand::random()));
        serve_clock(&bus, site, &key, SiteSigner::new(&secret), run, &clock)?;

        let wall_clock = WallClock::new(&clock);
        let (meters, present) = (Meters::new(&clock), Arc::new(Present::default()));
        let sender =
            EventSender { bus: Arc::clone(&bus), view: Arc::clone(&view), key: key.clone(), clock: Arc::clone(&clock) };
        let publishers = publish::build(
            site,
            publish::Deps { sender, store: &store, secret: &secret, run, present: &present, meters: &meters },
        )?;
        let outbound = &publishers.outbound;
        let health = Arc::new(HealthBoard::new(camera_ids(site), Arc::clone(&clock), outbound.clone()));
        let build_gates = |models| {
            let (key, health, meter) = (&key, &health, &meters.gates);
            let deps = gate::Deps {
                clock: &clock,
                wall_clock: &wall_clock,
                store: &store,
                secret: &secret,
                key,
                outbound,
                health,
                meter,
            };
            gate::build(site, models, &deps)
        };
        let build_crowds = |models| {
            let (health, meter) = (&health, &meters.crowds);
            crowd::build(site, models, &crowd::Deps { clock: &clock, outbound, health, meter, view: &view })
        };
        let mut gates = models.gates.map(build_gates).transpose()?;
        let mut crowds = models.crowds.map(build_crowds).transpose()?;

        let (mut streams, mut fates) = (Vec::new(), Vec::new());
        if let Some(gates) = &mut gates {
            streams.append(&mut gates.streams);
            fates.append(&mut gates.fates);
        }
        if let Some(crowds) = &mut crowds {
            streams.append(&mut crowds.streams);
            fates.append(&mut crowds.fates);
        }
        let cameras = start_cameras(streams, &clock)?;

        let (mut timed, (stop_timed, stopped)) = (Threads::new(), bounded(0));
        let housekeeping = housekeeping::build(site, open_store_with(site, &secret)?, &clock, &wall_clock, present);
        let until_stopped = stopped.clone();
        timed.spawn("housekeeping", move || housekeeping.run(&until_stopped))?;
        let deps = report::Deps {
            clock: Arc::clone(&clock),
            health,
            meters,
            cameras: cameras.controls().cloned().collect(),
            fates,
            outbound: outbound.clone(),
            wall_clock,
        };
        let reports = report::build(site, deps);
        timed.spawn("reports", move || reports.run(&stopped))?;
        Ok(Self { view, bus, clock, cameras, gates, crowds, timed, stop_timed, publishers })
    }

    /// What the node shows of itself.
    pub fn view(&self) -> &Arc<NodeView> {
        &self.view
    }

    /// Where its bus listens, with the ports that the system chose.
    pub fn bus_locators(&self) -> Vec<String> {
        self.bus.locators()
    }

    /// Stops the cameras, publishes what they delivered, and ends every thread by the deadline.
    /// Returns a line for everything that is late; an empty list means a clean stop.
    pub fn stop(self, deadline: Duration) -> Vec<String> {
        let clock = self.clock.as_ref();
        let until = clock.monotonic() + deadline;
        let cameras = self.cameras.stop(clock, deadline.mul_f64(CAMERAS_SHARE));
        let mut late: Vec<String> = cameras.iter().map(ToString::to_string).collect();

        drop(self.stop_timed);
        let workers = [self.gates.map(Gates::close), self.crowds.map(Crowds::close), Some(self.timed)];
        for threads in workers.into_iter().flatten() {
            late.extend(threads.join(until, clock));
        }
        late.extend(self.publishers.drain(until, clock));
        late.extend(self.bus.close(until.since(clock.monotonic())).err().map(|e| e.to_string()));
        late
    }
}

fn camera_ids(site: &Site) -> impl Iterator<Item = CameraId> {
    site.gates.iter().map(|gate| &gate.id).chain(site.crowds.iter().map(|camera| &camera.id)).cloned()
}

fn start_cameras(streams: Vec<Stream>, clock: &Arc<dyn Clock>) -> Result<Cameras, NodeError> {
    let mut cameras = Cameras::default();
    for Stream { options, frames, status, fates } in streams {
        cameras.push(Camera::start(options, Arc::clone(clock), frames, status, fates)?);
    }
    Ok(cameras)
}

/// Answers doors that ask for the node's clock.
fn serve_clock(
    bus: &Bus,
    site: &Site,
    key: &SiteKey,
    signer: SiteSigner,
    run: RunId,
    clock: &Arc<dyn Clock>,
) -> Result<(), NodeError> {
    let (key, clock) = (key.to_string(), Arc::clone(clock));
    bus.serve_clock(&site.site.node, move |nonce| {
        let now_ms = u64::try_from(clock.monotonic().since_start().as_millis()).unwrap_or(u64::MAX);
        state_clock(&signer, &key, run, now_ms, clock.wall(), nonce)
    })?;
    Ok(())
}

fn open_bus(site: &Site, key: &SiteKey, store: &Arc<Store>, view: &Arc<NodeView>) -> Result<Bus, NodeError> {
    let endpoints = |list: &[Endpoint]| list.iter().map(|e| e.as_str().to_owned()).collect();
    let options = BusOptions {
        mode: site.bus.mode,
        listen: endpoints(&site.bus.listen()),
        connect: endpoints(&site.bus.connect),
        gossip: site.bus.gossip,
    };
    let bus = Bus::open(&options, key.clone(), &site.site.node)?;
    let view = Arc::clone(view);
    bus.serve_status(move || serde_json::to_value(view.snapshot()).unwrap_or_default())?;
    let gates: Vec<CameraId> = site.gates.iter().map(|gate| gate.id.clone()).collect();
    let store = Arc::clone(store);
    bus.serve_history(&gates, move |asked| {
        store.entries_from(&asked.gate, asked.from, asked.limit).map_err(|e| {
            tracing::error!(camera = %asked.gate, "the outbox cannot be read, and a replay is refused: {e}");
            "the node can't read its outbox; its log says why".into()
        })
    })?;
    Ok(bus)
}
