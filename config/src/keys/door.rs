//! Every key of the door file, the file of one gate controller.

use super::VERSION;
use crate::spec::{Format, Key, Kind, Presence, Table};

pub(crate) static ROOT: Table = Table {
    heading: "the top of the file",
    meaning: "",
    keys: &[&VERSION, &DOOR_TABLE, &BUS_TABLE, &ACTUATOR_TABLE, &EMERGENCY_TABLE],
};
static DOOR_TABLE_EXAMPLE: &str = r#"{ id = "door-1", gate = "gate-1", area = "riverside", site = "north-gate", public_key = "file:site.pub", fail = "secure" }"#;
pub(crate) static DOOR_TABLE: Key = Key {
    name: "door",
    kind: Kind::Table(&DOOR),
    presence: Presence::Required,
    example: DOOR_TABLE_EXAMPLE,
    meaning: "Which door this is, whom it trusts, and when it opens.",
};
pub(crate) static BUS_TABLE: Key = Key {
    name: "bus",
    kind: Kind::Table(&BUS),
    presence: Presence::Required,
    example: r#"{ connect = ["tcp/192.0.2.7:7447"] }"#,
    meaning: "Where the gate's node is reached.",
};
pub(crate) static ACTUATOR_TABLE: Key = Key {
    name: "actuator",
    kind: Kind::Table(&ACTUATOR),
    presence: Presence::Required,
    example: r#"{ kind = "log" }"#,
    meaning: "What moves the door.",
};
pub(crate) static EMERGENCY_TABLE: Key = Key {
    name: "emergency",
    kind: Kind::Table(&EMERGENCY),
    presence: Presence::Default("{}"),
    example: r#"{ socket = "data/door/release.sock" }"#,
    meaning: "The emergency release.",
};

