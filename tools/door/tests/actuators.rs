//! The actuators against real devices: an HTTP server, a Modbus-TCP server, a program.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

use std::collections::HashMap;
use std::fs;
use std::future;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use gatehouse_config::DoorFile;
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_door::{Actuator, ActuatorError, Command, build};
use parking_lot::Mutex;
use tokio_modbus::prelude::*;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};

const DEADLINE: Duration = Duration::from_secs(20);
const OPEN: Command = Command::Open(Duration::from_millis(1500));

fn actuator(folder: &Path, actuator: &str) -> Result<Box<dyn Actuator>, ActuatorError> {
    let text = format!(
        "version = 1\n[door]\nid = 'd'\ngate = 'g'\narea = 'a'\nsite = 's'\npublic_key = 'file:k'\nfail = 'secure'\n\
         [bus]\nconnect = ['tcp/127.0.0.1:1']\n[actuator]\n{actuator}\n"
    );
    let file = DoorFile::parse(&text, &folder.join("door.toml")).unwrap_or_else(|errors| panic!("{errors}"));
    build(&file.actuator)
}

/// One request as it came: its first line, its headers, its body.
#[derive(Debug)]
struct Asked {
    line: String,
    headers: Vec<String>,
    body: String,
}

/// Reads a request off a connection.
fn asked(stream: &TcpStream) -> Asked {
    let mut reader = BufReader::new(stream);
    let mut next = || {
        let mut line = String::new();
        reader.read_line(&mut line).expect("reads");
        line.trim_end().to_owned()
    };
    let line = next();
    let headers: Vec<String> = std::iter::repeat_with(&mut next).take_while(|line| !line.is_empty()).collect();
    let length = headers.iter().find_map(|h| h.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).expect("reads");
    Asked { line, headers, body: String::from_utf8(body).expect("text") }
}

/// A server that gives one answer after the other, a connection each. An empty one is no answer: it
/// holds the connection.
fn server<const N: usize>(answers: [&'static str; N]) -> (SocketAddr, Receiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
    let address = listener.local_addr().expect("has a port");
    let (sender, requests) = mpsc::channel();
    thread::spawn(move || {
        let mut held = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("accepts");
            sender.send(asked(&stream)).expect("the test listens");
            stream.write_all(answer.as_bytes()).expect("writes");
            if answer.is_empty() {
                held.push(stream);
            }
        }
        // Until the test has ended.
        drop(listener.accept());
    });
    (address, requests)
}

