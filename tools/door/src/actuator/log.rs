//! No actuator: the log says what one would do.

use std::time::Duration;

use super::{Actuator, ActuatorError, Command};

/// Moves nothing.
#[derive(Debug, Clone, Copy)]
pub struct LogActuator;

impl Actuator for LogActuator {
    fn apply(&mut self, command: Command) -> Result<(), ActuatorError> {
        tracing::info!("the door would {command}; no actuator is set up");
        Ok(())
    }

    fn shut_after(&self, _: Duration) -> Option<Duration> {
        None
    }
}