static DOOR: Table = Table {
    heading: "[door]",
    meaning: "Which door this is, whom it trusts, and when it opens.",
    keys: &[
        &DOOR_ID,
        &DOOR_GATE,
        &DOOR_AREA,
        &DOOR_SITE,
        &DOOR_NODE,
        &DOOR_PUBLIC_KEY,
        &DOOR_FAIL,
        &DOOR_LOST_AFTER_S,
        &DOOR_MAX_AGE_S,
        &DOOR_CLOCK_ERROR_MS,
        &DOOR_OPEN_S,
        &DOOR_DATA,
    ],
};
pub(crate) static DOOR_ID: Key = Key {
    name: "id",
    kind: Kind::Text(Format::Name),
    presence: Presence::Required,
    example: r#""door-1""#,
    meaning: "The door's name on the bus. No two doors of a site have the same.",
};
pub(crate) static DOOR_GATE: Key = Key {
    name: "gate",
    kind: Kind::Text(Format::Name),
    presence: Presence::Required,
    example: r#""gate-1""#,
    meaning: "The `[[gate]]` whose decisions open the door, by its `id` in the site file.",
};
pub(crate) static DOOR_AREA: Key = Key {
    name: "area",
    kind: Kind::Text(Format::Area),
    presence: Presence::Required,
    example: r#""riverside/oak-county/mill-town/cell-12""#,
    meaning: "As `area` in the site file.",
};
pub(crate) static DOOR_SITE: Key = Key {
    name: "site",
    kind: Kind::Text(Format::Name),
    presence: Presence::Required,
    example: r#""north-gate""#,
    meaning: "As `id` of `[site]` in the site file.",
};
pub(crate) static DOOR_NODE: Key = Key {
    name: "node",
    kind: Kind::Text(Format::Name),
    presence: Presence::Default(r#""node-1""#),
    example: r#""node-2""#,
    meaning: "The node that serves the gate: as `node` in the site file. While it is on the bus, the door counts as \
              connected.",
};
pub(crate) static DOOR_PUBLIC_KEY: Key = Key {
    name: "public_key",
    kind: Kind::Text(Format::PublicKey),
    presence: Presence::Required,
    example: r#""file:site.pub""#,
    meaning: "The site's public key: only what is signed with the secret one opens the door. It is no secret, but whoever \
              can change it can open the door, so its file must not be writable by other users.",
};
pub(crate) static DOOR_FAIL: Key = Key {
    name: "fail",
    kind: Kind::OneOf(&["secure", "safe"]),
    presence: Presence::Required,
    example: r#""secure""#,
    meaning: "What the door does when the node can't be reached for `lost_after_s`, and when the controller is stopped. \
              `\"secure\"`: it stays shut. `\"safe\"`: it opens and stays open until the node is back. Choose `\"safe\"` \
              wherever people could be locked in.",
};
pub(crate) static DOOR_LOST_AFTER_S: Key = Key {
    name: "lost_after_s",
    kind: Kind::Number { min: 1.0, max: 3600.0 },
    presence: Presence::Default("10.0"),
    example: "30.0",
    meaning: "How long nothing may be heard of the node until it counts as lost, in seconds. A cable that is pulled shows \
              about 10 s later than a node that ends.",
};
pub(crate) static DOOR_MAX_AGE_S: Key = Key {
    name: "max_age_s",
    kind: Kind::Number { min: 1.0, max: 60.0 },
    presence: Presence::Default("10.0"),
    example: "5.0",
    meaning: "The door doesn't open for a person who was in front of the camera longer ago than this, in seconds, even if \
              the grant still holds.",
};
pub(crate) static DOOR_CLOCK_ERROR_MS: Key = Key {
    name: "clock_error_ms",
    kind: Kind::Integer { min: 0, max: 10_000 },
    presence: Presence::Default("1000"),
    example: "200",
    meaning: "How far the clocks of this machine and of the node may be apart, in milliseconds. A grant from further in the \
              future is refused. Keep both machines' clocks set (NTP).",
};
pub(crate) static DOOR_OPEN_S: Key = Key {
    name: "open_s",
    kind: Kind::Number { min: 0.1, max: 60.0 },
    presence: Presence::Default("5.0"),
    example: "3.0",
    meaning: "How long the door stays open for one person, in seconds.",
};
pub(crate) static DOOR_DATA: Key = Key {
    name: "data",
    kind: Kind::Text(Format::Path),
    presence: Presence::Default(r#""data/door""#),
    example: r#""/var/lib/gatehouse/door-1""#,
    meaning: "The door's own folder: the last grant it took, whether it is released, and its log. Each door needs one of its \
              own. A relative path starts at the door file's folder.",
};

static BUS: Table = Table {
    heading: "[bus]",
    meaning: "Where the gate's node is reached: zenoh, over TCP.",
    keys: &[&BUS_LISTEN, &BUS_CONNECT],
};
pub(crate) static BUS_LISTEN: Key = Key {
    name: "listen",
    kind: Kind::Texts(Format::Listen),
    presence: Presence::Default(r#"["tcp/127.0.0.1:0"]"#),
    example: r#"["tcp/192.0.2.30:7447"]"#,
    meaning: "Where others connect to hear how the door is, once the node has told them of it. Not needed where `connect` leads \
              to a router. With port 0 the system chooses a free one. An empty list: nowhere.",
};
pub(crate) static BUS_CONNECT: Key = Key {
    name: "connect",
    kind: Kind::Texts(Format::Connect),
    presence: Presence::Required,
    example: r#"["tcp/192.0.2.7:7447"]"#,
    meaning: "The node, or routers that lead to it. At least one.",
};

static ACTUATOR: Table = Table {
    heading: "[actuator]",
    meaning: "What moves the door. `kind` says which of the other keys are wanted; a key of another kind is refused.",
    keys: &[
        &KIND,
        &URL,
        &METHOD,
        &HOLD_URL,
        &SHUT_URL,
        &HEADER,
        &ADDRESS,
        &UNIT,
        &COIL,
        &PULSE_MS,
        &PROGRAM,
        &ARGS,
        &TIMEOUT_MS,
    ],
};
pub(crate) static KIND: Key = Key {
    name: "kind",
    kind: Kind::OneOf(&["log", "http", "modbus", "command"]),
    presence: Presence::Required,
    example: r#""modbus""#,
    meaning: "`\"log\"`: nothing moves, the log says what would. `\"http\"`: a device that takes HTTP requests. \
              `\"modbus\"`: a relay that speaks Modbus-TCP. `\"command\"`: a program of yours.",
};
pub(crate) static URL: Key = Key {
    name: "url",
    kind: Kind::Text(Format::HttpUrl),
    presence: Presence::Optional("must be given for `\"http\"`"),
    example: r#""http://192.0.2.20/door""#,
    meaning: "For `\"http\"`: where `open` is sent. A `POST` or `PUT` carries a JSON object: `{\"command\": \"open\", \
              \"open_ms\": 5000}`, `{\"command\": \"hold\"}` (open until told otherwise) or `{\"command\": \"shut\"}`. The \
              device must shut by itself after `open_ms`.",
};
pub(crate) static METHOD: Key = Key {
    name: "method",
    kind: Kind::OneOf(&["POST", "PUT", "GET"]),
    presence: Presence::Optional("`POST`, for `\"http\"`"),
    example: r#""POST""#,
    meaning: "For `\"http\"`: how it is sent. A `GET` carries nothing but its address, so it needs `hold_url` and `shut_url`.",
};
pub(crate) static HOLD_URL: Key = Key {
    name: "hold_url",
    kind: Kind::Text(Format::HttpUrl),
    presence: Presence::Optional("`url`, for `\"http\"`"),
    example: r#""http://192.0.2.20/relay/0?turn=on""#,
    meaning: "For `\"http\"`: where `hold` is sent: open until told otherwise.",
};
pub(crate) static SHUT_URL: Key = Key {
    name: "shut_url",
    kind: Kind::Text(Format::HttpUrl),
    presence: Presence::Optional("`url`, for `\"http\"`"),
    example: r#""http://192.0.2.20/relay/0?turn=off""#,
    meaning: "For `\"http\"`: where `shut` is sent.",
};
pub(crate) static HEADER: Key = Key {
    name: "header",
    kind: Kind::Text(Format::Secret),
    presence: Presence::Optional("none is sent"),
    example: r#""file:secrets/door.header""#,
    meaning: "For `\"http\"`: one header that is sent along, such as a token: a secret that holds `Name: value`.",
};
pub(crate) static ADDRESS: Key = Key {
    name: "address",
    kind: Kind::Text(Format::HostPort),
    presence: Presence::Optional("must be given for `\"modbus\"`"),
    example: r#""192.0.2.21:502""#,
    meaning: "For `\"modbus\"`: the relay.",
};
pub(crate) static UNIT: Key = Key {
    name: "unit",
    kind: Kind::Integer { min: 0, max: 255 },
    presence: Presence::Optional("1, for `\"modbus\"`"),
    example: "1",
    meaning: "For `\"modbus\"`: the unit identifier.",
};
pub(crate) static COIL: Key = Key {
    name: "coil",
    kind: Kind::Integer { min: 0, max: 65_535 },
    presence: Presence::Optional("must be given for `\"modbus\"`"),
    example: "0",
    meaning: "For `\"modbus\"`: the coil, counted from 0 as in the protocol; many manuals count from 1. On is open.",
};
pub(crate) static PULSE_MS: Key = Key {
    name: "pulse_ms",
    kind: Kind::Integer { min: 50, max: 60_000 },
    presence: Presence::Optional("`open_s`, for `\"modbus\"`"),
    example: "500",
    meaning: "For `\"modbus\"`: how long the coil is on for one person, where a turnstile wants a short pulse and not \
              `open_s`, in milliseconds.",
};
pub(crate) static PROGRAM: Key = Key {
    name: "program",
    kind: Kind::Text(Format::Path),
    presence: Presence::Optional("must be given for `\"command\"`"),
    example: r#""/usr/local/bin/door""#,
    meaning: "For `\"command\"`: the program. It is run without a shell, with `args` and then `open MILLISECONDS`, `hold` or \
              `shut`; 0 as its exit code means done. It must shut by itself after the milliseconds. A relative path starts \
              at the door file's folder.",
};
pub(crate) static ARGS: Key = Key {
    name: "args",
    kind: Kind::Texts(Format::Argument),
    presence: Presence::Optional("none, for `\"command\"`"),
    example: r#"["--relay", "1"]"#,
    meaning: "For `\"command\"`: what comes before `open`, `hold` or `shut`. Every user of this machine can read a command \
              line: no passwords.",
};
pub(crate) static TIMEOUT_MS: Key = Key {
    name: "timeout_ms",
    kind: Kind::Integer { min: 50, max: 10_000 },
    presence: Presence::Default("2000"),
    example: "1000",
    meaning: "How long the actuator may take to answer, in milliseconds. Then it has failed, and a program is killed.",
};

static EMERGENCY: Table = Table {
    heading: "[emergency]",
    meaning: "The emergency release: `gatehouse door release DOOR.toml` opens the door, with or without bus, until \
              `gatehouse door reset DOOR.toml`. **A real door needs a release in its wiring as well**, such as a green \
              break-glass unit that cuts the lock's power: no program can promise to run in a fire.",
    keys: &[&SOCKET],
};
pub(crate) static SOCKET: Key = Key {
    name: "socket",
    kind: Kind::Text(Format::Path),
    presence: Presence::Optional("`release.sock` in the folder `data` of `[door]`"),
    example: r#""/run/gatehouse/door-1.sock""#,
    meaning: "The Unix socket at which the running controller takes `release` and `reset`. Its owner and group may use it. \
              At most 100 bytes long.",
};