const DONE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[test]
fn an_http_device_gets_each_command_and_its_header() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("header");
    fs::write(&secret, "X-Token: s3same\n").expect("writes");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("sets");
    let (address, requests) = server([DONE, "HTTP/1.1 204 No Content\r\n\r\n", DONE]);
    let text = format!("kind = 'http'\nurl = 'http://{address}/door?a=b'\nheader = 'file:header'");
    let mut device = actuator(folder.path(), &text).expect("builds");
    for (command, body) in [
        (OPEN, r#"{"command":"open","open_ms":1500}"#),
        (Command::Hold, r#"{"command":"hold"}"#),
        (Command::Shut, r#"{"command":"shut"}"#),
    ] {
        device.apply(command).expect("done");
        let asked = requests.recv_timeout(DEADLINE).expect("a request");
        assert_eq!((asked.line.as_str(), asked.body.as_str()), ("POST /door?a=b HTTP/1.1", body));
        let header = |wanted: &str| asked.headers.iter().any(|header| header.eq_ignore_ascii_case(wanted));
        assert!(header("x-token: s3same") && header("content-type: application/json"), "{asked:?}");
    }
    assert_eq!(device.shut_after(Duration::from_secs(5)), None);
}

#[test]
fn an_http_device_is_called_at_the_address_of_each_command() {
    let (address, requests) = server([DONE, DONE, DONE]);
    let text = format!(
        "kind = 'http'\nmethod = 'GET'\nurl = 'http://{address}/on?timer=5'\nhold_url = 'http://{address}/on'\n\
         shut_url = 'http://{address}/off'"
    );
    let mut device = actuator(Path::new(""), &text).expect("builds");
    for (command, line) in [(OPEN, "/on?timer=5"), (Command::Hold, "/on"), (Command::Shut, "/off")] {
        device.apply(command).expect("done");
        let asked = requests.recv_timeout(DEADLINE).expect("a request");
        assert_eq!((asked.line, asked.body.as_str()), (format!("GET {line} HTTP/1.1"), ""));
    }
}

#[test]
fn a_failed_http_request_is_reported_without_its_query() {
    let elsewhere = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let broken = "HTTP/1.1 500 Broken\r\ncontent-length: 0\r\n\r\n";
    let (address, _requests) = server([elsewhere, broken, "SSH-2.0-OpenSSH\r\n\r\n", ""]);
    let text = format!("kind = 'http'\nurl = 'http://{address}/?token=s3same'\ntimeout_ms = 500");
    let mut device = actuator(Path::new(""), &text).expect("builds");
    let errors: Vec<ActuatorError> = (0..4).map(|_| device.apply(Command::Hold).expect_err("not done")).collect();
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let device = format!("http://{address}/?…");
    assert_eq!(told[0], format!("{device} refuses: HTTP status 302"));
    assert_eq!(told[1], format!("{device} refused: HTTP status 500"));
    assert_eq!(told[2], format!("{device} cannot be reached: its answer is not HTTP"));
    assert_eq!(told[3], format!("{device} did not answer within 500 ms"));

    let nobody = TcpListener::bind("127.0.0.1:0").expect("listens").local_addr().expect("has a port");
    let text = format!("kind = 'http'\nurl = 'http://{nobody}/?token=s3same'");
    let error = actuator(Path::new(""), &text).expect("builds").apply(OPEN).expect_err("nobody there");
    assert!(matches!(error, ActuatorError::Unreachable { .. }), "{error}");
    assert!(!error.to_string().contains("s3same"), "{error}");
}

#[test]
fn a_header_that_is_none_is_refused_without_repeating_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("header");
    fs::write(&secret, "s3same").expect("writes");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("sets");
    for file in ["header", "nowhere"] {
        let text = format!("kind = 'http'\nurl = 'http://127.0.0.1:1/'\nheader = 'file:{file}'");
        let Err(error) = actuator(folder.path(), &text) else { panic!("takes {file}") };
        assert!(!error.to_string().contains("s3same"), "{error}");
    }
}

/// A relay with coils 0 to 9 of unit 7. Others don't exist.
struct Relay {
    coils: Arc<Mutex<HashMap<u16, bool>>>,
}

impl tokio_modbus::server::Service for Relay {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = future::Ready<Result<Response, ExceptionCode>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        future::ready(match request.request {
            Request::WriteSingleCoil(coil, on) if coil < 10 && request.slave == 7 => {
                self.coils.lock().insert(coil, on);
                Ok(Response::WriteSingleCoil(coil, on))
            }
            Request::WriteSingleCoil(..) => Err(ExceptionCode::IllegalDataAddress),
            _ => Err(ExceptionCode::IllegalFunction),
        })
    }
}

#[test]
fn a_modbus_relay_is_switched_and_its_refusals_are_reported() {
    let runtime = tokio::runtime::Runtime::new().expect("starts");
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("listens");
    let address = listener.local_addr().expect("has a port");
    let coils: Arc<Mutex<HashMap<u16, bool>>> = Arc::default();
    let relay_coils = Arc::clone(&coils);
    runtime.spawn(async move {
        let new_service = move |_| Ok(Some(Relay { coils: Arc::clone(&relay_coils) }));
        let connected = |stream, from| {
            let accepted = accept_tcp_connection(stream, from, &new_service);
            async move { accepted }
        };
        Server::new(listener).serve(&connected, |_| {}).await
    });

    let relay = |coil: u16, unit: u8, more: &str| {
        let text = format!("kind = 'modbus'\naddress = '{address}'\nunit = {unit}\ncoil = {coil}\n{more}");
        actuator(Path::new(""), &text).expect("builds")
    };
    let mut door = relay(3, 7, "");
    for (command, on) in [(OPEN, true), (Command::Shut, false), (Command::Hold, true), (Command::Shut, false)] {
        door.apply(command).expect("done");
        assert_eq!(*coils.lock(), HashMap::from([(3, on)]), "{command}");
    }
    let five = Duration::from_secs(5);
    assert_eq!(door.shut_after(five), Some(five));
    assert_eq!(relay(3, 7, "pulse_ms = 500").shut_after(five), Some(Duration::from_millis(500)));

    let refused = relay(10, 7, "").apply(OPEN).expect_err("there is no coil 10").to_string();
    let expected = format!("the relay {address} (unit 7, coil 10) refuses: Modbus exception: ");
    assert!(refused.starts_with(&expected), "{refused}");
    assert!(matches!(relay(3, 1, "").apply(OPEN), Err(ActuatorError::Denied { .. })), "unit 1 isn't there");
    assert_eq!(*coils.lock(), HashMap::from([(3, false)]));
    runtime.shutdown_background();
}

