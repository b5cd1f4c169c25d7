//! Crowd cameras: capture → counting → counts, grid and preview → publisher.
//!
//! Nothing in this room can name a face model, a gallery or a person.

mod counting;
mod models;
mod pipeline;
mod scene_folder;
mod settings;
mod sink;

use std::sync::Arc;
use std::time::Duration;

use gatehouse_batching::Batcher;
use gatehouse_capture::{StreamOptions, Wanted};
use gatehouse_config::{CrowdCamera, Site};
use gatehouse_core::FateCounters;
use gatehouse_core::time::Clock;
use gatehouse_crowd::CrowdModel;

pub(crate) use models::CrowdModels;
pub use scene_folder::SceneFolder;
pub use settings::{density_px, detail_px, looking, options};
pub(crate) use settings::{model_priority, summed};

use crate::NodeError;
use crate::publish::Outbound;
use crate::report::{HealthBoard, PictureMonitor, RoleMeter};
use crate::stream::{CameraFates, Stream, stream};
use crate::threads::{Threads, apply_priority};
use crate::view::{CameraRole, NodeView};
use crate::workers::batcher;
use counting::{CountJob, CountingWorker};
use pipeline::CrowdPipeline;
use sink::CrowdSink;

/// What crowd cameras need of the rest of the node.
pub(crate) struct Deps<'a> {
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) outbound: &'a Outbound,
    pub(crate) health: &'a Arc<HealthBoard>,
    pub(crate) meter: &'a Arc<RoleMeter>,
    pub(crate) view: &'a Arc<NodeView>,
}

/// The crowd cameras of a running node.
pub(crate) struct Crowds {
    pub(crate) streams: Vec<Stream>,
    /// Each camera's record of frames.
    pub(crate) fates: Vec<CameraFates>,
    batcher: Batcher<CountJob>,
    workers: Threads,
}

impl Crowds {
    /// Lets the workers end, and returns them to be joined.
    pub(crate) fn close(self) -> Threads {
        self.batcher.close();
        self.workers
    }
}

/// Builds a site's crowd cameras and starts their workers. Does not start their streams.
///
/// # Errors
/// If a camera's ground doesn't fit, or its login can't be read.
pub(crate) fn build(site: &Site, models: CrowdModels, deps: &Deps<'_>) -> Result<Crowds, NodeError> {
    let CrowdModels { readers, batch } = models;
    let batcher = batcher(site, batch, deps.clock);
    let mut crowds = Crowds { streams: Vec::new(), fates: Vec::new(), batcher, workers: Threads::new() };
    let Some(reader) = readers.first() else { return Ok(crowds) };

    let (model, scenes) = (CrowdModel::of(reader), SceneFolder::beside(&site.store.path));
    for camera in &site.crowds {
        let fates = Arc::new(FateCounters::default());
        let density_px = density_px(camera, reader);
        let pipeline = CrowdPipeline::new(camera, density_px, model.clone(), &scenes, Arc::clone(&fates))?;
        crowds.add_camera(site, camera, pipeline, fates, deps)?;
    }

    let priority = model_priority(site);
    for reader in readers {
        let counting = CountingWorker {
            reader,
            clock: Arc::clone(deps.clock),
            outbound: deps.outbound.clone(),
            view: Arc::clone(deps.view),
            scenes: scenes.clone(),
            meter: Arc::clone(deps.meter),
        };
        let worker = crowds.batcher.worker();
        crowds.workers.spawn("people-count", move || {
            apply_priority(priority);
            counting.run(worker);
        })?;
    }
    Ok(crowds)
}

impl Crowds {
    fn add_camera(
        &mut self,
        site: &Site,
        camera: &CrowdCamera,
        pipeline: Arc<CrowdPipeline>,
        fates: Arc<FateCounters>,
        deps: &Deps<'_>,
    ) -> Result<(), NodeError> {
        let id = camera.id.clone();
        let sink = CrowdSink {
            pipeline,
            lane: self.batcher.lane(),
            pictures: PictureMonitor::new(&id, deps.health),
            outbound: deps.outbound.clone(),
            view: Arc::clone(deps.view),
        };
        let thread_priority = settings::stream_priority(site);
        let wanted = Wanted::OneIn(Duration::from_secs_f64(1.0 / camera.analyse_fps));
        let options = StreamOptions { wanted, thread_priority, with_damaged: true, ..stream(&id, &camera.common)? };
        let (frames, status) = (Arc::new(sink), deps.health.clone());
        self.streams.push(Stream { options, frames, status, fates: Arc::clone(&fates) });
        self.fates.push(CameraFates { camera: id, role: CameraRole::Crowd, fates });
        Ok(())
    }
}
