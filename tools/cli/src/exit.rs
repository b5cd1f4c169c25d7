//! How a command ends: documented exit codes, and one place that prints what went wrong.

use std::process::ExitCode;

/// The end of `gatehouse --help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done
  1  it failed while running; the reason is the last line on standard error
  2  the command line is wrong
  3  the site file, a secret or another input is wrong; every mistake is listed with file, line and column
  4  something is not installed or was altered: run `make setup`, then `gatehouse doctor`
  5  it stopped, but not everything ended or drained within the deadline";

/// Why a command ended otherwise than well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It failed while running.
    Failed = 1,
    /// An input is wrong.
    Input = 3,
    /// Something is not installed or was altered.
    Setup = 4,
    /// It stopped uncleanly.
    Unclean = 5,
}

/// An error with the exit code that goes with it.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What to print.
    pub error: anyhow::Error,
}

impl Failure {
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }

    pub(crate) fn say(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, error: anyhow::Error::msg(message.into()) }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    /// What isn't put in a class of its own failed while running.
    fn from(error: E) -> Self {
        Self::new(Exit::Failed, error)
    }
}

pub(crate) fn code(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { exit, error }) => {
            eprintln!("gatehouse: {}", in_one_line(&error));
            ExitCode::from(exit as u8)
        }
    }
}

/// An error and its causes, without those that a message before them has already told.
fn in_one_line(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| {
        if told.is_empty() {
            cause
        } else if told.contains(&cause) {
            told
        } else {
            format!("{told}: {cause}")
        }
    })
}

/// The class of an error that kept a node from starting.
pub(crate) fn of_node(error: &gatehouse_service::NodeError) -> Exit {
    use gatehouse_service::NodeError as E;
    match error {
        E::Secret { .. }
        | E::Key(_)
        | E::Manifest(_)
        | E::NoThreshold { .. }
        | E::NoLivenessThreshold { .. }
        | E::Calibration { .. }
        | E::NoCalibration { .. }
        | E::Target { .. }
        | E::Ground { .. }
        | E::ZoneGround { .. } => Exit::Input,
        E::Model(_) => Exit::Setup,
        E::StoreFolder { .. } | E::Store(_) | E::Bus(_) | E::Capture(_) | E::Thread(_) => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let error = anyhow::anyhow!("disk full").context("site.db: can't write (disk full)").context("enrolling");
        assert_eq!(in_one_line(&error), "enrolling: site.db: can't write (disk full)");
    }
}
