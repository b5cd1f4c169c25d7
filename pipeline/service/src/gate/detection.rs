//! Face detection at gates: finds faces, feeds the gates, and cuts out the faces to embed.

use std::sync::Arc;

use gatehouse_batching::Worker;
use gatehouse_core::log_limit::LogLimit;
use gatehouse_core::time::{Clock, WallTime};
use gatehouse_core::{Fate, Frame};
use gatehouse_faces::{Face, align_face};
use gatehouse_gate::quality::{Limits, assess};
use gatehouse_gate::{Observation, Probe, StageTimes};

use super::face_finder::FaceFinder;
use super::pipeline::GatePipeline;
use super::recognition::EmbedJob;
use crate::report::{FrameStages, RoleMeter};

/// A frame that waits for face detection.
pub(super) struct DetectJob {
    pub(super) pipeline: Arc<GatePipeline>,
    pub(super) frame: Frame,
    pub(super) arrived: WallTime,
}

/// A worker that detects faces.
pub(super) struct DetectionWorker {
    pub(super) finder: FaceFinder,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) meter: Arc<RoleMeter>,
}

impl DetectionWorker {
    /// Works until the batcher is closed.
    pub(super) fn run(mut self, mut worker: Worker<DetectJob>) {
        let failures = LogLimit::default();
        while let Some(batch) = worker.collect() {
            let taken = self.clock.monotonic();
            let found = match self.finder.find(batch) {
                Ok(found) => found,
                Err(e) => {
                    if let Some(times) = failures.count(self.clock.monotonic()) {
                        tracing::error!(times, "face detection failed, and frames of gates are dropped: {e}");
                    }
                    batch.iter().for_each(|job| _ = job.pipeline.fates.count(Fate::Failed));
                    continue;
                }
            };
            let inferred = self.clock.monotonic();
            for (job, faces) in batch.drain(..).zip(found) {
                let stages = FrameStages { times: job.frame.times, taken, inferred, decided: inferred };
                process_frame(job, faces, stages, self.clock.as_ref(), &self.meter);
            }
        }
    }
}

fn process_frame(job: DetectJob, faces: &[Face], stages: FrameStages, clock: &dyn Clock, meter: &RoleMeter) {
    let pipeline = Arc::clone(&job.pipeline);
    pipeline.fates.count(Fate::Analysed);
    let boxes = faces.iter().map(|face| face.box_in_frame);
    pipeline.learn_background(&job.frame.picture(), boxes, clock.monotonic());
    let times = StageTimes::found(job.frame.times, job.arrived, clock.monotonic());
    let (result, stale) = pipeline.update(|gate| (gate.process_frame(faces, &times), gate.stale_frames()));
    pipeline.log_stale(stale, &times, clock.monotonic());
    pipeline.set_deciding(!result.probes.is_empty());
    result.outcomes.into_iter().for_each(|outcome| pipeline.decide(outcome));
    meter.record_frame(&FrameStages { decided: clock.monotonic(), ..stages });
    if let Some(job) = cut_out(job, result.probes, &times, clock) {
        pipeline.embedding.offer(job);
    }
}

/// Cuts out the faces that are good enough to embed, and reports the others to the gate.
fn cut_out(job: DetectJob, probes: Vec<Probe>, times: &StageTimes, clock: &dyn Clock) -> Option<EmbedJob> {
    let DetectJob { pipeline, frame, arrived } = job;
    let (mut kept, mut openness, mut faces) = (Vec::new(), Vec::new(), Vec::new());
    for probe in probes {
        // Landmarks on one spot cannot be aligned: the face is a false detection, or useless.
        let Ok(aligned) = align_face(&frame.picture(), &probe.face.landmarks_in_frame) else { continue };
        let quality = assess(&probe.face, frame.size(), &aligned);
        if let Some(problem) = quality.problems(&Limits::GATE).first() {
            let times = times.checked(clock.monotonic());
            let outcome = pipeline.update(|gate| gate.process_probe(probe.id, Observation::Unusable(*problem), &times));
            outcome.into_iter().for_each(|outcome| pipeline.decide(outcome));
        } else {
            openness.push(pipeline.openness(&frame.picture(), &probe.face.box_in_frame));
            kept.push(probe);
            faces.push(aligned);
        }
    }
    let detected = clock.monotonic();
    (!faces.is_empty()).then_some(EmbedJob { pipeline, frame, arrived, detected, probes: kept, openness, faces })
}
