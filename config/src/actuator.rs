//! The `[actuator]` table of a door file.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use strum::{EnumString, VariantNames};

use crate::http_url::HttpUrl;
use crate::kind::{ARGUMENTS, HOST_PORT, Kind, integer, milliseconds};
use crate::raw_value::RawValue;
use crate::reader::{Draft, OfKind, Table, TableReader};
use crate::secret::SecretRef;
use crate::table;
use crate::value::{FromToml, KeyType};

/// What moves a door.
#[derive(Debug, Clone, PartialEq)]
pub struct Actuator {
    /// How long it may take to answer, 50 ms to 10 s.
    pub timeout: Duration,
    /// What it is.
    pub kind: ActuatorKind,
}

/// What an actuator is.
#[derive(Debug, Clone, PartialEq)]
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

table! {
    /// What moves the door. `kind` says which of the other keys are needed; a key of another kind
    /// is rejected.
    pub(crate) struct ActuatorKeys = "[actuator]" {
        /// What the actuator is. `"log"`: nothing moves, the log says what would. `"http"`: a
        /// device that takes HTTP requests. `"modbus"`: a relay that speaks Modbus-TCP.
        /// `"command"`: your own program.
        kind: ActuatorName, required, example "modbus", change ProcessRestart;
        /// A device that takes HTTP requests.
        http: OfKind<HttpActuator>, flattened;
        /// A relay that speaks Modbus-TCP.
        modbus: OfKind<ModbusActuator>, flattened;
        /// A program.
        command: OfKind<CommandActuator>, flattened;
        /// How long the actuator may take to answer. After this time the command has failed, and a
        /// program is killed.
        timeout as "timeout_ms": Duration = milliseconds(50..=10_000), default 2000, example 1000,
            change ProcessRestart;
    }
}

/// The value of `kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum ActuatorName {
    Log,
    Http,
    Modbus,
    Command,
}

table! {
    /// A device that takes HTTP requests.
    pub struct HttpActuator = "[actuator]", only for "http", check check_http {
        /// The address to which `open` is sent. A `POST` or `PUT` carries a JSON object:
        /// `{"command": "open", "open_ms": 5000}`, `{"command": "hold"}` (open until the next
        /// command) or `{"command": "shut"}`. The device must shut by itself after `open_ms`.
        url: HttpUrl, required, example "http://192.0.2.20/door", change ProcessRestart;
        /// The HTTP method. A `GET` carries nothing but its address, so it needs `hold_url` and
        /// `shut_url`.
        method: HttpMethod, default "POST", example "POST", change ProcessRestart;
        /// The address to which `hold` is sent: open until the next command.
        hold_url: Option<HttpUrl>, optional "`url`", example "http://192.0.2.20/relay/0?turn=on",
            change ProcessRestart;
        /// The address to which `shut` is sent.
        shut_url: Option<HttpUrl>, optional "`url`", example "http://192.0.2.20/relay/0?turn=off",
            change ProcessRestart;
        /// A header that is sent along, such as a token: a secret of the form `Name: value`.
        header: Option<SecretRef>, optional "none is sent", example "file:secrets/door.header",
            change ProcessRestart;
        /// The device's login: a secret of the form `user:password`. It is sent as the device asks
        /// for it, by Digest (RFC 7616: MD5, SHA-256 or SHA-512-256) or Basic (RFC 7617). A command
        /// then takes up to two requests, each of which may take half of `timeout_ms`.
        login: Option<SecretRef>, optional "no login", example "file:secrets/relay.login",
            change ProcessRestart;
    }
}

impl HttpActuator {
    /// The address to which `hold` is sent.
    pub fn hold_url(&self) -> &HttpUrl {
        self.hold_url.as_ref().unwrap_or(&self.url)
    }

    /// The address to which `shut` is sent.
    pub fn shut_url(&self) -> &HttpUrl {
        self.shut_url.as_ref().unwrap_or(&self.url)
    }
}

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, VariantNames)]
#[strum(serialize_all = "UPPERCASE")]
pub enum HttpMethod {
    /// With a JSON object.
    Post,
    /// With a JSON object.
    Put,
    /// Without a body: each command has its own address.
    Get,
}

fn check_http(table: &TableReader<'_, '_>, http: &Draft<HttpActuator>) {
    let missing: Vec<&str> = ["hold_url", "shut_url"].into_iter().filter(|key| !table.has(key)).collect();
    if http.method == Some(HttpMethod::Get) && !missing.is_empty() {
        let message = format!("`method = \"GET\"` needs an address for each command: {} missing", missing.join(", "));
        table.reject(&["method"], message, None);
    }
}

table! {
    /// A relay that speaks Modbus-TCP.
    pub struct ModbusActuator = "[actuator]", only for "modbus" {
        /// The relay.
        address: String = HOST_PORT, required, example "192.0.2.21:502", change ProcessRestart;
        /// The unit identifier.
        unit: u8 = integer(0..=255), default 1, example 1, change ProcessRestart;
        /// The coil, counted from 0 as in the protocol; many manuals count from 1. On is open.
        coil: u16 = integer(0..=65_535), required, example 0, change ProcessRestart;
        /// How long the coil is on for one person, for a turnstile that needs a short pulse.
        pulse as "pulse_ms": Option<Duration> = milliseconds(50..=60_000), optional "`open_s`", example 500,
            change ProcessRestart;
    }
}

table! {
    /// A program that moves the door.
    pub struct CommandActuator = "[actuator]", only for "command" {
        /// The program. It runs without a shell, with `args` and then `open MILLISECONDS`, `hold`
        /// or `shut`. Exit code 0 means done. It must shut the door by itself after the
        /// milliseconds.
        program: PathBuf, required, example "/usr/local/bin/door", change ProcessRestart;
        /// The arguments before `open`, `hold` or `shut`. Every user of this machine can read a
        /// command line: do not write passwords here.
        args: Arguments = ARGUMENTS, default [], example ["--relay", "1"], change ProcessRestart;
    }
}

/// Arguments of a program. `Debug` hides them, should a password be among them.
#[derive(Clone, PartialEq, Eq)]
pub struct Arguments(Vec<String>);

impl Arguments {
    /// The arguments in order. Not for logs.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} arguments]", self.0.len())
    }
}

impl FromToml for Arguments {
    fn accepts(kind: &Kind) -> bool {
        Vec::<String>::accepts(kind)
    }

    fn from_toml(raw: &RawValue<'_, '_>) -> Option<Self> {
        Vec::from_toml(raw).map(Self)
    }
}

impl KeyType for Actuator {
    const KIND: Kind = Kind::Table(&<ActuatorKeys as Table>::SPEC);
}

impl FromToml for Actuator {
    fn from_toml(raw: &RawValue<'_, '_>) -> Option<Self> {
        let ActuatorKeys { kind, http, modbus, command, timeout } = raw.table()?;
        let kind = match kind {
            ActuatorName::Log => ActuatorKind::Log,
            ActuatorName::Http => ActuatorKind::Http(http.0?),
            ActuatorName::Modbus => ActuatorKind::Modbus(modbus.0?),
            ActuatorName::Command => ActuatorKind::Command(command.0?),
        };
        Some(Self { timeout, kind })
    }
}
