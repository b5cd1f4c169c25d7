//! Door files: the values of a valid one, and the messages about mistakes in others.

use std::path::Path;
use std::time::Duration;

use gatehouse_config::{ActuatorKind, ConfigErrors, DoorFile, Fail, HttpMethod, PublicKeyRef, SecretRef};

const FULL: &str = include_str!("../examples/door.toml");

const BASE: &str = "\
version = 1
[door]
id = 'd'
gate = 'g'
area = 'town/cell'
site = 'north'
public_key = 'file:site.pub'
fail = 'safe'
[bus]
connect = ['tcp/192.0.2.7:7447']
[actuator]
kind = 'log'
";

fn parse(text: &str) -> DoorFile {
    DoorFile::parse(text, Path::new("etc/door.toml")).unwrap_or_else(|errors| panic!("{errors}"))
}

fn errors_of(text: &str) -> ConfigErrors {
    DoorFile::parse(text, Path::new("door.toml")).err().unwrap_or_else(|| panic!("the reader accepts {text}"))
}

fn with_actuator(actuator: &str) -> String {
    BASE.replace("kind = 'log'", actuator)
}

#[test]
fn a_file_with_only_the_required_keys_gets_the_defaults() {
    let file = parse(BASE);
    let door = &file.door;
    assert_eq!((door.id.as_str(), door.gate.as_str(), door.node.as_str()), ("d", "g", "node-1"));
    assert_eq!((door.area.as_str(), door.site.as_str(), door.fail), ("town/cell", "north", Fail::Safe));
    assert_eq!(door.public_key, PublicKeyRef::File("etc/site.pub".into()));
    let times = (door.lost_after, door.max_age, door.open_for, door.clock_error);
    let seconds = Duration::from_secs;
    assert_eq!(times, (seconds(10), seconds(10), seconds(5), seconds(1)));
    assert_eq!(
        (door.data.as_path(), file.release_socket().as_path()),
        (Path::new("etc/data/door"), Path::new("etc/data/door/release.sock"))
    );
    assert_eq!((file.bus.listen.len(), file.bus.connect[0].as_str()), (0, "tcp/192.0.2.7:7447"));
    assert_eq!((file.actuator.kind, file.actuator.timeout), (ActuatorKind::Log, seconds(2)));
}

#[test]
fn every_value_of_the_example_arrives() {
    let text = FULL
        .replace("node-1", "node-2")
        .replace("lost_after_s = 10.0", "lost_after_s = 1")
        .replace("max_age_s = 10.0", "max_age_s = 60")
        .replace("clock_error_ms = 1000", "clock_error_ms = 10")
        .replace("open_s = 5.0", "open_s = 0.5")
        .replace("unit = 1", "unit = 255")
        .replace("coil = 0 ", "coil = 0xffff ")
        .replace("timeout_ms = 2000", "timeout_ms = 50");
    let file = parse(&text);
    let door = &file.door;
    assert_eq!((door.node.as_str(), door.fail, door.lost_after), ("node-2", Fail::Secure, Duration::from_secs(1)));
    assert_eq!((door.max_age, door.clock_error), (Duration::from_secs(60), Duration::from_millis(10)));
    assert_eq!((door.open_for, file.actuator.timeout), (Duration::from_millis(500), Duration::from_millis(50)));
    assert_eq!(file.release_socket(), Path::new("/run/gatehouse/door-1.sock"));
    let ActuatorKind::Modbus(relay) = file.actuator.kind else { panic!("{:?}", file.actuator) };
    assert_eq!((relay.address.as_str(), relay.unit, relay.coil), ("192.0.2.21:502", 255, 0xffff));
    assert_eq!(relay.pulse, Some(Duration::from_millis(500)));
}

