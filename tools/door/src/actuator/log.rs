//! The logging actuator, for a door without a device.

use super::{Actuator, ActuatorError, Command};

/// Logs each command and moves nothing.
pub(super) struct LogActuator;

impl Actuator for LogActuator {
    fn apply(&mut self, command: Command) -> Result<(), ActuatorError> {
        tracing::info!("command to the door: {command}; no actuator is configured, so nothing moves");
        Ok(())
    }
}
