//! What keeps an evaluation from being made. What is wrong with single pictures is counted, not an error.

use std::path::PathBuf;

use gatehouse_runtime::ModelError;

/// An evaluation that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A folder or file can't be read.
    #[error("{}: can't be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No picture where pictures should be.
    #[error("{}: {expected}, found {found}", path.display())]
    Layout {
        /// The folder.
        path: PathBuf,
        /// How it should be laid out.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A line of a list of pairs is wrong. The line isn't shown, for it has names.
    #[error("{}:{line}: expected {expected}, got {fields} field(s)", path.display())]
    Pairs {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What should be there.
        expected: &'static str,
        /// How many fields there are, between tabs or spaces.
        fields: usize,
    },
    /// None of the pairs' pictures is there.
    #[error("{}: none of its {pairs} pairs has both pictures in the folder; expected PERSON/PERSON_0001.jpg and so on", path.display())]
    NoPair {
        /// The list.
        path: PathBuf,
        /// How many pairs it has.
        pairs: usize,
    },
    /// The marks of a folder of crowds are wrong.
    #[error("{}: {reason}", path.display())]
    Points {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column where there is one.
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
    /// What the model's manifest must state for this.
    #[error("model `{model}`: its manifest states no threshold, so there is nothing to evaluate it at")]
    NoThreshold {
        /// The model.
        model: String,
    },
    /// A plot can't be drawn.
    #[error("the plot can't be drawn: {0}")]
    Plot(String),
}