#[test]
fn each_kind_of_actuator_is_read() {
    let actuator = |text: &str| parse(&with_actuator(text)).actuator.kind;
    let ActuatorKind::Http(http) = actuator("kind = 'http'\nurl = 'http://relay/x'\nheader = 'env:DOOR'") else {
        panic!("no HTTP");
    };
    assert_eq!(
        (http.hold_url().as_str(), http.shut_url().as_str(), http.method),
        ("http://relay/x", "http://relay/x", HttpMethod::Post)
    );
    assert_eq!(http.header, Some(SecretRef::Env("DOOR".into())));
    let each =
        "kind = 'http'\nurl = 'http://[::1]:8/?a=b'\nhold_url = 'http://r/h'\nshut_url = 'http://r/s'\nmethod = 'GET'";
    let ActuatorKind::Http(http) = actuator(each) else { panic!("no HTTP") };
    assert_eq!(
        (http.url.as_str(), http.hold_url().as_str(), http.shut_url().as_str()),
        ("http://[::1]:8/?a=b", "http://r/h", "http://r/s")
    );
    assert_eq!((http.method, format!("{:?}", http.url)), (HttpMethod::Get, "HttpUrl(http://[::1]:8/?…)".to_owned()));
    let ActuatorKind::Modbus(relay) = actuator("kind = 'modbus'\naddress = 'relay:502'\ncoil = 3") else {
        panic!("no relay");
    };
    assert_eq!((relay.unit, relay.coil, relay.pulse), (1, 3, None));
    let ActuatorKind::Command(command) = actuator("kind = 'command'\nprogram = 'bin/door'\nargs = ['-x', 'hunter2']")
    else {
        panic!("no command");
    };
    assert_eq!((command.program.as_path(), command.args.as_slice().len()), (Path::new("etc/bin/door"), 2));
    assert!(!format!("{command:?}").contains("hunter2"));
}

