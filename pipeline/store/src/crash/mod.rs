//! Tests of what a crash leaves: a process killed before every statement that writes, and journals
//! cut off anywhere.
//!
//! The child is this test binary. Its environment says what to do and before which statement to
//! die. Nothing is written between two statements, so a killed process can leave no other state. A
//! power cut can also leave any beginning of a journal; `cut_journals` tries those.

mod child;
mod cut_journals;
mod killed;
mod operations;
mod site;
mod state;

pub(crate) use child::watched;
