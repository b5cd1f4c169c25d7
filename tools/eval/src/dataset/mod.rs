//! Folders of pictures as the evaluations expect them.
//!
//! A folder's name may be a person's name. It identifies people and pairs, and never appears in a
//! report, a message or a log.

mod folders;
mod pairs;

pub(crate) use folders::Grouped;
pub(crate) use pairs::Pairs;
