//! Errors that end an evaluation. Faults of single pictures are counted instead.

use std::fmt::Display;
use std::io;
use std::path::Path;

use gatehouse_runtime::ModelError;

/// The error of an evaluation.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A folder or file can't be read, or its layout, its marks or a list of pairs is wrong. Says
    /// which, where, what was expected and what was found.
    #[error("{0}")]
    DataSet(String),
    /// A model can't be opened or fails.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A face can't be aligned, embedded or judged.
    #[error(transparent)]
    Face(#[from] gatehouse_faces::FaceError),
    /// A video can't be read.
    #[error(transparent)]
    Video(#[from] gatehouse_capture::CaptureError),
    /// The model's manifest states no threshold.
    #[error("model `{0}`: its manifest states no threshold, so there is nothing to evaluate it at")]
    NoThreshold(String),
    /// A plot can't be drawn.
    #[error("the plot can't be drawn: {0}")]
    Plot(String),
}

impl EvalError {
    pub(crate) fn data_set(path: &Path, reason: impl Display) -> Self {
        Self::DataSet(format!("{}: {reason}", path.display()))
    }

    /// The error of a folder or file that can't be read, for `map_err`.
    pub(crate) fn unreadable(path: &Path) -> impl Fn(io::Error) -> Self + Copy {
        move |error| Self::data_set(path, format_args!("can't be read: {error}"))
    }
}
