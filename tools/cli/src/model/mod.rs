//! `gatehouse model`: the models and their thresholds.

pub(crate) mod list;
pub(crate) mod threshold;

use clap::Subcommand;

/// List models, and show what match thresholds mean
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    List(list::ListArgs),
    Threshold(threshold::ThresholdArgs),
}
