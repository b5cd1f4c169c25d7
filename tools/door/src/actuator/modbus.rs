//! The Modbus-TCP actuator (Modbus Messaging on TCP/IP, V1.0b): one coil, where on means open.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;

use gatehouse_config::ModbusActuator as Config;
use tokio_modbus::client::sync::{Writer, tcp};
use tokio_modbus::{ExceptionCode, Slave};

use super::{Actuator, ActuatorError, Command};

/// Writes the coil (function code 5), each time over a new connection: many relays silently drop
/// idle ones.
pub(super) struct ModbusActuator {
    pub(super) config: Config,
    pub(super) timeout: Duration,
    /// Last resolved address: a door must open although the name server is down.
    pub(super) known: Option<SocketAddr>,
}

impl ModbusActuator {
    /// Time for each of the three steps: resolving the name, connecting, and writing.
    fn step(&self) -> Duration {
        self.timeout / 3
    }

    fn what(&self) -> String {
        format!("the relay {} (unit {}, coil {})", self.config.address, self.config.unit, self.config.coil)
    }

    fn error(&self, error: io::Error) -> ActuatorError {
        match error.kind() {
            io::ErrorKind::TimedOut => ActuatorError::TimedOut { what: self.what(), after: self.timeout },
            _ => ActuatorError::Unreachable { what: self.what(), reason: error.to_string() },
        }
    }

    /// The relay's address. It is resolved on another thread, since that may take longer than a
    /// door can wait.
    fn address(&mut self) -> io::Result<SocketAddr> {
        if let Ok(address) = self.config.address.parse() {
            return Ok(address);
        }
        let (name, (sender, answer)) = (self.config.address.clone(), mpsc::channel());
        let ask = move || drop(sender.send(name.to_socket_addrs().map(|mut found| found.next())));
        std::thread::Builder::new().name("door-name".to_owned()).spawn(ask)?;
        match answer.recv_timeout(self.step()) {
            Ok(Ok(Some(address))) => {
                self.known = Some(address);
                Ok(address)
            }
            other => self.known.ok_or_else(|| match other {
                Ok(Err(error)) => error,
                _ => io::Error::new(io::ErrorKind::NotFound, "its name is not known"),
            }),
        }
    }

    fn write(&mut self, on: bool) -> Result<(), ActuatorError> {
        let address = self.address().map_err(|error| self.error(error))?;
        let mut relay = tcp::connect_slave_with_timeout(address, Slave(self.config.unit), Some(self.step()))
            .map_err(|error| self.error(error))?;
        match relay.write_single_coil(self.config.coil, on) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(exception)) => {
                let (what, reason) = (self.what(), format!("Modbus exception: {exception}"));
                Err(match exception {
                    // It has no such coil, or takes no such command.
                    ExceptionCode::IllegalFunction
                    | ExceptionCode::IllegalDataAddress
                    | ExceptionCode::IllegalDataValue => ActuatorError::Denied { what, reason },
                    _ => ActuatorError::Refused { what, reason },
                })
            }
            Err(tokio_modbus::Error::Transport(error)) => Err(self.error(error)),
            Err(tokio_modbus::Error::Protocol(error)) => {
                Err(ActuatorError::Refused { what: self.what(), reason: error.to_string() })
            }
        }
    }
}

impl Actuator for ModbusActuator {
    fn apply(&mut self, command: Command) -> Result<(), ActuatorError> {
        self.write(!matches!(command, Command::Shut))
    }

    fn shut_after(&self, open_for: Duration) -> Option<Duration> {
        Some(self.config.pulse.unwrap_or(open_for))
    }
}
