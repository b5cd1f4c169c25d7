//! Why a person can't be enrolled by these pictures, for the staff at the desk.

use std::fmt;

use gatehouse_faces::FaceError;

use crate::quality::Problem;

/// All that is wrong with one picture, the gravest first. Written one after another.
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

/// Why a picture, or a set of them, gives no template.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// A picture can't be used.
    #[error("{0}")]
    Unsuitable(Problems),
    /// Too few pictures.
    #[error(
        "{got} usable picture(s) were taken, at least {needed} are needed: look straight into the camera and hold still"
    )]
    TooFew {
        /// Usable ones.
        got: usize,
        /// Needed.
        needed: usize,
    },
    /// Two pictures don't show the same person.
    #[error(
        "pictures {first} and {second} don't seem to show the same person (likeness {score:.2}, needed {threshold:.2})"
    )]
    NotTheSame {
        /// Number of the first picture, from 1.
        first: usize,
        /// Number of the second.
        second: usize,
        /// Cosine of the two.
        score: f32,
        /// Cosine needed.
        threshold: f32,
    },
    /// Somebody whose face is very like this one has a record.
    #[error(
        "this face is enrolled already, or very like one that is. Ask the person whether they were enrolled before, find that \
         record with their help, and renew or withdraw it. If they were not, give them a pass: the gate could not tell the \
         two apart"
    )]
    AlreadyEnrolled,
    /// The camera didn't see a live face.
    #[error(
        "the camera saw a picture or a screen instead of a face, or the light misled it: have the person stand before it"
    )]
    NotLive,
    /// Whether the face is live could not be told.
    #[error("whether the face is a live one could not be told: try again in better light")]
    LivenessUnknown,
    /// A model failed.
    #[error(transparent)]
    Model(#[from] FaceError),
}
