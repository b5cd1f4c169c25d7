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
pub(crate) use examples::Example;
pub(crate) use report::CountedPicture;
pub use report::{CountErrors, CrowdReport};
