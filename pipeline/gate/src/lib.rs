//! Gate cameras: from the faces in a frame to `admit` or `refer`.
//!
//! Everything here is a function of observations and times that are passed in. A face that matches no one leaves nothing
//! behind: tracks hold boxes and verdicts, never pixels or embeddings, and are forgotten two seconds after the face is.

pub mod decision;
pub mod enrol;
pub mod gallery;
pub mod track;

mod gate;

pub use gallery::{Enrolled, Gallery, PersonKey};
pub use gate::{EntryDraft, Gate, GateOptions, Probe, ProbeTimes};
