//! `gatehouse camera`: what the cameras of a site see.

pub(crate) mod frames;
pub(crate) mod view;

use clap::Subcommand;

/// Show, learn and correct what a camera sees
#[derive(Debug, Subcommand)]
pub(crate) enum CameraCommand {
    View(view::ViewArgs),
}
