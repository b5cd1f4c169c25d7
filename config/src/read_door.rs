//! From the text of a door file to a [`Door`], or to everything that is wrong with it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::document::{Document, Places};
use crate::door::{Actuator, ActuatorKind, CommandActuator, Door, Fail, HttpActuator, HttpMethod, ModbusActuator};
use crate::endpoint::host_and_port;
use crate::error::ConfigErrors;
use crate::http_url::HttpUrl;
use crate::keys::{VERSION, door as keys};
use crate::public_key::PublicKeyRef;
use crate::reader::{Refusal, TableReader};
use crate::site::Bus;
use crate::spec::Key;
use crate::text_value::{area, endpoint, name, path_in, secret};

const DOOR_FILE: Document = Document { name: "door file", root: &keys::ROOT };

/// What fits into a Unix socket's address on every system, with room to spare.
const MAX_SOCKET_BYTES: usize = 100;

pub(crate) fn load(path: &Path) -> Result<Door, ConfigErrors> {
    DOOR_FILE.load(path, root).map(|(door, places)| Door { places, ..door })
}

pub(crate) fn parse(text: &str, file_name: &Path) -> Result<Door, ConfigErrors> {
    DOOR_FILE.parse(text, file_name, root).map(|(door, places)| Door { places, ..door })
}

type Reader<'a, 'c> = TableReader<'a, 'c>;

fn root(t: &mut Reader<'_, '_>) -> Option<Door> {
    let version = t.integer(&VERSION);
    let door = t.table(&keys::DOOR_TABLE, door);
    let bus = t.table(&keys::BUS_TABLE, bus);
    let actuator = t.table(&keys::ACTUATOR_TABLE, actuator);
    let socket = t.table(&keys::EMERGENCY_TABLE, |t| Some(emergency(t)));
    let door = door?;
    let socket = match socket? {
        Some(socket) => socket,
        None => {
            let socket = door.data.join("release.sock");
            if is_too_long(&socket) {
                let message = format!("the path of the release socket is too long: {}", socket.display());
                let help = format!("give a shorter one, of at most {MAX_SOCKET_BYTES} bytes: `[emergency] socket`");
                t.refuse_together(&[&keys::DOOR_TABLE], message, Some(help));
            }
            socket
        }
    };
    Some(Door { version: version?, bus: bus?, actuator: actuator?, socket, ..door })
}

/// The door without what the other tables say.
fn door(t: &mut Reader<'_, '_>) -> Option<Door> {
    let folder = t.context.folder;
    let id = t.text(&keys::DOOR_ID, name);
    let gate = t.text(&keys::DOOR_GATE, name);
    let area = t.text(&keys::DOOR_AREA, area);
    let site = t.text(&keys::DOOR_SITE, name);
    let node = t.text(&keys::DOOR_NODE, name);
    let public_key = t.text(&keys::DOOR_PUBLIC_KEY, |text| PublicKeyRef::parse(text, folder).ok_or(Refusal::UNLIKE));
    let fail = t.text(&keys::DOOR_FAIL, |text| match text {
        "secure" => Ok(Fail::Secure),
        "safe" => Ok(Fail::Safe),
        _ => Err(Refusal::UNLIKE),
    });
    let lost_after = t.number(&keys::DOOR_LOST_AFTER_S).map(Duration::from_secs_f64);
    let max_age = t.number(&keys::DOOR_MAX_AGE_S).map(Duration::from_secs_f64);
    let clock_error = t.integer(&keys::DOOR_CLOCK_ERROR_MS).map(Duration::from_millis);
    let open_for = t.number(&keys::DOOR_OPEN_S).map(Duration::from_secs_f64);
    let data = t.text(&keys::DOOR_DATA, |text| path_in(folder, text));
    Some(Door {
        version: 1,
        id: id?,
        gate: gate?,
        area: area?,
        site: site?,
        node: node?,
        public_key: public_key?,
        fail: fail?,
        lost_after: lost_after?,
        max_age: max_age?,
        clock_error: clock_error?,
        open_for: open_for?,
        data: data?,
        bus: Bus { listen: Vec::new(), connect: Vec::new() },
        actuator: Actuator { timeout: Duration::ZERO, kind: ActuatorKind::Log },
        socket: PathBuf::new(),
        places: Places::default(),
    })
}

fn bus(t: &mut Reader<'_, '_>) -> Option<Bus> {
    let listen = t.texts(&keys::BUS_LISTEN, |text| endpoint(text, true));
    let connect = t.texts(&keys::BUS_CONNECT, |text| endpoint(text, false))?;
    if connect.is_empty() {
        t.refuse_together(&[&keys::BUS_CONNECT], "`connect` must name at least one endpoint".to_owned(), None);
    }
    Some(Bus { listen: listen?, connect })
}

/// The socket, if one is given that can be used.
fn emergency(t: &mut Reader<'_, '_>) -> Option<PathBuf> {
    let folder = t.context.folder;
    t.text(&keys::SOCKET, |text| match path_in(folder, text)? {
        path if is_too_long(&path) => Err(Refusal::because(format!(
            "a socket's path can have {MAX_SOCKET_BYTES} bytes at most: {}",
            path.display()
        ))),
        path => Ok(path),
    })
}

