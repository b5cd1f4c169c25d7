//! From photos to templates: the same detector, alignment and embedder as at the gate, with reasons that the staff at the
//! desk can act on.

use gatehouse_models::{Embedding, Face, FaceDetector, FaceEmbedder, ModelError, align_face};
use gatehouse_picture::YuvPicture;

/// Score from which on a detection is a face, for a photo that is meant to show one.
const MIN_FACE_SCORE: f32 = 0.7;
/// Eyes closer together than this give a template that is worse than the gate's own pictures.
const MIN_EYE_DISTANCE_PX: f32 = 40.0;

/// Why a photo, or a set of them, gives no template.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// No face was found.
    #[error("no face was found: take a photo from the front, with the whole face in even light")]
    NoFace,
    /// More than one face was found.
    #[error("{0} faces were found: take a photo with nobody else in it")]
    SeveralFaces(usize),
    /// The face is too small.
    #[error(
        "the face is too small: {got:.0} pixels between the eyes, at least {MIN_EYE_DISTANCE_PX} are needed; go nearer"
    )]
    TooSmall {
        /// Pixels between the eyes.
        got: f32,
    },
    /// Two photos don't show the same person.
    #[error(
        "photos {first} and {second} don't seem to show the same person (likeness {score:.2}, needed {threshold:.2})"
    )]
    NotTheSame {
        /// Number of the first photo, from 1.
        first: usize,
        /// Number of the second.
        second: usize,
        /// Cosine of the two.
        score: f32,
        /// Cosine needed.
        threshold: f32,
    },
    /// A model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// The template of the one face in a photo.
///
/// # Errors
/// If there isn't exactly one face, it is too small, or a model fails.
pub fn template(
    detector: &mut FaceDetector,
    embedder: &mut FaceEmbedder,
    photo: &YuvPicture<'_>,
) -> Result<Embedding, EnrolError> {
    let mut faces = Vec::new();
    detector.detect(std::slice::from_ref(photo), MIN_FACE_SCORE, &mut faces)?;
    let face = only_face(faces.first().map_or(&[], Vec::as_slice))?;
    let aligned = align_face(photo, &face.landmarks_in_frame)?;
    let mut embeddings = Vec::new();
    embedder.embed(&[aligned], &mut embeddings)?;
    embeddings.pop().ok_or(EnrolError::NoFace)
}

fn only_face(faces: &[Face]) -> Result<&Face, EnrolError> {
    match faces {
        [] => Err(EnrolError::NoFace),
        [face] if face.eye_distance_px() < MIN_EYE_DISTANCE_PX => {
            Err(EnrolError::TooSmall { got: face.eye_distance_px() })
        }
        [face] => Ok(face),
        several => Err(EnrolError::SeveralFaces(several.len())),
    }
}

/// Checks that all templates of one enrolment are of one person.
///
/// # Errors
/// The first pair that scores below the threshold.
pub fn check_same_person(templates: &[Embedding], threshold: f32) -> Result<(), EnrolError> {
    for (second, b) in templates.iter().enumerate() {
        for (first, a) in templates[..second].iter().enumerate() {
            let score = a.cosine(b);
            if score < threshold {
                return Err(EnrolError::NotTheSame { first: first + 1, second: second + 1, score, threshold });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use gatehouse_picture::{Point, Rect};

    use super::*;

    fn face(eye_distance: f32) -> Face {
        let p = |x: f32| Point { x, y: 0.0 };
        let box_in_frame = Rect { x: 0.0, y: 0.0, width: 100.0, height: 120.0 };
        Face { box_in_frame, score: 0.9, landmarks_in_frame: [p(0.0), p(eye_distance), p(1.0), p(2.0), p(3.0)] }
    }

    #[test]
    fn reasons_are_for_the_person_at_the_desk() {
        let reason = |faces: &[Face]| only_face(faces).expect_err("not one good face").to_string();
        assert!(reason(&[]).starts_with("no face was found"));
        assert!(reason(&[face(60.0), face(60.0)]).starts_with("2 faces were found"));
        assert!(reason(&[face(22.4)]).starts_with("the face is too small: 22 pixels between the eyes, at least 40"));
        assert!(only_face(&[face(40.0)]).is_ok());
    }

    #[test]
    fn photos_of_two_people_are_refused_and_named() {
        let at = |x: f32, y: f32| {
            let mut values = [0.0; 128];
            (values[0], values[1]) = (x, y);
            Embedding::from_slice(&values).expect("128 finite numbers")
        };
        let templates = [at(1.0, 0.0), at(0.9, 0.1), at(0.0, 1.0)];
        assert!(check_same_person(&templates[..2], 0.4).is_ok());
        let error = check_same_person(&templates, 0.4).expect_err("the third is somebody else");
        assert!(matches!(error, EnrolError::NotTheSame { first: 1, second: 3, .. }), "{error}");
    }
}
