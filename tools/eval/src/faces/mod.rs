//! Face recognition after ISO/IEC 19795-1: verification, identification, failures to acquire.

mod evaluate;
mod identification;
mod report;
mod verification;

pub use evaluate::{FaceOptions, Protocol, evaluate_faces};
pub use report::FaceReport;
pub(crate) use report::{ComparisonSet, FailureDetail, ModelFacts};
