//! What the node reports of itself: the health of its cameras and its load, at once when a camera's
//! state changes and every 10 s.

mod health;
mod load;
mod load_shedder;
mod picture_monitor;
mod processors;

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;
use gatehouse_capture::CameraControl;
use gatehouse_config::Site;
use gatehouse_core::camera_clock::ClockOffset;
use gatehouse_core::load::NodeLoad;
use gatehouse_core::time::Clock;
use gatehouse_core::{CameraId, Event, FrameFates};

pub(crate) use health::{HealthBoard, LastPicture};
pub(crate) use load::{FULL, FrameStages, Meters, RoleMeter};
pub(crate) use picture_monitor::{PictureMonitor, verdict};
pub(crate) use processors::usable_processors;

use crate::publish::Outbound;
use crate::stream::CameraFates;
use crate::threads::pause;
use crate::view::CameraRole;
use crate::wall_clock::WallClock;
use load::{LoadReporter, MissedFrames};
use load_shedder::{Change, LoadShedder};
use processors::ProcessorUse;

/// Time between two reports.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// What the periodic reports need of the rest of the node.
pub(crate) struct Deps {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) health: Arc<HealthBoard>,
    pub(crate) meters: Meters,
    pub(crate) cameras: Vec<CameraControl>,
    pub(crate) fates: Vec<CameraFates>,
    pub(crate) outbound: Outbound,
    pub(crate) wall_clock: Arc<WallClock>,
}

/// What a camera's stream says of itself.
struct StreamReport<'c> {
    id: &'c CameraId,
    reconnects: u64,
    is_shed: bool,
    key_frame_interval_s: Option<f64>,
    clock_offset: Option<ClockOffset>,
}

impl<'c> StreamReport<'c> {
    fn of(camera: &'c CameraControl) -> Self {
        let tenths = |interval: Duration| (interval.as_secs_f64() * 10.0).round() / 10.0;
        Self {
            id: camera.id(),
            reconnects: camera.reconnects(),
            is_shed: camera.is_shed(),
            key_frame_interval_s: camera.key_frame_interval().map(tenths),
            clock_offset: camera.clock_offset(),
        }
    }
}

/// Makes the periodic reports.
pub(crate) struct Reports {
    deps: Deps,
    load: LoadReporter,
    processors: ProcessorUse,
    shedder: LoadShedder,
}

/// Builds the reports of a site, whose first period starts now.
pub(crate) fn build(site: &Site, deps: Deps) -> Reports {
    let load = LoadReporter::new(site, &deps.meters, &deps.clock, &deps.wall_clock);
    Reports { deps, load, processors: ProcessorUse::since_now(), shedder: LoadShedder::default() }
}

impl Reports {
    /// Reports until `stopped` is closed, and sheds load while the node is full.
    pub(crate) fn run(mut self, stopped: &Receiver<()>) {
        let clock = Arc::clone(&self.deps.clock);
        while pause(clock.as_ref(), REPORT_EVERY, stopped) {
            let fates: Vec<_> = self.deps.fates.iter().map(|of| (of, of.fates.snapshot())).collect();
            self.report_health(&fates);
            let missed = |role| fates.iter().filter(|(of, _)| of.role == role).map(|(_, frames)| frames.missed).sum();
            let missed = MissedFrames { gates: missed(CameraRole::Gate), crowds: missed(CameraRole::Crowd) };
            let load = self.load.report(missed);
            self.shed_load(&load);
            self.deps.outbound.offer(Event::Load(Box::new(load)));
        }
    }

    fn report_health(&self, fates: &[(&CameraFates, FrameFates)]) {
        // Read before the board is locked, because a camera's plan has a lock of its own.
        let cameras: Vec<_> = self.deps.cameras.iter().map(StreamReport::of).collect();
        self.deps.health.report_all(|event| {
            let record = fates.iter().find(|(of, _)| of.camera == event.camera);
            if let Some((_, frames)) = record {
                event.frames = *frames;
            }
            if let Some(camera) = cameras.iter().find(|camera| *camera.id == event.camera) {
                (event.reconnects, event.key_frames_only) = (camera.reconnects, camera.is_shed);
                event.key_frame_interval_s = camera.key_frame_interval_s;
                event.clock_offset = camera.clock_offset;
            }
            record.map(|(of, _)| of.fates.packets()).unwrap_or_default()
        });
    }

    fn shed_load(&mut self, load: &NodeLoad) {
        // A node may be limited to some of the processors: those can be full while others are idle.
        let cpu_usage = self.processors.share().unwrap_or_default().max(load.cpu_usage);
        let cameras = &self.deps.cameras;
        let whole: Vec<_> =
            cameras.iter().filter(|camera| camera.decodes_whole_stream()).map(|c| c.id().clone()).collect();
        let Some(change) = self.shedder.after_report(load.full, cpu_usage, &whole) else { return };
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
                "the node is full: it decodes only key frames of these cameras, where they are at most 10 s apart. Set these \
                 cameras to send key frames as often as `analyse_fps` asks for frames: decoding then costs a fraction"
            );
        } else {
            tracing::info!(camera = names, "the node has room and decodes this camera's whole stream again");
        }
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;
    use gatehouse_testing::clock::ManualClock;

    use super::*;
    use crate::publish::channel_for_tests;

    #[test]
    fn health_and_load_are_reported_every_ten_seconds() {
        let minimal = include_str!("../../../../config/examples/minimal.toml");
        let site = Site::parse(minimal, std::path::Path::new("site.toml")).expect("an example");
        let manual = Arc::new(ManualClock::default());
        let clock: Arc<dyn Clock> = manual.clone();
        let (outbound, mut events) = channel_for_tests(&clock);
        let plaza = CameraId::new("plaza");
        let health = HealthBoard::new([plaza.clone()].into_iter(), Arc::clone(&clock), outbound.clone());
        let deps = Deps {
            health: Arc::new(health),
            meters: Meters::new(&clock),
            wall_clock: WallClock::new(&clock),
            clock,
            cameras: Vec::new(),
            fates: vec![CameraFates { camera: plaza, role: CameraRole::Crowd, fates: Arc::default() }],
            outbound,
        };
        let reports = build(&site, deps);
        let (stop, stopped) = bounded(0);
        let thread = std::thread::spawn(move || reports.run(&stopped));
        let mut next_kinds = || -> Vec<&str> {
            let kind = |event| match event {
                Event::Health(_) => "health",
                Event::Load(_) => "load",
                other => panic!("{other:?}"),
            };
            events.by_ref().map(kind).collect()
        };
        manual.wait_for_timer(Duration::from_secs(10));
        assert!(next_kinds().is_empty(), "nothing before its time");
        for report in 1..=3 {
            manual.fire_timer(Duration::from_secs(10 * report));
            manual.wait_for_timer(Duration::from_secs(10 * (report + 1)));
            assert_eq!(next_kinds(), ["health", "load"]);
        }
        drop(stop);
        thread.join().expect("it ends");
    }
}
