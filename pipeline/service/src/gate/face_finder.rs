//! Finds the faces in gates' frames: by a coarse pass while nobody is near, in full otherwise.

use gatehouse_faces::{Face, FaceDetector, FaceError};
use gatehouse_gate::{COARSE_SCORE, COARSE_SIDES_PX};
use gatehouse_runtime::ModelError;

use super::detection::DetectJob;

/// Score (0–1) from which on a detection is a face. YuNet's scores are bimodal; its authors chose
/// this value.
const MIN_FACE_SCORE: f32 = 0.7;

/// Finds faces with a detector of its own. Reuses its buffers.
pub(super) struct FaceFinder {
    detector: FaceDetector,
    /// True if the coarse pass saves time: on a processor, whose time grows with the pixels.
    has_coarse_pass: bool,
    /// For each frame, the longer side of the coarse pass's picture; `None` for a full search.
    sides: Vec<Option<usize>>,
    found: Vec<Vec<Face>>,
    /// Frames that are searched in full after a coarse pass, and their faces.
    again: Vec<usize>,
    in_full: Vec<Vec<Face>>,
}

impl FaceFinder {
    /// Warms up the detector: the first run at each size of picture takes several times as long as
    /// the next.
    ///
    /// # Errors
    /// If the model can't run it.
    pub(super) fn new(mut detector: FaceDetector) -> Result<Self, ModelError> {
        let has_coarse_pass = detector.provider().takes_processors();
        if has_coarse_pass {
            COARSE_SIDES_PX.into_iter().try_for_each(|side| detector.benchmark(1, Some(side)))?;
        }
        Ok(Self {
            detector,
            has_coarse_pass,
            sides: Vec::new(),
            found: Vec::new(),
            again: Vec::new(),
            in_full: Vec::new(),
        })
    }

    /// The faces in each frame.
    ///
    /// # Errors
    /// If a picture can't be converted or the inference fails.
    pub(super) fn find(&mut self, batch: &[DetectJob]) -> Result<&[Vec<Face>], FaceError> {
        let Self { detector, has_coarse_pass, sides, found, again, in_full } = self;
        let side = |job: &DetectJob| job.pipeline.coarse_side_px(job.frame.size()).filter(|_| *has_coarse_pass);
        sides.clear();
        sides.extend(batch.iter().map(side));
        let pictures = batch.iter().zip(&*sides).map(|(job, side)| (job.frame.picture(), *side));
        detector.detect_at(pictures, COARSE_SCORE, found)?;
        again.clear();
        let may_be_near = |i: &usize| sides[*i].is_some() && batch[*i].pipeline.may_be_near(&found[*i]);
        again.extend((0..batch.len()).filter(may_be_near));
        detector.detect_at(again.iter().map(|i| (batch[*i].frame.picture(), None)), MIN_FACE_SCORE, in_full)?;
        again.iter().zip(in_full).for_each(|(i, faces)| std::mem::swap(&mut found[*i], faces));
        found.iter_mut().for_each(|faces| faces.retain(|face| face.score >= MIN_FACE_SCORE));
        Ok(found)
    }
}
