//! What can go wrong with models, each with the model, the place, what was expected and what was found.

use std::path::PathBuf;

use crate::manifest::{ManifestError, Sha256, Task};
use crate::runtime::RuntimeError;

/// Another file than the manifest's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("has SHA-256 {got} and {got_bytes} bytes, expected {expected} and {expected_bytes}")]
pub struct FileMismatch {
    /// Digest in the manifest.
    pub expected: Sha256,
    /// Length in the manifest.
    pub expected_bytes: u64,
    /// Digest found.
    pub got: Sha256,
    /// Length found.
    pub got_bytes: u64,
}

/// A model that can't be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// ONNX Runtime itself.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// No manifest of that name.
    #[error("model `{model}` is unknown; there are {known}")]
    Unknown {
        /// Name asked for.
        model: String,
        /// Names of the others, separated by commas.
        known: String,
    },
    /// A model for something else.
    #[error("model `{model}` is for {got}, expected one for {expected}")]
    WrongTask {
        /// Name.
        model: String,
        /// What it was to be used for.
        expected: Task,
        /// What its manifest says.
        got: Task,
    },
    /// The file isn't there.
    #[error("model `{model}`: no file {}; run `make setup{}`", path.display(), if *opt_in { format!(" WITH={model}") } else { String::new() })]
    Missing {
        /// Name.
        model: String,
        /// Where it should be.
        path: PathBuf,
        /// Whether it is fetched only where somebody asks for it.
        opt_in: bool,
    },
    /// The file can't be read.
    #[error("model `{model}`: can't read {}: {source}", path.display())]
    Unreadable {
        /// Name.
        model: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not the one of the manifest.
    #[error("model `{model}`: {} {mismatch}; delete it and run `make setup`", path.display())]
    WrongFile {
        /// Name.
        model: String,
        /// The file.
        path: PathBuf,
        /// What differs.
        mismatch: Box<FileMismatch>,
    },
    /// ONNX Runtime refuses the file.
    #[error("model `{model}`: ONNX Runtime can't open it: {message}")]
    Open {
        /// Name.
        model: String,
        /// Its words.
        message: String,
    },
    /// The graph is not what the manifest says.
    #[error("model `{model}`: the file differs from its manifest: {}", differences.join("; "))]
    Interface {
        /// Name.
        model: String,
        /// Every difference.
        differences: Vec<String>,
    },
    /// The manifest describes a graph that the code for its task can't use.
    #[error("model `{model}`: {message}")]
    Unsuitable {
        /// Name.
        model: String,
        /// What is missing.
        message: String,
    },
    /// An inference failed.
    #[error("model `{model}`: inference on {shape:?} failed: {message}")]
    Run {
        /// Name.
        model: String,
        /// Shape of the input tensor.
        shape: [usize; 4],
        /// ONNX Runtime's words.
        message: String,
    },
    /// An output has another shape than its input calls for.
    #[error("model `{model}`: output `{tensor}` has shape {got:?}, expected {expected:?}")]
    OutputShape {
        /// Name.
        model: String,
        /// Tensor.
        tensor: String,
        /// Shape that the input calls for.
        expected: Vec<usize>,
        /// Shape found.
        got: Vec<usize>,
    },
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
    /// OpenCV failed.
    #[error("OpenCV, {step}: {message}")]
    OpenCv {
        /// What it was to do.
        step: &'static str,
        /// Its words.
        message: String,
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

impl ModelError {
    /// Names the step that OpenCV failed in.
    pub(crate) fn opencv(step: &'static str) -> impl Fn(opencv::Error) -> Self {
        move |error| Self::OpenCv { step, message: error.message }
    }
}
