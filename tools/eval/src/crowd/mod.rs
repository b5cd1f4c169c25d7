//! Evaluation of counting: pictures with marked people, counted as a crowd camera does.

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
