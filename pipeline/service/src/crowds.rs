//! Crowd cameras: capture → person detection batcher → counts, grid and preview → publisher.
//!
//! Nothing in this file can name a face model, a gallery or a person: it imports none, and [`CrowdLine`] has no field for
//! one. Locks: each line's `state`, taken by one worker at a time, never while a model runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gatehouse_batching::{Batcher, Lane};
use gatehouse_core::picture_check::PictureVerdict;
use gatehouse_core::time::Clock;
use gatehouse_core::{CameraId, Event, Frame, FrameSink};
use gatehouse_crowd::preview::Preview;
use gatehouse_crowd::{Crowd, CrowdPicture, LEAST_SCORE};
use gatehouse_models::{PeopleReading, PeopleScene, PersonDetector};

use crate::intake::Intake;
use crate::log_limit::LogLimit;
use crate::publisher::Outbound;
use crate::view::NodeView;

/// One crowd camera of a running node.
pub(crate) struct CrowdLine {
    camera: CameraId,
    detail_px: usize,
    state: Mutex<(Crowd, Option<Preview>)>,
    analysed: AtomicU64,
}

impl CrowdLine {
    pub(crate) fn new(camera: CameraId, crowd: Crowd, detail_px: usize, preview: Option<Preview>) -> Arc<Self> {
        Arc::new(Self { camera, detail_px, state: Mutex::new((crowd, preview)), analysed: AtomicU64::new(0) })
    }

    pub(crate) fn analysed(&self) -> u64 {
        self.analysed.load(Ordering::Relaxed)
    }
}

/// A frame waiting for person detection.
pub(crate) struct CountJob {
    line: Arc<CrowdLine>,
    frame: Frame,
    verdict: PictureVerdict,
}

impl CountJob {
    fn scene(&self) -> PeopleScene<'_> {
        PeopleScene { picture: self.frame.picture(), longer_side_px: self.line.detail_px }
    }
}

/// Takes a crowd camera's frames on its decoder's thread and puts those that are due into its detection lane.
pub(crate) struct CrowdSink {
    pub(crate) line: Arc<CrowdLine>,
    pub(crate) lane: Arc<Lane<CountJob>>,
    pub(crate) intake: Intake,
}

impl FrameSink for CrowdSink {
    fn deliver(&self, frame: Frame) {
        if let Some(verdict) = self.intake.admit(&frame, false) {
            self.lane.offer(CountJob { line: Arc::clone(&self.line), frame, verdict });
        }
    }
}

/// Runs the person detector until its batcher is closed, and counts.
pub(crate) fn count(
    mut detector: PersonDetector,
    batcher: &Batcher<CountJob>,
    clock: &dyn Clock,
    outbound: &Outbound,
    view: &NodeView,
) {
    let (failures, preview_failures) = (LogLimit::default(), LogLimit::default());
    let mut batch = Vec::new();
    let mut readings: Vec<PeopleReading> = Vec::new();
    while batcher.collect(&mut batch) {
        let scenes: Vec<_> = batch.iter().map(CountJob::scene).collect();
        if let Err(e) = detector.detect(&scenes, LEAST_SCORE, &mut readings) {
            if let Some(times) = failures.count(clock.monotonic()) {
                tracing::error!(times, "frames of crowd cameras are dropped, person detection failed: {e}");
            }
            continue;
        }
        for (job, reading) in batch.iter().zip(&readings) {
            job.line.analysed.fetch_add(1, Ordering::Relaxed);
            let picture = job.frame.picture();
            let mut state = job.line.state.lock().unwrap_or_else(PoisonError::into_inner);
            let (crowd, preview) = &mut *state;
            let counted = crowd.count(&CrowdPicture {
                reading,
                frame: picture.size(),
                capture_time: job.frame.times.capture,
                arrival: job.frame.times.arrival,
                verdict: job.verdict,
                moved: false,
            });
            if let Some(events) = counted {
                outbound.offer(Event::Density(events.density));
                outbound.offer(Event::Map(events.map));
                events.levels.into_iter().for_each(|level| outbound.offer(Event::Level(level)));
            }
            let people = &reading.people;
            let Some(preview) = preview else { continue };
            if !view.preview_wanted(&job.line.camera) {
                // Whoever opens the console next must not see people whom the detector misses in that first frame.
                preview.notice(picture.size(), people, clock.monotonic());
                continue;
            }
            match preview.render(&picture, people, clock.monotonic()) {
                Ok(frame) => view.set_preview(&job.line.camera, frame),
                Err(e) => {
                    if let Some(times) = preview_failures.count(clock.monotonic()) {
                        tracing::warn!(camera = %job.line.camera, times, "no preview: {e}");
                    }
                }
            }
        }
    }
}
