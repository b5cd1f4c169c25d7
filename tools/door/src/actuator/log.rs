//! The logging actuator, for a door without a device.

use std::time::Duration;

use super::{Actuator, ActuatorError, Command};

/// Logs each command and moves nothing.
#[derive(Debug, Clone, Copy)]
pub struct LogActuator;

impl Actuator for LogActuator {
    fn apply(&mut self, command: Command) -> Result<(), ActuatorError> {
        tracing::info!("command to the door: {command}; no actuator is configured, so nothing moves");
        Ok(())
    }

    fn shut_after(&self, _: Duration) -> Option<Duration> {
        None
    }
}
