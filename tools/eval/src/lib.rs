//! Evaluation of face recognition (ISO/IEC 19795-1), liveness (ISO/IEC 30107-3) and counts.
//!
//! Pictures go through the product's code: the photo reader, the detector, the alignment, the
//! embedder or the liveness model, and for enrolment the rules of `gatehouse-gate`. The result is a
//! value with counts, rates and intervals ([`FaceReport`], [`PadReport`], [`CrowdReport`]), for
//! output as JSON or HTML ([`report`]). No report contains a template or a person's name.
//!
//! Rates that the comparisons can't support are left out and noted: nothing is extrapolated.

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
pub use crowd::{BoxErrors, CountErrors, CrowdEvalOptions, CrowdReport, ScoreBand, evaluate_crowd};
pub use error::EvalError;
pub use faces::{FaceOptions, FaceReport, Protocol, evaluate_faces};
pub use pad::{PadOptions, PadReport, evaluate_pad};
pub use workers::Progress;
