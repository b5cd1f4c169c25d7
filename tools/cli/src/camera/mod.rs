//! `gatehouse camera`: what the cameras of a site see.

pub(crate) mod frames;
mod view;

use clap::Subcommand;
use gatehouse_terminal::Failure;

/// Show, learn and correct what a camera sees
#[derive(Debug, Subcommand)]
pub(crate) enum CameraCommand {
    View(view::ViewArgs),
}

impl CameraCommand {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let Self::View(args) = self;
        view::view(args)
    }
}
