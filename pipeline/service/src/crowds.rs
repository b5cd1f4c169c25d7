//! Crowd cameras: capture → person detection batcher → counts, grid and preview → publisher.
//!
//! Nothing in this file can name a face model, a gallery or a person: it imports none, and [`CrowdLine`] has no field for
//! one. Locks: each line's `scene`, taken on its decoder's thread alone, its `learnt` for a moment by both threads, and its `state`,
//! by the worker or, for a picture that has not changed, the decoder's thread, never while a model runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatehouse_batching::{Lane, Worker};
use gatehouse_core::log_limit::LogLimit;
use gatehouse_core::picture_check::PictureVerdict;
use gatehouse_core::time::Clock;
use gatehouse_core::{CameraId, Delivery, Fate, FateCounters, Frame, FrameSink};
use gatehouse_crowd::change::ChangeCheck;
use gatehouse_crowd::preview::Preview;
use gatehouse_crowd::tiling::Tiling;
use gatehouse_crowd::view::{ReferenceView, ViewCheck};
use gatehouse_crowd::{Crowd, CrowdPicture, CrowdReader, LEAST_SCORE};
use gatehouse_people::{PeopleReading, PeopleScene, Tile};
use gatehouse_picture::Thumbnail;

use crate::load::{FrameStages, RoleMeter};
use crate::picture_monitor::PictureMonitor;
use crate::publisher::Outbound;
use crate::view::NodeView;
use crate::views::Views;

/// One crowd camera of a running node.
pub(crate) struct CrowdLine {
    camera: CameraId,
    detail_px: usize,
    density_px: usize,
    state: Mutex<State>,
    scene: Mutex<Scene>,
    /// The number of the last picture that was handed over to be counted, and of the last one that was.
    offered: AtomicU64,
    counted: AtomicU64,
    /// The view that was just learnt, to be kept by the worker: writing is nothing for a decoder's thread.
    learnt: Mutex<Option<ReferenceView>>,
    fates: Arc<FateCounters>,
}

/// What a camera's pictures are counted with.
struct State {
    crowd: Crowd,
    preview: Option<Preview>,
    tiling: Tiling,
}

/// How a camera's scene looks.
struct Scene {
    thumbnail: Thumbnail,
    /// None if every picture is to be counted.
    change: Option<ChangeCheck>,
    view: ViewCheck,
}

/// What else there is to a line.
pub(crate) struct LineOptions {
    pub(crate) detail_px: usize,
    pub(crate) density_px: usize,
    pub(crate) preview: Option<Preview>,
    pub(crate) tiling: Tiling,
    pub(crate) skip_unchanged: bool,
    /// The view that its zones were drawn on, if it was learnt before.
    pub(crate) reference: Option<ReferenceView>,
}

impl CrowdLine {
    pub(crate) fn new(camera: CameraId, crowd: Crowd, options: LineOptions, fates: Arc<FateCounters>) -> Arc<Self> {
        let change = options.skip_unchanged.then(ChangeCheck::default);
        let view = ViewCheck::new(options.reference);
        Arc::new(Self {
            camera,
            detail_px: options.detail_px,
            density_px: options.density_px,
            state: Mutex::new(State { crowd, preview: options.preview, tiling: options.tiling }),
            scene: Mutex::new(Scene { thumbnail: Thumbnail::default(), change, view }),
            offered: AtomicU64::new(0),
            counted: AtomicU64::new(0),
            learnt: Mutex::new(None),
            fates,
        })
    }
}

/// A frame waiting for person detection.
pub(crate) struct CountJob {
    line: Arc<CrowdLine>,
    frame: Frame,
    verdict: PictureVerdict,
    moved: bool,
    /// Counts the camera's pictures that were handed over.
    number: u64,
}

impl CountJob {
    fn tiles(&self) -> Arc<[Tile]> {
        let mut state = self.line.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.tiling.tiles(self.frame.picture().size())
    }

    fn scene<'a>(&'a self, tiles: &'a [Tile]) -> PeopleScene<'a> {
        PeopleScene {
            picture: self.frame.picture(),
            longer_side_px: self.line.detail_px,
            density_side_px: self.line.density_px,
            tiles,
        }
    }
}

/// Takes a crowd camera's due frames on its decoder's thread and offers them to its lane.
pub(crate) struct CrowdSink {
    pub(crate) line: Arc<CrowdLine>,
    pub(crate) lane: Lane<CountJob>,
    pub(crate) pictures: PictureMonitor,
    pub(crate) outbound: Outbound,
    pub(crate) view: Arc<NodeView>,
}

/// A frame's scene, compared with earlier ones.
struct SceneCheck {
    is_moved: bool,
    /// True if nothing has changed since the last counted frame.
    is_unchanged: bool,
}

