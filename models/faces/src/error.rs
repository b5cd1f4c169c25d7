//! Errors of face models.

use gatehouse_runtime::ModelError;

/// A face that can't be cut out, embedded or judged.
#[derive(Debug, thiserror::Error)]
pub enum FaceError {
    /// The model can't be run.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// An embedding is not finite, or zero.
    #[error("model `{model}`: the embedding of face {index} of the batch is not finite or zero")]
    BadEmbedding {
        /// Name.
        model: String,
        /// Index in the batch, from 0.
        index: usize,
    },
    /// A liveness score is not finite.
    #[error("model `{model}`: the liveness of face {index} of the batch is not finite")]
    BadLiveness {
        /// Name.
        model: String,
        /// Index in the batch, from 0.
        index: usize,
    },
    /// A face box is empty or outside its frame.
    #[error("a face box of {width}×{height} pixels at {x}, {y} is empty or outside the frame of {frame}")]
    FaceBox {
        /// Left edge.
        x: f32,
        /// Upper edge.
        y: f32,
        /// Width.
        width: f32,
        /// Height.
        height: f32,
        /// Size of the frame.
        frame: gatehouse_picture::Size,
    },
    /// The landmarks give no alignment.
    #[error("the face can't be aligned: its five landmarks are not finite or coincide")]
    Landmarks,
    /// A vector hasn't 128 numbers or no direction.
    #[error("{what} is {expected} finite numbers, not all 0; got {got} numbers{}", if *finite { "" } else { " that are not all finite, or all 0" })]
    NotADirection {
        /// "an embedding" or "a template".
        what: &'static str,
        /// Expected count of numbers.
        expected: usize,
        /// Found count of numbers.
        got: usize,
        /// True if the numbers are finite and not all 0.
        finite: bool,
    },
}
