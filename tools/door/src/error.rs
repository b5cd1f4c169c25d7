//! Errors at a controller's start.

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
    /// The site's public key cannot be read.
    #[error(transparent)]
    KeyFile(#[from] PublicKeyError),
    /// It is not a public key.
    #[error("the site's public key: {0}")]
    Key(#[from] VerifierTextError),
    /// The actuator cannot be set up.
    #[error("the actuator: {0}")]
    Actuator(#[from] ActuatorError),
    /// The door's folder cannot be used.
    #[error("cannot use the door's folder {folder}: {source}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Another controller uses it.
    #[error("another controller uses the folder {0}; stop it, or give this door its own folder")]
    InUse(PathBuf),
    /// The log cannot be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The release socket cannot be opened, so nobody could release the door.
    #[error("cannot listen at the release socket {socket}: {source}")]
    Socket {
        /// The socket.
        socket: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The bus cannot be used.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}
