//! Evaluation of liveness (presentation attack detection) after ISO/IEC 30107-3. One picture is one
//! presentation. Videos are not read.

mod evaluate;
mod report;

pub use evaluate::{PadOptions, evaluate_pad};
pub use report::PadReport;
