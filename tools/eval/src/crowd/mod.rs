//! Evaluation of counting people: pictures in which each person's head is marked, counted as a crowd camera counts them.

mod evaluate;
mod marks;
mod report;

pub use evaluate::{CrowdEvalOptions, evaluate_crowd};
pub use report::{CountErrors, CountedPicture, CrowdDataset, CrowdReport};
