//! Why pictures cannot be used to enrol a person, for the staff at the desk.

use std::fmt;

use gatehouse_faces::FaceError;

use crate::quality::Problem;

/// All problems of one picture, the most serious first.
#[derive(Debug, Clone, PartialEq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(". Also, ")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// Why a set of pictures gives no template.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// A picture cannot be used.
    #[error("{0}")]
    Unsuitable(Problems),
    /// There are too few pictures.
    #[error(
        "{got} usable picture(s) were taken, at least {needed} are needed: look straight into the camera and hold still"
    )]
    TooFew {
        /// Number of usable pictures.
        got: usize,
        /// Number needed.
        needed: usize,
    },
    /// Two pictures do not show the same person.
    #[error(
        "pictures {first} and {second} do not seem to show the same person (likeness {score:.2}, needed {threshold:.2})"
    )]
    NotTheSame {
        /// Number of the first picture, counted from 1.
        first: usize,
        /// Number of the second picture.
        second: usize,
        /// Score of the two pictures (a cosine).
        score: f32,
        /// Score needed (a cosine).
        threshold: f32,
    },
    /// A person with a very similar face is enrolled.
    #[error(
        "this face is enrolled already, or very similar to one that is. Ask the person whether they were enrolled before. If \
         so, find that record with their help, and renew or withdraw it. If not, give them a pass: the gate could not \
         distinguish the two people"
    )]
    AlreadyEnrolled,
    /// The camera did not see a live face.
    #[error(
        "the camera saw a picture or a screen instead of a face, or the light misled it: let the person stand in front of it"
    )]
    NotLive,
    /// Liveness could not be judged.
    #[error("the liveness of the face could not be judged: try again in better light")]
    LivenessUnknown,
    /// A model failed.
    #[error(transparent)]
    Model(#[from] FaceError),
}
