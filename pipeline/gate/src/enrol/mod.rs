//! From pictures of a person to their template: the same detector, alignment and embedder as at the gate, with reasons that
//! the staff at the desk can act on.
//!
//! 1. [`examine`] each picture: one face, and good enough. All that is wrong with it is told at once.
//! 2. [`fuse`] what the embedder makes of them: they must all show the same person.
//! 3. [`refuse_duplicate`]: the person must not be enrolled already.
//!
//! [`LiveEnrolment`] chooses the pictures where a camera takes them.

mod error;
mod fusion;
mod live;

use gatehouse_faces::{AlignedFace, Face, FaceDetector, align_face};
use gatehouse_picture::YuvPicture;

use crate::quality::{Limits, Problem, Quality, assess};

pub use error::{EnrolError, Problems};
pub use fusion::{EnrolmentTemplate, fuse, refuse_duplicate};
pub use live::{Candidate, LiveEnrolment, LiveRules, Offered};

/// Score from which on a detection is a face, for a picture that is meant to show one.
const MIN_FACE_SCORE: f32 = 0.7;

/// The one face of a picture, good enough to enrol by.
#[derive(Debug)]
pub struct Portrait {
    /// Where it is.
    pub face: Face,
    /// Cut out for the embedder.
    pub aligned: AlignedFace,
    /// What was measured.
    pub quality: Quality,
}

/// The one face in a picture, looked at as photos are, whether a file or a camera gave it.
///
/// # Errors
/// [`EnrolError::Unsuitable`] with all that is wrong with the picture, or a model's failure.
pub fn examine(detector: &mut FaceDetector, picture: &YuvPicture<'_>, limits: &Limits) -> Result<Portrait, EnrolError> {
    let mut faces = Vec::new();
    detector.detect_in_photos(std::slice::from_ref(picture), MIN_FACE_SCORE, &mut faces)?;
    let faces = faces.pop().unwrap_or_default();
    let face = largest(&faces).ok_or_else(|| EnrolError::Unsuitable(Problems(vec![Problem::NoFace])))?;
    let aligned = align_face(picture, &face.landmarks_in_frame)?;
    let quality = assess(face, picture.size(), &aligned);
    let mut problems = quality.problems(limits);
    // The largest face's own problems are told as well: the next picture should be without them.
    if faces.len() > 1 {
        problems.insert(0, Problem::SeveralFaces { found: faces.len() });
    }
    if problems.is_empty() {
        Ok(Portrait { face: *face, aligned, quality })
    } else {
        Err(EnrolError::Unsuitable(Problems(problems)))
    }
}

fn largest(faces: &[Face]) -> Option<&Face> {
    faces.iter().max_by(|a, b| a.box_in_frame.area().total_cmp(&b.box_in_frame.area()))
}
