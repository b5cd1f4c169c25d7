//! Errors that end an evaluation. Faults of single pictures are counted instead.

use std::path::PathBuf;

use gatehouse_runtime::ModelError;

/// The error of an evaluation.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A folder or file can't be read.
    #[error("{}: can't be read: {source}", path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// No picture where pictures should be.
    #[error("{}: {expected}, found {found}", path.display())]
    Layout {
        /// The folder.
        path: PathBuf,
        /// The expected layout.
        expected: &'static str,
        /// The found layout.
        found: String,
    },
    /// A line of a list of pairs is wrong. The error does not show it, because it contains names.
    #[error("{}:{line}: expected {expected}, got {fields} field(s)", path.display())]
    Pairs {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The expected fields.
        expected: &'static str,
        /// The number of fields, between tabs or spaces.
        fields: usize,
    },
    /// None of the pairs' pictures exists.
    #[error("{}: none of its {pairs} pairs has both pictures in the folder; expected PERSON/PERSON_0001.jpg and so on", path.display())]
    NoPair {
        /// The list.
        path: PathBuf,
        /// Its number of pairs.
        pairs: usize,
    },
    /// The marks of a folder of crowds are wrong.
    #[error("{}: {reason}", path.display())]
    Points {
        /// The file.
        path: PathBuf,
        /// The mistake, with line and column if known.
        reason: String,
    },
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
    #[error("model `{model}`: its manifest states no threshold, so there is nothing to evaluate it at")]
    NoThreshold {
        /// The model.
        model: String,
    },
    /// A plot can't be drawn.
    #[error("the plot can't be drawn: {0}")]
    Plot(String),
}
