//! Recognition at gates: embeds faces, matches them, checks liveness, and decides.

use std::sync::Arc;

use gatehouse_batching::Worker;
use gatehouse_core::Frame;
use gatehouse_core::liveness::LivenessPolicy;
use gatehouse_core::log_limit::LogLimit;
use gatehouse_core::time::{Clock, Monotonic, WallTime};
use gatehouse_faces::{AlignedFace, Embedding, Template, TemplateProtection};
use gatehouse_gate::{LivenessCues, Matched, Observation, Probe, StageTimes};
use gatehouse_picture::Rect;

use super::models::RecognitionModels;
use super::pipeline::GatePipeline;

/// The faces of one frame that wait to be embedded.
pub(super) struct EmbedJob {
    pub(super) pipeline: Arc<GatePipeline>,
    pub(super) frame: Frame,
    pub(super) arrived: WallTime,
    pub(super) detected: Monotonic,
    pub(super) probes: Vec<Probe>,
    /// For each probe, the share of the background that is visible around it.
    pub(super) openness: Vec<Option<f32>>,
    pub(super) faces: Vec<AlignedFace>,
}

/// A worker that recognises faces.
pub(super) struct RecognitionWorker {
    pub(super) models: RecognitionModels,
    pub(super) protection: Arc<TemplateProtection>,
    pub(super) clock: Arc<dyn Clock>,
}

struct MatchedFace<'a> {
    job: &'a EmbedJob,
    probe: &'a Probe,
    openness: Option<f32>,
    matched: Matched,
}

impl MatchedFace<'_> {
    fn matches_somebody(&self) -> bool {
        matches!(self.matched, Matched::Person(_) | Matched::Card(true))
    }
}

impl RecognitionWorker {
    /// Works until the batcher is closed.
    pub(super) fn run(mut self, mut worker: Worker<EmbedJob>) {
        let (failures, liveness_failures) = (LogLimit::default(), LogLimit::default());
        let mut faces: Vec<AlignedFace> = Vec::new();
        let mut embeddings: Vec<Embedding> = Vec::new();
        while let Some(batch) = worker.collect() {
            faces.clear();
            batch.iter_mut().for_each(|job| faces.append(&mut job.faces));
            if let Err(e) = self.models.embedder.embed(&faces, &mut embeddings) {
                if let Some(times) = failures.count(self.clock.monotonic()) {
                    tracing::error!(times, "embedding failed, and faces at gates are dropped: {e}");
                }
                continue;
            }
            let matched = self.match_faces(batch, &mut embeddings);
            let liveness = self.score_liveness(&matched, &liveness_failures);
            let embedded = self.clock.monotonic();
            for (face, score) in matched.iter().zip(liveness) {
                self.decide(face, score, embedded);
            }
        }
    }

    fn decide(&self, face: &MatchedFace<'_>, liveness: Option<f32>, embedded: Monotonic) {
        let MatchedFace { job, probe, openness, matched } = *face;
        let times = StageTimes {
            frame: job.frame.times,
            arrived: job.arrived,
            detected: job.detected,
            embedded,
            matched: self.clock.monotonic(),
        };
        if face.matches_somebody() {
            job.pipeline.log_background(openness, times.matched);
        }
        let observation = Observation::Usable { matched, live: LivenessCues { score: liveness, openness } };
        let outcome = job.pipeline.update(|gate| gate.process_probe(probe.id, observation, &times));
        outcome.into_iter().for_each(|outcome| job.pipeline.decide(outcome));
    }

    /// Compares each face with the card that is shown at its gate, or with the gate's gallery.
    fn match_faces<'a>(&self, batch: &'a [EmbedJob], embeddings: &mut Vec<Embedding>) -> Vec<MatchedFace<'a>> {
        let mut results = Vec::with_capacity(embeddings.len());
        let mut embeddings = embeddings.drain(..);
        for job in batch {
            let gallery = job.pipeline.gallery();
            let templates: Vec<Template> =
                embeddings.by_ref().take(job.probes.len()).map(|e| self.protection.protect(&e)).collect();
            // The face of somebody who shows a card is compared with the card alone (1:1).
            let (mut searched, mut to_search) = (Vec::new(), Vec::new());
            let probes = job.probes.iter().zip(job.openness.iter().copied());
            job.pipeline.read(|gate| {
                for ((probe, openness), template) in probes.zip(templates) {
                    match gate.compare_with_card(probe.id, &template) {
                        Some(same) => {
                            results.push(MatchedFace { job, probe, openness, matched: Matched::Card(same) });
                        }
                        None => {
                            searched.push((probe, openness));
                            to_search.push(template);
                        }
                    }
                }
            });
            let identified = gallery.identify_all(&to_search, self.clock.wall());
            let found = searched.into_iter().zip(identified);
            results.extend(found.map(|((probe, openness), matched)| MatchedFace { job, probe, openness, matched }));
        }
        results
    }

    /// The liveness score of each face that matches somebody, where its gate checks liveness. No
    /// other face is examined further.
    fn score_liveness(&mut self, faces: &[MatchedFace<'_>], failures: &LogLimit) -> Vec<Option<f32>> {
        let mut results = vec![None; faces.len()];
        let Some(model) = &mut self.models.liveness else { return results };
        let checked: Vec<usize> = (0..faces.len())
            .filter(|i| faces[*i].matches_somebody() && faces[*i].job.pipeline.liveness != LivenessPolicy::Off)
            .collect();
        if checked.is_empty() {
            return results;
        }
        let pictures: Vec<_> = checked.iter().map(|i| faces[*i].job.frame.picture()).collect();
        let boxes: Vec<(_, Rect)> =
            checked.iter().zip(&pictures).map(|(i, picture)| (picture, faces[*i].probe.face.box_in_frame)).collect();
        let mut scores = Vec::new();
        if let Err(e) = model.score(&boxes, &mut scores) {
            if let Some(times) = failures.count(self.clock.monotonic()) {
                tracing::error!(times, "the liveness model failed, and no face is judged live: {e}");
            }
            return results;
        }
        for (i, score) in checked.into_iter().zip(scores) {
            results[i] = Some(score);
        }
        results
    }
}
