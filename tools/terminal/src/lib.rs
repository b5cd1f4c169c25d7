//! What gatehouse's programs share: exit codes, logs, output, stop signals, events as text.

mod core_dump;
pub mod event_text;
mod exit;
mod log;
pub mod print;
mod progress;
mod ready;
pub mod stop;

use std::process::ExitCode;

pub use exit::{EXIT_CODES, Exit, Failure};
pub use log::LogArgs;
pub use progress::progress_bar;
pub use ready::NodeReady;

/// Runs a program's command: starts the log, switches core dumps off, prints the error if there is
/// one, and returns the exit code. `program` is the name in front of the error.
pub fn run(program: &str, log: &LogArgs, command: impl FnOnce() -> Result<(), Failure>) -> ExitCode {
    log.start();
    core_dump::switch_off();
    exit::code(program, command())
}
