//! Evaluation of counting people: pictures in which each person is marked, counted as a crowd camera counts them.

mod boxes;
mod count;
mod evaluate;
mod examples;
mod marks;
mod report;
mod sequence;

pub use boxes::{BoxErrors, ScoreBand};
pub use evaluate::{CrowdEvalOptions, evaluate_crowd};
pub use examples::Example;
pub use report::{CountErrors, CountedPicture, CrowdDataset, CrowdReport};
pub use sequence::SequenceFacts;
