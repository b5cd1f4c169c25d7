//! From pictures of a person to their template, with errors that the staff at the desk can act on.
//!
//! Detector, alignment and embedder are the same as at the gate.
//!
//! 1. [`examine`] checks each picture: one face, of sufficient quality. It reports all problems at
//!    once.
//! 2. [`fuse`] joins the embeddings: all pictures must show the same person.
//! 3. [`refuse_duplicate`] checks that the person is not enrolled already.
//!
//! [`LiveEnrolment`] chooses the pictures if a camera takes them.

mod error;
mod fusion;
mod live;

use gatehouse_faces::{AlignedFace, Face, FaceDetector, align_face};
use gatehouse_picture::YuvPicture;

use crate::quality::{Limits, Problem, Quality, assess};

pub use error::{EnrolError, Problems};
pub use fusion::{fuse, refuse_duplicate};
pub use live::{Candidate, LiveEnrolment, LiveRules};

/// Least score of a face in a picture that is meant to show one.
const MIN_FACE_SCORE: f32 = 0.7;

/// The only face of a picture, of sufficient quality for enrolment.
#[derive(Debug)]
pub struct Portrait {
    /// The detected face.
    pub face: Face,
    /// The face, cut out for the embedder.
    pub aligned: AlignedFace,
    /// Its quality.
    pub quality: Quality,
}

/// Finds and checks the only face in a picture. A camera's picture is analysed as a photo is.
///
/// # Errors
/// [`EnrolError::Unsuitable`] with all problems of the picture, or a model's error.
pub fn examine(detector: &mut FaceDetector, picture: &YuvPicture<'_>, limits: &Limits) -> Result<Portrait, EnrolError> {
    let mut faces = Vec::new();
    detector.detect_in_photos(std::slice::from_ref(picture), MIN_FACE_SCORE, &mut faces)?;
    let faces = faces.pop().unwrap_or_default();
    let face = largest(&faces).ok_or_else(|| EnrolError::Unsuitable(Problems(vec![Problem::NoFace])))?;
    let aligned = align_face(picture, &face.landmarks_in_frame)?;
    let quality = assess(face, picture.size(), &aligned);
    let mut problems = quality.problems(limits);
    // Report the largest face's problems too: the next picture should not have them.
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