#[test]
fn a_mistake_is_reported_with_its_place_and_remedy() {
    let http = "kind = 'http'\nurl = 'http://relay/x'";
    let long = format!("[actuator]\nkind = 'log'\n[emergency]\nsocket = '{}'", "s".repeat(101));
    let long_data = format!("fail = 'safe'\ndata = '{}'", "s".repeat(101));
    let rows = [
        ("fail = 'safe'\n", "", "2:1 door.fail: `fail` is missing in [door] (add for example `fail = \"secure\"`)"),
        (
            "fail = 'safe'",
            "fail = 'open'",
            "8:8 door.fail: `fail` must be `\"secure\"` or `\"safe\"`, found the text \"open\"",
        ),
        (
            "file:site.pub",
            "abcd",
            "7:14 door.public_key: `public_key` must be a public key: 64 hexadecimal digits, or `file:PATH` of a file that holds them",
        ),
        ("['tcp/192.0.2.7:7447']", "[]", "10:11 bus.connect: `connect` must name at least one endpoint"),
        (
            "['tcp/192.0.2.7:7447']",
            "['tcp/192.0.2.7:7447']\nlisten = ['tcp/[::]:7447']\nmode = 'client'",
            "12:8 bus.mode: a client does not listen (leave out `listen`, or write `mode = \"peer\"`)",
        ),
        (
            "kind = 'log'",
            "kind = 'magnet'",
            "12:8 actuator.kind: `kind` must be `\"log\"`, `\"http\"`, `\"modbus\"` or `\"command\"`, found the text \"magnet\"",
        ),
        (
            "kind = 'log'",
            "kind = 'log'\ncoil = 1",
            "13:8 actuator.coil: `coil` belongs to `kind = \"modbus\"`, but the kind is `\"log\"`",
        ),
        (
            "kind = 'log'",
            "kind = 'http'",
            "12:8 actuator.kind: `kind = \"http\"` needs `url` (add for example `url = \"http://192.0.2.20/door\"`)",
        ),
        (
            "kind = 'log'",
            "kind = 'modbus'\ncoil = 0",
            "12:8 actuator.kind: `kind = \"modbus\"` needs `address` (add for example `address = \"192.0.2.21:502\"`)",
        ),
        (
            "kind = 'log'",
            "kind = 'modbus'\ncoil = 0\naddress = 'relay'",
            "14:11 actuator.address: `address` must be `HOST:PORT`, found the text \"relay\" (the usual port of Modbus-TCP is 502)",
        ),
        (
            "kind = 'log'",
            "kind = 'command'\nprogram = 'x'\nargs = 'y'",
            "14:8 actuator.args: `args` must be a list in square brackets, each item text without a NUL character",
        ),
        (
            "kind = 'log'",
            &format!("{http}\nmethod = 'GET'"),
            "14:10 actuator.method: `method = \"GET\"` needs an address for each command: hold_url, shut_url missing",
        ),
        (
            "kind = 'log'",
            &http.replace("relay", "a:b@relay"),
            "13:7 actuator.url: the address contains a login, which would end up in logs and backups (put the header that logs in into a secret: `header = \"file:PATH\"`)",
        ),
        (
            "kind = 'log'",
            &http.replace("http:", "https:"),
            "13:7 actuator.url: this version supports only plain `http://` for an actuator (put the device and this machine on a separate network)",
        ),
        (
            "kind = 'log'",
            &http.replace("relay", "relay:0"),
            "13:7 actuator.url: there is no valid host and port after `http://` (write `http://HOST/PATH` or `http://HOST:PORT/PATH`, an IPv6 host in square brackets)",
        ),
        (
            "kind = 'log'",
            &http.replace("/x", "/x y"),
            "13:7 actuator.url: the address contains a character that a URL can't (write it percent-encoded: a blank is `%20`, `#` is `%23`)",
        ),
        (
            "fail = 'safe'",
            "fail = 'safe'\nopen = 5",
            "9:1 door.open: unknown key `open` in [door]; did you mean `open_s`?",
        ),
        (
            "fail = 'safe'",
            "fail = 'safe'\ncoil = 5",
            "9:1 door.coil: unknown key `coil` in [door] (`coil` belongs to [actuator])",
        ),
        (
            "[actuator]\nkind = 'log'",
            &long,
            &format!("14:10 emergency.socket: the path of a socket must have at most 100 bytes: {}", "s".repeat(101)),
        ),
        (
            "fail = 'safe'",
            &long_data,
            &format!(
                "2:1 door: the path of the release socket is too long: {}/release.sock (give a shorter one, of at most 100 bytes: `[emergency] socket`)",
                "s".repeat(101)
            ),
        ),
        ("version = 1", "version = 2", "1:11 version: `version` must be 1, found 2"),
    ];
    for (from, to, expected) in rows {
        let text = BASE.replacen(from, to, 1);
        assert_ne!(text, BASE, "{from}");
        let errors = errors_of(&text);
        let reported: Vec<String> = errors
            .iter()
            .map(|error| {
                let help = error.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
                format!("{}:{} {}: {}{help}", error.line, error.column, error.path, error.message)
            })
            .collect();
        assert_eq!(reported.join("\n"), expected, "{to}");
    }
}

#[test]
fn a_possible_secret_is_not_repeated() {
    for actuator in [
        "kind = 'http'\nurl = 'http://admin:hunter2@relay/'",
        "kind = 'http'\nurl = 'ftp://relay/?token=hunter2'",
        "kind = 'http'\nurl = 'http://relay/'\nheader = 'Authorization: hunter2'",
        "kind = 'http'\nurl = 'http://relay/?token=hunter2'\nunit = 1",
        "kind = 'command'\nprogram = 'x'\nargs = ['hunter2', 5]",
    ] {
        let errors = errors_of(&with_actuator(actuator));
        assert!(!format!("{errors} {errors:?}").contains("hunter2"), "{errors}");
    }
    let errors = errors_of(&BASE.replace("file:site.pub", "hunter2"));
    assert!(!errors.to_string().contains("hunter2"), "{errors}");
}

#[test]
fn a_file_that_cannot_be_read_is_one_error() {
    let missing = DoorFile::load(Path::new("nowhere/door.toml")).unwrap_err().to_string();
    assert!(missing.contains("nowhere/door.toml: the door file can't be read: "), "{missing}");
}
