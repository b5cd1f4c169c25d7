//! How a program ends: documented exit codes, and the one place that prints the error.

use std::process::ExitCode;

/// The documentation of all exit codes: the end of each program's `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed while running; the last line on standard error says why
  2  the command line is wrong
  3  an input is wrong, such as the site file or a secret; mistakes in a file are listed with line and column
  4  something is not installed or was altered: run `make setup`, then `gatehouse doctor`
  5  stopped, but not everything ended or drained within the deadline";

/// The class of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The program failed while running.
    Failed = 1,
    /// An input is wrong.
    Input = 3,
    /// Something is not installed or was altered.
    Setup = 4,
    /// The program stopped uncleanly.
    Unclean = 5,
}

/// An error and its exit code.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// The error to print.
    pub error: anyhow::Error,
}

impl Failure {
    /// An error of a given class.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }

    /// A message with a given class.
    pub fn message(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, error: anyhow::Error::msg(message.into()) }
    }

    /// An error in an input.
    pub fn input(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Exit::Input, error)
    }

    /// An error in the installation.
    pub fn setup(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Exit::Setup, error)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    /// An error without a class of its own is one of [`Exit::Failed`].
    fn from(error: E) -> Self {
        Self::new(Exit::Failed, error)
    }
}

/// Prints the error, if there is one, and returns the exit code.
pub(crate) fn code(program: &str, outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { exit, error }) => {
            eprintln!("{program}: {}", one_line(&error));
            ExitCode::from(exit as u8)
        }
    }
}

/// An error and its causes, without the causes that an earlier message already contains.
fn one_line(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |line, cause| {
        if line.is_empty() {
            cause
        } else if line.contains(&cause) {
            line
        } else {
            format!("{line}: {cause}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_printed_once() {
        let error = anyhow::anyhow!("disk full").context("site.db: can't write (disk full)").context("enrolling");
        assert_eq!(one_line(&error), "enrolling: site.db: can't write (disk full)");
    }

    #[test]
    fn every_exit_code_is_documented() {
        for exit in [Exit::Failed, Exit::Input, Exit::Setup, Exit::Unclean] {
            let line = match exit {
                Exit::Failed => "\n  1  failed",
                Exit::Input => "\n  3  an input is wrong",
                Exit::Setup => "\n  4  something is not installed",
                Exit::Unclean => "\n  5  stopped",
            };
            assert!(line.starts_with(&format!("\n  {}  ", exit as u8)) && EXIT_CODES.contains(line), "{line}");
        }
    }
}
