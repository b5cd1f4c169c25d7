//! Errors of models. Each names the model, what was expected and what was found.

use std::path::PathBuf;

use crate::manifest::{ManifestError, Sha256, Task};
use crate::onnx_runtime::RuntimeError;

/// A file that differs from its manifest.
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
    /// ONNX Runtime can't be used.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A manifest can't be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// No manifest has the name.
    #[error("model `{model}` is unknown; known models: {known}")]
    Unknown {
        /// The unknown name.
        model: String,
        /// Known names, separated by commas.
        known: String,
    },
    /// The model is for another task.
    #[error("model `{model}` is for {got}, expected one for {expected}")]
    WrongTask {
        /// Name.
        model: String,
        /// Expected task.
        expected: Task,
        /// Task in its manifest.
        got: Task,
    },
    /// The file is missing.
    #[error("model `{model}`: no file {}; run `make setup{}`", path.display(), if *opt_in { format!(" WITH={model}") } else { String::new() })]
    Missing {
        /// Name.
        model: String,
        /// Expected path.
        path: PathBuf,
        /// True if `make setup` fetches it on request only.
        opt_in: bool,
    },
    /// The file can't be read.
    #[error("model `{model}`: can't read {}: {source}", path.display())]
    Unreadable {
        /// Name.
        model: String,
        /// The file.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// The file differs from its manifest.
    #[error("model `{model}`: {} {mismatch}; delete it and run `make setup`", path.display())]
    WrongFile {
        /// Name.
        model: String,
        /// The file.
        path: PathBuf,
        /// The difference.
        mismatch: Box<FileMismatch>,
    },
    /// ONNX Runtime refuses the file.
    #[error("model `{model}`: ONNX Runtime can't open it: {message}")]
    Open {
        /// Name.
        model: String,
        /// Its message.
        message: String,
    },
    /// The graph differs from its manifest.
    #[error("model `{model}`: the file differs from its manifest: {}", differences.join("; "))]
    Interface {
        /// Name.
        model: String,
        /// Every difference.
        differences: Vec<String>,
    },
    /// The manifest describes a graph that its task can't use.
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
        /// ONNX Runtime's message.
        message: String,
    },
    /// An output has an unexpected shape.
    #[error("model `{model}`: output `{tensor}` has shape {got:?}, expected {expected:?}")]
    OutputShape {
        /// Name.
        model: String,
        /// Tensor.
        tensor: String,
        /// Expected shape.
        expected: Vec<usize>,
        /// Shape found.
        got: Vec<usize>,
    },
    /// A preview can't be encoded.
    #[error("can't encode a preview as JPEG: {message}")]
    Encode {
        /// The encoder's message.
        message: String,
    },
    /// OpenCV failed.
    #[error("OpenCV, {step}: {message}")]
    OpenCv {
        /// The failed step.
        step: &'static str,
        /// Its words.
        message: String,
    },
}

impl ModelError {
    /// Wraps an OpenCV error of a step.
    pub(crate) fn opencv(step: &'static str) -> impl Fn(opencv::Error) -> Self {
        move |error| Self::OpenCv { step, message: error.message }
    }
}
