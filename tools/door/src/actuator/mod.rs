//! What moves the door.

mod command;
mod http;
mod log;
mod modbus;

use std::fmt;
use std::time::Duration;

use gatehouse_config as config;

pub use command::CommandActuator;
pub use http::HttpActuator;
pub use log::LogActuator;
pub use modbus::ModbusActuator;

/// What the door is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Open for one person, for so long.
    Open(Duration),
    /// Open until told otherwise.
    Hold,
    /// Shut.
    Shut,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(time) => write!(f, "open for {} ms", time.as_millis()),
            Self::Hold => f.write_str("open until told otherwise"),
            Self::Shut => f.write_str("shut"),
        }
    }
}

/// Moves a door. Each command ends within the actuator's deadline, done or failed.
pub trait Actuator: Send {
    /// Does it.
    ///
    /// # Errors
    /// If it isn't sure that it was done.
    fn apply(&mut self, command: Command) -> Result<(), ActuatorError>;

    /// When the door must be told to shut after an [`Command::Open`]; none if it does so by itself.
    fn shut_after(&self, open_for: Duration) -> Option<Duration>;
}

/// Why the door may not have moved. Says nothing that may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum ActuatorError {
    /// It can't be set up.
    #[error("{what}: {reason}")]
    Setup {
        /// What.
        what: String,
        /// Why not.
        reason: String,
    },
    /// Nothing came back in time.
    #[error("{what} did not answer within {} ms", .after.as_millis())]
    TimedOut {
        /// What was asked.
        what: String,
        /// How long was waited.
        after: Duration,
    },
    /// It can't be reached.
    #[error("{what} can't be reached: {reason}")]
    Unreachable {
        /// What.
        what: String,
        /// Why not.
        reason: String,
    },
    /// It says no.
    #[error("{what} refused: {reason}")]
    Refused {
        /// What.
        what: String,
        /// What it said.
        reason: String,
    },
}

/// The actuator that a door file describes.
///
/// # Errors
/// If its secret can't be had.
pub fn build(of: &config::Actuator) -> Result<Box<dyn Actuator>, ActuatorError> {
    Ok(match &of.kind {
        config::ActuatorKind::Log => Box::new(LogActuator),
        config::ActuatorKind::Http(http) => Box::new(HttpActuator::new(http, of.timeout)?),
        config::ActuatorKind::Modbus(relay) => Box::new(ModbusActuator::new(relay, of.timeout)),
        config::ActuatorKind::Command(program) => Box::new(CommandActuator::new(program, of.timeout)),
    })
}
