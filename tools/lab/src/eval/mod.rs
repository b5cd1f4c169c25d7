//! `gatehouse-lab eval`: measures recognition, liveness and counting on the user's pictures.

mod common;
mod crowd;
mod face;
mod pad;

use clap::Subcommand;
use gatehouse_terminal::Failure;

/// Measure face recognition, liveness or counting on your own pictures
///
/// Pictures go through the product's own detectors, alignment and models. Reports contain counts
/// and rates with intervals, and no names. Only the HTML report about crowds shows pictures: the
/// twelve with the largest errors.
#[derive(Debug, Subcommand)]
pub(crate) enum EvalCommand {
    Face(face::FaceArgs),
    Pad(pad::PadArgs),
    Crowd(crowd::CrowdArgs),
}

impl EvalCommand {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Face(args) => face::face(args),
            Self::Pad(args) => pad::pad(args),
            Self::Crowd(args) => crowd::crowd(args),
        }
    }
}
