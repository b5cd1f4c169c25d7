//! Evaluation of face recognition after ISO/IEC 19795-1: verification, identification and failures
//! to acquire.

mod evaluate;
mod identification;
mod report;
mod verification;

pub use evaluate::{FaceOptions, Protocol, evaluate_faces};
pub use report::{
    AccuracyDetail, ComparisonSet, Curve, DatasetFacts, FaceReport, FailureDetail, FnirAt, FnmrAt, Identification,
    ModelFacts, UsableFacts,
};
