//! Errors of face models.

use gatehouse_runtime::ModelError;

/// A face that can't be cut out, embedded or judged.
#[derive(Debug, thiserror::Error)]
pub enum FaceError {
    /// The model can't be run.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// An embedding that is no vector of finite numbers, or has no length.
    #[error("model `{model}`: the embedding of face {index} of the batch is not finite or zero")]
    BadEmbedding {
        /// Name.
        model: String,
        /// Which of the batch, from 0.
        index: usize,
    },
    /// A liveness score that is no number.
    #[error("model `{model}`: the liveness of face {index} of the batch is not finite")]
    BadLiveness {
        /// Name.
        model: String,
        /// Which of the batch, from 0.
        index: usize,
    },
    /// A box that no face can be cut out by.
    #[error("a face box of {width}×{height} pixels at {x}, {y} is empty or has no place in a frame of {frame}")]
    FaceBox {
        /// Left edge.
        x: f32,
        /// Upper edge.
        y: f32,
        /// Width.
        width: f32,
        /// Height.
        height: f32,
        /// The frame.
        frame: gatehouse_picture::Size,
    },
    /// Landmarks that no face can be aligned by.
    #[error("the five landmarks give no transform: they are not finite or all in one place")]
    Landmarks,
    /// A vector that has no direction, or not 128 numbers.
    #[error("{what} is {expected} finite numbers, not all 0; got {got} numbers{}", if *finite { "" } else { " that are not all finite, or all 0" })]
    NotADirection {
        /// "an embedding" or "a template".
        what: &'static str,
        /// Numbers needed.
        expected: usize,
        /// Numbers found.
        got: usize,
        /// Whether they would do but for their count.
        finite: bool,
    },
}
