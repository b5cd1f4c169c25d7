//! Data sets' folders, whose names may be people's: these are in no report, message or log.

mod folders;
mod pairs;

pub(crate) use folders::Grouped;
pub(crate) use pairs::Pairs;