#[test]
fn a_relay_that_is_silent_or_gone_fails_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
    let silent = listener.local_addr().expect("has a port");
    let text =
        |address: &dyn std::fmt::Display| format!("kind = 'modbus'\naddress = '{address}'\ncoil = 0\ntimeout_ms = 300");
    let clock = SystemClock::new();
    let error = actuator(Path::new(""), &text(&silent)).expect("builds").apply(OPEN).expect_err("silent");
    assert!(matches!(error, ActuatorError::TimedOut { .. }), "{error}");
    drop(listener);
    let error = actuator(Path::new(""), &text(&silent)).expect("builds").apply(OPEN).expect_err("gone");
    assert!(matches!(error, ActuatorError::Unreachable { .. }), "{error}");
    let unknown = actuator(Path::new(""), &text(&"no-such-relay.invalid:502")).expect("builds").apply(OPEN);
    assert!(unknown.is_err());
    assert!(clock.monotonic() < gatehouse_core::time::Monotonic::from_start(DEADLINE));
}

/// A program, as an executable script.
fn program(folder: &Path, script: &str) {
    let path = folder.join("move-door");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("writes");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("sets");
}

#[test]
fn a_program_gets_its_arguments_without_a_shell() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    program(folder.path(), &format!("printf '[%s]' \"$@\" >> '{}'", out.display()));
    let text = "kind = 'command'\nprogram = 'move-door'\nargs = ['a b', '$(id); *', '']";
    let mut door = actuator(folder.path(), text).expect("builds");
    for command in [OPEN, Command::Hold, Command::Shut] {
        door.apply(command).expect("done");
    }
    let own = "[a b][$(id); *][]";
    let expected = format!("{own}[open][1500]{own}[hold]{own}[shut]");
    assert_eq!(fs::read_to_string(out).expect("written"), expected);
}

#[test]
fn a_failed_or_missing_program_is_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    program(folder.path(), "exit 3");
    let text = "kind = 'command'\nprogram = 'move-door'";
    let failed = actuator(folder.path(), text).expect("builds").apply(OPEN).expect_err("ends with 3").to_string();
    assert!(failed.ends_with("move-door refused: exit status: 3"), "{failed}");
    let missing = actuator(folder.path(), &text.replace("move-door", "nothing")).expect("builds").apply(OPEN);
    assert!(matches!(missing, Err(ActuatorError::Unreachable { .. })), "{missing:?}");
}

#[test]
fn a_program_that_hangs_is_killed_with_all_that_it_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let fifo = folder.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().expect("runs");
    assert!(made.success());
    // Both it and its child hold the pipe open for writing; once both are dead, reading it ends.
    program(folder.path(), &format!("exec 3> '{}'\nsleep 1000 &\nwait", fifo.display()));
    let reader = thread::spawn(move || fs::read(fifo).expect("reads"));
    let text = "kind = 'command'\nprogram = 'move-door'\ntimeout_ms = 500";
    let error = actuator(folder.path(), text).expect("builds").apply(OPEN).expect_err("hangs");
    assert!(matches!(error, ActuatorError::TimedOut { after, .. } if after == Duration::from_millis(500)), "{error}");
    assert_eq!(reader.join().expect("ends"), b"");
}
