//! Evaluation of the product's own path: face recognition after ISO/IEC 19795-1, liveness after ISO/IEC 30107-3, counts of people.
//!
//! Pictures go the way that they go in the product: [`gatehouse_runtime::read_photo`], the detector, the alignment, the
//! embedder or the liveness model, and for enrolment the rules of `gatehouse-gate`. What comes out are counts and rates with
//! intervals, as a value ([`FaceReport`], [`PadReport`], [`CrowdReport`]) that is printed as JSON or shown as HTML ([`report`]). No report
//! holds a picture, a template or a person's name.
//!
//! A rate that the number of comparisons can't support is left out, with the reason in the notes; nothing is extrapolated.

mod acquire;
mod calibration;
mod comparisons;
mod crowd;
mod dataset;
mod enrolment;
mod error;
mod faces;
mod maths;
mod pad;
pub mod report;
mod workers;

pub use acquire::ModelChoice;
pub use calibration::calibration;
pub use crowd::{
    BoxErrors, CountErrors, CountedPicture, CrowdDataset, CrowdEvalOptions, CrowdReport, Example, ScoreBand,
    SequenceFacts, evaluate_crowd,
};
pub use error::EvalError;
pub use faces::{
    AccuracyDetail, ComparisonSet, Curve, DatasetFacts, FaceOptions, FaceReport, FailureDetail, FnirAt, FnmrAt,
    Identification, ModelFacts, Protocol, UsableFacts, evaluate_faces,
};
pub use maths::accuracy::{Accuracy, Fold};
pub use maths::interval::Interval;
pub use maths::scores::{DetPoint, Errors, ScoreCounts};
pub use pad::{PadDataset, PadOptions, PadReport, Presentations, evaluate_pad};
pub use workers::Progress;
