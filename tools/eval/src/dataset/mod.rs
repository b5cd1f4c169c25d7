//! Folders of pictures as the evaluations expect them.
//!
//! A folder's name may be a person's name: it is used to tell people apart and to find pairs, and never gets into a
//! report, a message or a log.

mod folders;
mod pairs;

pub(crate) use folders::Grouped;
pub(crate) use pairs::Pairs;
