//! Actuators: the devices and programs that move the door.

mod command;
mod http;
mod log;
mod login;
mod modbus;

use std::fmt;
use std::time::Duration;

use gatehouse_config as config;

use command::CommandActuator;
use http::HttpActuator;
use log::LogActuator;
use modbus::ModbusActuator;

/// A command to the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Open for one person, for this long.
    Open(Duration),
    /// Open until the next command.
    Hold,
    /// Shut.
    Shut,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(time) => write!(f, "open for {} ms", time.as_millis()),
            Self::Hold => f.write_str("hold open"),
            Self::Shut => f.write_str("shut"),
        }
    }
}

/// Moves a door. Each command succeeds or fails within the actuator's deadline.
pub trait Actuator: Send {
    /// Carries out a command.
    ///
    /// # Errors
    /// If the device has not confirmed it.
    fn apply(&mut self, command: Command) -> Result<(), ActuatorError>;

    /// Time from a [`Command::Open`] to the [`Command::Shut`] that must follow; `None` if the
    /// device shuts by itself.
    fn shut_after(&self, _open_for: Duration) -> Option<Duration> {
        None
    }
}

/// Why the door may not have moved. Contains no secret.
#[derive(Debug, thiserror::Error)]
pub enum ActuatorError {
    /// The configuration cannot be used.
    #[error("{0}")]
    Setup(String),
    /// No answer in time.
    #[error("{what} did not answer within {} ms", .after.as_millis())]
    TimedOut {
        /// Which device or program.
        what: String,
        /// The time waited.
        after: Duration,
    },
    /// No connection.
    #[error("{what} cannot be reached: {reason}")]
    Unreachable {
        /// Which device or program.
        what: String,
        /// Why.
        reason: String,
    },
    /// The device failed to carry out the command.
    #[error("{what} refused: {reason}")]
    Refused {
        /// Which device or program.
        what: String,
        /// Its answer.
        reason: String,
    },
    /// The device refuses the command itself, so that repeating it soon is of no use.
    #[error("{what} refuses: {reason}")]
    Denied {
        /// Which device.
        what: String,
        /// Its answer.
        reason: String,
    },
}

/// Builds the configured actuator.
///
/// # Errors
/// If its secret cannot be read.
pub fn build(of: &config::Actuator) -> Result<Box<dyn Actuator>, ActuatorError> {
    let timeout = of.timeout;
    Ok(match &of.kind {
        config::ActuatorKind::Log => Box::new(LogActuator),
        config::ActuatorKind::Http(http) => Box::new(HttpActuator::new(http, timeout)?),
        config::ActuatorKind::Modbus(relay) => Box::new(ModbusActuator { config: relay.clone(), timeout, known: None }),
        config::ActuatorKind::Command(program) => Box::new(CommandActuator { config: program.clone(), timeout }),
    })
}
