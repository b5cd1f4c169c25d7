//! A gate controller's file, checked: which door, whom it trusts, what moves it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::document::Places;
use crate::error::{ConfigError, ConfigErrors};
use crate::http_url::HttpUrl;
use crate::public_key::PublicKeyRef;
use crate::secret::SecretRef;
use crate::site::Bus;

/// One door, as its file describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Door {
    /// The version of the file's format: 1.
    pub version: u32,
    /// The door's name, one zenoh chunk.
    pub id: String,
    /// The gate whose decisions open it.
    pub gate: String,
    /// Where the site belongs, as in the site file.
    pub area: String,
    /// The site.
    pub site: String,
    /// The node that serves the gate.
    pub node: String,
    /// The site's public key.
    pub public_key: PublicKeyRef,
    /// What the door does without the node.
    pub fail: Fail,
    /// How long nothing may be heard of the node until it counts as lost, 1 s to 1 h.
    pub lost_after: Duration,
    /// How long after its capture a grant is worth nothing, 1 s to 1 min.
    pub max_age: Duration,
    /// How far the clocks here and at the node may be apart, 0 to 10 s.
    pub clock_error: Duration,
    /// How long the door stays open for one person, 0.1 s to 1 min.
    pub open_for: Duration,
    /// The door's own folder.
    pub data: PathBuf,
    /// Where the node is reached, at least one endpoint, and where others may connect.
    pub bus: Bus,
    /// What moves the door.
    pub actuator: Actuator,
    /// Where the running controller takes a release.
    pub socket: PathBuf,
    /// Where in the file each value stands.
    pub places: Places,
}

impl Door {
    /// Reads and checks a door file.
    ///
    /// # Errors
    /// Every mistake in the file, or the one reason why it can't be read.
    pub fn load(path: &Path) -> Result<Door, ConfigErrors> {
        crate::read_door::load(path)
    }

    /// Checks the text of a door file. `file_name` is what errors call it, and its folder is where relative paths start;
    /// nothing is read from disk.
    ///
    /// # Errors
    /// Every mistake in the text.
    pub fn parse(text: &str, file_name: &Path) -> Result<Door, ConfigErrors> {
        crate::read_door::parse(text, file_name)
    }

    /// An error about a value that was found out after the file was read, such as a key file that isn't there. Where the
    /// file leaves the value out, the error is about the file as a whole.
    pub fn error_at(&self, path: &str, message: impl Into<String>, help: Option<String>) -> ConfigError {
        self.places.error_at(path, message.into(), help)
    }
}

/// What a door does when it can't reach the node, or its controller is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fail {
    /// It stays shut.
    Secure,
    /// It opens, until the node is back.
    Safe,
}

/// What moves a door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actuator {
    /// How long it may take to answer, 50 ms to 10 s.
    pub timeout: Duration,
    /// What it is.
    pub kind: ActuatorKind,
}

/// What an actuator is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActuatorKind {
    /// Nothing moves; the log says what would.
    Log,
    /// A device that takes HTTP requests.
    Http(HttpActuator),
    /// A relay that speaks Modbus-TCP.
    Modbus(ModbusActuator),
    /// A program.
    Command(CommandActuator),
}

/// A device that takes HTTP requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpActuator {
    /// Where `open` is sent.
    pub url: HttpUrl,
    /// Where `hold` is sent.
    pub hold_url: HttpUrl,
    /// Where `shut` is sent.
    pub shut_url: HttpUrl,
    /// How.
    pub method: HttpMethod,
    /// A secret `Name: value`, sent along.
    pub header: Option<SecretRef>,
}

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HttpMethod {
    /// With a JSON object.
    Post,
    /// With a JSON object.
    Put,
    /// With nothing: each command has its own address.
    Get,
}

/// A relay that speaks Modbus-TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModbusActuator {
    /// `HOST:PORT`.
    pub address: String,
    /// The unit identifier.
    pub unit: u8,
    /// The coil's address in the protocol, from 0.
    pub coil: u16,
    /// How long the coil is on for one person, 50 ms to 1 min. `None`: as long as the door stays open.
    pub pulse: Option<Duration>,
}

/// A program that moves the door.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandActuator {
    /// The program; a relative path has been joined to the door file's folder.
    pub program: PathBuf,
    /// What comes before the command.
    pub args: Vec<String>,
}

impl fmt::Debug for CommandActuator {
    /// Without the arguments, should a password be among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandActuator").field("program", &self.program).finish_non_exhaustive()
    }
}