impl CrowdSink {
    fn check_scene(&self, frame: &Frame, verdict: PictureVerdict) -> SceneCheck {
        let mut scene = self.line.scene.lock().unwrap_or_else(PoisonError::into_inner);
        let Scene { thumbnail, change, view } = &mut *scene;
        let before = view.moved();
        // A black or frozen picture doesn't show where the camera points, and is reported each time.
        if verdict != PictureVerdict::Sound {
            return SceneCheck { is_moved: before, is_unchanged: false };
        }
        let arrival = frame.times.arrival;
        thumbnail.update(&frame.picture());
        let learnt = view.judge(thumbnail, arrival).cloned();
        let moved = view.moved();
        let due = change.as_mut().is_none_or(|change| change.is_due(thumbnail, arrival));
        drop(scene);
        match (before, moved) {
            (false, true) => tracing::error!(
                camera = %self.line.camera,
                "the camera doesn't look where its zones were drawn any more, and they are not counted: put it back, or draw them \
                 anew and let the node learn the new view (`gatehouse camera view`)"
            ),
            (true, false) => {
                tracing::info!(camera = %self.line.camera, "the camera looks where its zones were drawn again")
            }
            _ => {}
        }
        let unchanged = !due && learnt.is_none() && before == moved;
        if learnt.is_some() {
            *self.line.learnt.lock().unwrap_or_else(PoisonError::into_inner) = learnt;
        }
        SceneCheck { is_moved: moved, is_unchanged: unchanged }
    }

    /// Repeats the last counts for an unchanged frame; false if it must be counted. A preview needs
    /// every frame, and while an earlier frame is in flight the last counts are not of this scene.
    fn repeat_counts(&self, frame: &Frame) -> bool {
        let line = &self.line;
        let on_its_way = line.offered.load(Ordering::Relaxed) != line.counted.load(Ordering::Acquire);
        if on_its_way || self.view.preview_wanted(&self.line.camera) {
            return false;
        }
        let mut state = self.line.state.lock().unwrap_or_else(PoisonError::into_inner);
        let events = state.crowd.unchanged(frame.times.capture, frame.times.arrival);
        drop(state);
        let Some(events) = events else { return false };
        self.outbound.crowd(events);
        true
    }
}

impl FrameSink for CrowdSink {
    fn deliver(&self, frame: Frame) -> Delivery {
        let verdict = self.pictures.judge(&frame);
        let SceneCheck { is_moved, is_unchanged } = self.check_scene(&frame, verdict);
        if is_unchanged && self.repeat_counts(&frame) {
            return Delivery::Unchanged;
        }
        let number = self.line.offered.fetch_add(1, Ordering::Relaxed) + 1;
        self.lane.offer(CountJob { line: Arc::clone(&self.line), frame, verdict, moved: is_moved, number }).into()
    }

    fn shortest_wait(&self) -> Option<Duration> {
        self.lane.shortest_wait()
    }
}

/// Runs the models, and counts.
pub(crate) struct PeopleCounter {
    pub(crate) reader: CrowdReader,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) outbound: Outbound,
    pub(crate) view: Arc<NodeView>,
    pub(crate) views: Views,
    pub(crate) meter: Arc<RoleMeter>,
}

impl PeopleCounter {
    /// Works until the batcher is closed.
    pub(crate) fn run(mut self, mut worker: Worker<CountJob>) {
        let (failures, preview_failures) = (LogLimit::default(), LogLimit::default());
        let mut readings: Vec<PeopleReading> = Vec::new();
        let mut tiles: Vec<Arc<[Tile]>> = Vec::new();
        while let Some(batch) = worker.collect() {
            let taken = self.clock.monotonic();
            for line in batch.iter().map(|job| &job.line) {
                if let Some(learnt) = line.learnt.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    self.views.keep(&line.camera, &learnt);
                }
            }
            tiles.clear();
            tiles.extend(batch.iter().map(CountJob::tiles));
            let scenes = batch.iter().zip(&tiles).map(|(job, tiles)| job.scene(tiles));
            if let Err(e) = self.reader.read(scenes, LEAST_SCORE, &mut readings) {
                if let Some(times) = failures.count(self.clock.monotonic()) {
                    tracing::error!(times, "frames of crowd cameras are dropped, looking for people failed: {e}");
                }
                batch.iter().for_each(|job| _ = job.line.fates.count(Fate::Failed));
                continue;
            }
            let inferred = self.clock.monotonic();
            for (job, reading) in batch.iter().zip(&readings) {
                job.line.fates.count(Fate::Analysed);
                let picture = job.frame.picture();
                let mut state = job.line.state.lock().unwrap_or_else(PoisonError::into_inner);
                let State { crowd, preview, tiling } = &mut *state;
                tiling.learn(&reading.people, picture.size());
                let counted = crowd.count(&CrowdPicture {
                    reading,
                    frame: picture.size(),
                    capture_time: job.frame.times.capture,
                    arrival: job.frame.times.arrival,
                    verdict: job.verdict,
                    moved: job.moved,
                });
                if let Some(events) = counted {
                    self.outbound.crowd(events);
                }
                let decided = self.clock.monotonic();
                self.meter.frame(&FrameStages { times: job.frame.times, taken, inferred, decided });
                // Another may have been handed over meanwhile: that one is still to be counted.
                job.line.counted.store(job.number, Ordering::Release);
                let Some(preview) = preview else { continue };
                if !self.view.preview_wanted(&job.line.camera) {
                    // Whoever opens the console next must not see people whom the models miss in that first frame.
                    preview.notice(picture.size(), reading, self.clock.monotonic());
                    continue;
                }
                match preview.render(&picture, reading, self.clock.monotonic()) {
                    Ok(frame) => self.view.set_preview(&job.line.camera, frame),
                    Err(e) => {
                        if let Some(times) = preview_failures.count(self.clock.monotonic()) {
                            tracing::warn!(camera = %job.line.camera, times, "no preview: {e}");
                        }
                    }
                }
            }
        }
    }
}