fn is_too_long(socket: &Path) -> bool {
    socket.as_os_str().len() > MAX_SOCKET_BYTES
}

/// The keys of each kind of actuator; all take `kind` and `timeout_ms`.
static HTTP: [&Key; 5] = [&keys::URL, &keys::METHOD, &keys::HOLD_URL, &keys::SHUT_URL, &keys::HEADER];
static MODBUS: [&Key; 4] = [&keys::ADDRESS, &keys::UNIT, &keys::COIL, &keys::PULSE_MS];
static COMMAND: [&Key; 2] = [&keys::PROGRAM, &keys::ARGS];

fn actuator(t: &mut Reader<'_, '_>) -> Option<Actuator> {
    let kind = t.text(&keys::KIND, |text| match text {
        "log" | "http" | "modbus" | "command" => Ok(text.to_owned()),
        _ => Err(Refusal::UNLIKE),
    });
    let timeout = t.integer(&keys::TIMEOUT_MS).map(Duration::from_millis);
    let (http, modbus, command) = (http(t), modbus(t), command(t));
    let kind = kind?;
    let groups: [(&str, &[&Key]); 3] = [("http", &HTTP), ("modbus", &MODBUS), ("command", &COMMAND)];
    for (other, keys) in groups.into_iter().filter(|(other, _)| *other != kind) {
        for key in keys.iter().filter(|key| t.has(key)) {
            let message = format!("`{}` belongs to `kind = \"{other}\"`, but the kind is `\"{kind}\"`", key.name);
            t.refuse_together(&[key], message, None);
        }
    }
    let needed: &[&Key] = match kind.as_str() {
        "http" => &[&keys::URL],
        "modbus" => &[&keys::ADDRESS, &keys::COIL],
        "command" => &[&keys::PROGRAM],
        _ => &[],
    };
    for key in needed.iter().filter(|key| !t.has(key)) {
        let help = format!("add for example `{} = {}`", key.name, key.example);
        t.refuse_together(&[&keys::KIND], format!("`kind = \"{kind}\"` needs `{}`", key.name), Some(help));
    }
    let kind = match kind.as_str() {
        "http" => ActuatorKind::Http(http?),
        "modbus" => ActuatorKind::Modbus(modbus?),
        "command" => ActuatorKind::Command(command?),
        _ => ActuatorKind::Log,
    };
    Some(Actuator { timeout: timeout?, kind })
}

fn http(t: &mut Reader<'_, '_>) -> Option<HttpActuator> {
    let folder = t.context.folder;
    let url = t.text(&keys::URL, HttpUrl::parse);
    let method = t.text(&keys::METHOD, |text| match text {
        "POST" => Ok(HttpMethod::Post),
        "PUT" => Ok(HttpMethod::Put),
        "GET" => Ok(HttpMethod::Get),
        _ => Err(Refusal::UNLIKE),
    });
    let hold_url = t.text(&keys::HOLD_URL, HttpUrl::parse);
    let shut_url = t.text(&keys::SHUT_URL, HttpUrl::parse);
    let header = t.text(&keys::HEADER, |text| secret(folder, text));
    let missing: Vec<&str> =
        [&keys::HOLD_URL, &keys::SHUT_URL].into_iter().filter(|key| !t.has(key)).map(|key| key.name).collect();
    if method == Some(HttpMethod::Get) && !missing.is_empty() {
        let message = format!("`method = \"GET\"` needs an address for each command: {} missing", missing.join(", "));
        t.refuse_together(&[&keys::METHOD], message, None);
    }
    let url = url?;
    Some(HttpActuator {
        hold_url: hold_url.unwrap_or_else(|| url.clone()),
        shut_url: shut_url.unwrap_or_else(|| url.clone()),
        method: method.unwrap_or(HttpMethod::Post),
        header,
        url,
    })
}

fn modbus(t: &mut Reader<'_, '_>) -> Option<ModbusActuator> {
    let address = t.text(&keys::ADDRESS, |text| match host_and_port(text) {
        Some((_, Some(port))) if port > 0 => Ok(text.to_owned()),
        _ => Err(Refusal::UNLIKE.with_help("Modbus-TCP's usual port is 502")),
    });
    let unit = t.integer(&keys::UNIT);
    let coil = t.integer(&keys::COIL);
    let pulse = t.integer(&keys::PULSE_MS).map(Duration::from_millis);
    Some(ModbusActuator { address: address?, unit: unit.unwrap_or(1), coil: coil?, pulse })
}

fn command(t: &mut Reader<'_, '_>) -> Option<CommandActuator> {
    let folder = t.context.folder;
    let program = t.text(&keys::PROGRAM, |text| path_in(folder, text));
    let args = t.texts(&keys::ARGS, |text| match text.contains('\0') {
        true => Err(Refusal::UNLIKE),
        false => Ok(text.to_owned()),
    });
    Some(CommandActuator { program: program?, args: args.unwrap_or_default() })
}
