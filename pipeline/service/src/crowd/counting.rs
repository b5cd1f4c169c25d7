//! Counting people in crowd cameras' frames.

use std::sync::Arc;

use gatehouse_batching::Worker;
use gatehouse_core::log_limit::LogLimit;
use gatehouse_core::picture_check::PictureVerdict;
use gatehouse_core::time::Clock;
use gatehouse_core::{Fate, Frame};
use gatehouse_crowd::{CrowdPicture, CrowdReader, LEAST_SCORE};
use gatehouse_people::{PeopleReading, PeopleScene, Tile};

use super::pipeline::{CrowdPipeline, CrowdState};
use super::scene_folder::SceneFolder;
use crate::publish::Outbound;
use crate::report::{FrameStages, RoleMeter};
use crate::view::NodeView;

/// A frame that waits to be counted.
pub(super) struct CountJob {
    pub(super) pipeline: Arc<CrowdPipeline>,
    pub(super) frame: Frame,
    pub(super) verdict: PictureVerdict,
    /// True if the camera no longer shows the view on which its zones were drawn.
    pub(super) is_moved: bool,
    /// Numbers the camera's pictures in the order in which they were offered.
    pub(super) number: u64,
}

impl CountJob {
    fn tiles(&self) -> Arc<[Tile]> {
        self.pipeline.state.lock().tiling.tiles(self.frame.picture().size())
    }

    fn scene<'a>(&'a self, tiles: &'a [Tile]) -> PeopleScene<'a> {
        PeopleScene {
            picture: self.frame.picture(),
            longer_side_px: self.pipeline.detail_px,
            density_side_px: self.pipeline.density_px,
            tiles,
        }
    }
}

pub(super) struct CountingWorker {
    pub(super) reader: CrowdReader,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) outbound: Outbound,
    pub(super) view: Arc<NodeView>,
    pub(super) scenes: SceneFolder,
    pub(super) meter: Arc<RoleMeter>,
}

impl CountingWorker {
    /// Works until the batcher is closed.
    pub(super) fn run(mut self, mut worker: Worker<CountJob>) {
        let (failures, preview_failures) = (LogLimit::default(), LogLimit::default());
        let mut readings: Vec<PeopleReading> = Vec::new();
        let mut tiles: Vec<Arc<[Tile]>> = Vec::new();
        while let Some(batch) = worker.collect() {
            let taken = self.clock.monotonic();
            for pipeline in batch.iter().map(|job| &job.pipeline) {
                let learnt = pipeline.learnt.lock().take();
                learnt.into_iter().for_each(|view| self.scenes.keep(&pipeline.camera, &view));
            }
            tiles.clear();
            tiles.extend(batch.iter().map(CountJob::tiles));
            let scenes = batch.iter().zip(&tiles).map(|(job, tiles)| job.scene(tiles));
            if let Err(e) = self.reader.read(scenes, LEAST_SCORE, &mut readings) {
                if let Some(times) = failures.count(self.clock.monotonic()) {
                    tracing::error!(times, "people detection failed, and frames of crowd cameras are dropped: {e}");
                }
                batch.iter().for_each(|job| _ = job.pipeline.fates.count(Fate::Failed));
                continue;
            }
            let inferred = self.clock.monotonic();
            for (job, reading) in batch.iter().zip(&readings) {
                job.pipeline.fates.count(Fate::Analysed);
                self.count(job, reading);
                let decided = self.clock.monotonic();
                self.meter.record_frame(&FrameStages { times: job.frame.times, taken, inferred, decided });
                // Pictures that were offered meanwhile are still in flight.
                job.pipeline.record_counted(job.number);
                self.show_preview(job, reading, &preview_failures);
            }
        }
    }

    fn count(&self, job: &CountJob, reading: &PeopleReading) {
        let frame = job.frame.picture().size();
        let events = {
            let mut state = job.pipeline.state.lock();
            let CrowdState { crowd, tiling } = &mut *state;
            tiling.learn(&reading.people, frame);
            crowd.count(&CrowdPicture {
                reading,
                frame,
                capture_time: job.frame.times.capture,
                arrival: job.frame.times.arrival,
                verdict: job.verdict,
                moved: job.is_moved,
            })
        };
        events.into_iter().for_each(|mut events| {
            events.density.damaged = job.frame.is_damaged;
            self.outbound.crowd(events);
        });
    }

    fn show_preview(&self, job: &CountJob, reading: &PeopleReading, failures: &LogLimit) {
        let Some(preview) = &job.pipeline.preview else { return };
        let (camera, picture, now) = (&job.pipeline.camera, job.frame.picture(), self.clock.monotonic());
        if !self.view.preview_wanted(camera) {
            // A viewer's first preview must also hide people whom the models miss in it.
            preview.lock().notice(picture.size(), reading, now);
            return;
        }
        let rendered = preview.lock().render(&picture, reading, now);
        match rendered {
            Ok(frame) => self.view.set_preview(camera, frame),
            Err(e) => {
                if let Some(times) = failures.count(self.clock.monotonic()) {
                    tracing::warn!(%camera, times, "the preview cannot be rendered, and the console shows none: {e}");
                }
            }
        }
    }
}
