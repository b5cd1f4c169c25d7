//! What can go wrong with models, each with the model, the place, what was expected and what was found.

use std::path::PathBuf;

use crate::manifest::{ManifestError, Sha256, Task};
use crate::onnx_runtime::RuntimeError;

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
    /// A preview can't be encoded.
    #[error("can't encode a preview as JPEG: {message}")]
    Encode {
        /// The encoder's message.
        message: String,
    },
    /// OpenCV failed.
    #[error("OpenCV, {step}: {message}")]
    OpenCv {
        /// What it was to do.
        step: &'static str,
        /// Its words.
        message: String,
    },
}

impl ModelError {
    /// Names the step that OpenCV failed in.
    pub(crate) fn opencv(step: &'static str) -> impl Fn(opencv::Error) -> Self {
        move |error| Self::OpenCv { step, message: error.message }
    }
}
