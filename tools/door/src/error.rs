//! What keeps a controller from starting.

use std::io;
use std::path::PathBuf;

use gatehouse_bus::BusError;
use gatehouse_config::PublicKeyError;
use gatehouse_credential::VerifierTextError;

use crate::actuator::ActuatorError;
use crate::log_file::LogError;

/// Why a controller didn't start.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// The site's public key can't be had.
    #[error(transparent)]
    KeyFile(#[from] PublicKeyError),
    /// It is no key.
    #[error("the site's public key: {0}")]
    Key(#[from] VerifierTextError),
    /// The actuator can't be set up.
    #[error("the actuator: {0}")]
    Actuator(#[from] ActuatorError),
    /// The door's folder can't be used.
    #[error("the door's folder {folder}: {source}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another controller uses it.
    #[error("another controller is running with the folder {folder}; each door needs one of its own")]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The log can't be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Nobody could release the door.
    #[error("the release socket {socket}: {source}")]
    Socket {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The bus can't be used.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The system starts no thread.
    #[error("no thread could be started: {0}")]
    Thread(io::Error),
}
