//! `gatehouse model`: the models and their thresholds.

mod list;
mod threshold;

use clap::Subcommand;
use gatehouse_terminal::Failure;

/// List models, and show what match thresholds mean
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    List(list::ListArgs),
    Threshold(threshold::ThresholdArgs),
}

impl ModelCommand {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::List(args) => list::list(args),
            Self::Threshold(args) => threshold::threshold(args),
        }
    }
}
