//! A node, a device, and the door between them.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use gatehouse_bus::{Bus, BusOptions};
use gatehouse_config::DoorFile;
use gatehouse_core::CameraId;
use gatehouse_core::event::{Decision, Direction, EntryEvent, EntryLatency, Event, EventId, Method, Reason};
use gatehouse_core::key::SiteKey;
use gatehouse_core::node_clock::RunId;
use gatehouse_core::time::{CaptureTime, Clock, ClockSource, SystemClock, WallTime};
use gatehouse_credential::{GrantTimes, SiteSecret, SiteSigner, sign_grant, state_clock};
use gatehouse_door::Door;
use tempfile::TempDir;

/// Far longer than anything here takes, so that only something broken reaches it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn site() -> SiteKey {
    SiteKey::new("county/town", "north-gate")
}

pub(crate) fn signer(digits: &str) -> SiteSigner {
    SiteSigner::new(&SiteSecret::from_text(&digits.repeat(32)).expect("a secret"))
}

/// A node: its bus, and its clock, whose wall time is off by hours.
pub(crate) struct Node {
    pub(crate) bus: Bus,
    pub(crate) clock: Arc<SystemClock>,
    run: RunId,
}

impl Node {
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.monotonic().since_start().as_millis() as u64
    }

    pub(crate) fn close(&self, deadline: Duration) -> Result<(), gatehouse_bus::BusError> {
        self.bus.close(deadline)
    }

    /// Good for 5 s.
    pub(crate) fn grant(&self, from_ms: u64) -> GrantTimes {
        GrantTimes { run: self.run, from_ms, until_ms: from_ms + 5000, expires_at: WallTime::from_unix_nanos(0) }
    }

    /// Signed by the site, of now.
    pub(crate) fn admit(&self, sequence: u64) -> EntryEvent {
        self.admit_from(sequence, self.now_ms())
    }

    pub(crate) fn admit_from(&self, sequence: u64, from_ms: u64) -> EntryEvent {
        let mut entry = unsigned(sequence);
        entry.grant = sign_grant(&signer("42"), &site().to_string(), &entry, self.grant(from_ms));
        entry
    }
}

/// A node that listens at a port of its own, or at the one that an earlier node had.
pub(crate) fn node(locator: Option<String>) -> Node {
    let node = silent_node(locator);
    let (clock, run) = (Arc::clone(&node.clock), node.run);
    let state = move |nonce| {
        let now_ms = clock.monotonic().since_start().as_millis() as u64;
        let at = clock.wall() + Duration::from_secs(8 * 3600);
        state_clock(&signer("42"), &site().to_string(), run, now_ms, at, nonce)
    };
    node.bus.serve_clock("node-1", state).expect("declares");
    node
}

/// A node that does not answer queries for its clock.
pub(crate) fn silent_node(locator: Option<String>) -> Node {
    let listen = vec![locator.unwrap_or_else(|| "tcp/127.0.0.1:0".to_owned())];
    let bus = Bus::open(&BusOptions::listening(listen), site(), "node-1").expect("opens");
    Node { bus, clock: Arc::new(SystemClock::new()), run: RunId(ulid::Ulid(rand::random())) }
}

/// An `admit` which no one has signed yet. Its wall times are those of a clock that was never set.
pub(crate) fn unsigned(sequence: u64) -> EntryEvent {
    let captured = WallTime::from_unix_nanos(0);
    EntryEvent {
        event_id: EventId(ulid::Ulid::from_parts(0, u128::from(sequence))),
        sequence,
        gate: CameraId::new("gate-1"),
        direction: Direction::In,
        decision: Decision::Admit,
        reason: Reason::Matched,
        method: Method::Face,
        capture_time: CaptureTime { at: captured, source: ClockSource::Arrival, error_ms: 100, clock_offset_ms: None },
        latency_ms: EntryLatency::default(),
        grant: None,
    }
}

pub(crate) fn publish(node: &Node, entry: EntryEvent) {
    node.bus.publish(&Event::Entry(entry)).expect("publishes");
}

/// A device that takes HTTP requests, and tells which commands it got. It never answers some of
/// them.
pub(crate) struct Device {
    pub(crate) address: SocketAddr,
    pub(crate) commands: Receiver<String>,
}

impl Device {
    pub(crate) fn start(silent_at: &'static [&'static str]) -> Device {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
        let address = listener.local_addr().expect("has a port");
        let (sender, commands) = mpsc::channel();
        thread::spawn(move || {
            let mut held = Vec::new();
            // Ends with the test's process; each connection carries one request.
            while let Ok((stream, _)) = listener.accept() {
                held.extend(serve(stream, &sender, silent_at));
            }
        });
        Device { address, commands }
    }

    pub(crate) fn next(&self) -> String {
        self.commands.recv_timeout(DEADLINE).expect("a command in time")
    }

    /// The next command that isn't a repeat of one that holds the door open.
    pub(crate) fn next_after_hold(&self) -> String {
        std::iter::repeat_with(|| self.next()).find(|command| command != "hold").expect("never ends")
    }
}

/// Answers, and gives back a connection that is to be held without an answer.
fn serve(mut stream: TcpStream, commands: &Sender<String>, silent_at: &[&str]) -> Option<TcpStream> {
    let mut reader = BufReader::new(&stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("reads");
        if let Some(digits) = line.to_lowercase().strip_prefix("content-length: ") {
            length = digits.trim().parse().expect("a number");
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("reads");
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let command = body["command"].as_str().expect("a command").to_owned();
    let silent = silent_at.contains(&command.as_str());
    // A test that has ended listens no more.
    let _ = commands.send(command);
    if silent {
        return Some(stream);
    }
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    None
}

/// What a door needs besides a node and a device: a folder, and the keys of its file.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Place {
    pub(crate) fn new() -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        Place { folder, clock: Arc::new(SystemClock::new()) }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn file(&self, node: &str, device: &Device, fail: &str) -> DoorFile {
        let text = format!(
            "version = 1\n[door]\nid = 'door-1'\ngate = 'gate-1'\narea = 'county/town'\nsite = 'north-gate'\n\
             public_key = '{key}'\nfail = '{fail}'\nlost_after_s = 1\ndata = 'data'\n[bus]\nconnect = ['{node}']\n\
             [actuator]\nkind = 'http'\nurl = 'http://{device}/'\ntimeout_ms = 3000\n",
            key = signer("42").verifier().to_text(),
            device = device.address,
        );
        DoorFile::parse(&text, &self.folder.path().join("door.toml")).unwrap_or_else(|errors| panic!("{errors}"))
    }

    pub(crate) fn start(&self, file: &DoorFile) -> Door {
        Door::start(file, Arc::clone(&self.clock)).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts a door, and waits until it knows the node's clock.
    pub(crate) fn start_with_clock(&self, file: &DoorFile) -> Door {
        let door = self.start(file);
        wait_until(|| door.state().node_clock_offset_ms.is_some());
        door
    }

    pub(crate) fn is_released(&self) -> bool {
        fs::exists(self.data().join("released")).expect("can be looked at")
    }
}

pub(crate) fn locator(node: &Node) -> String {
    node.bus.locators().into_iter().next().expect("it listens")
}

/// Where nobody is.
pub(crate) fn nowhere() -> String {
    let port = TcpListener::bind("127.0.0.1:0").expect("listens").local_addr().expect("has a port");
    format!("tcp/{port}")
}

pub(crate) fn stop(door: Door) {
    assert_eq!(door.stop(DEADLINE), Vec::<String>::new());
}

/// Waits for something that only shows by looking.
pub(crate) fn wait_until(is_so: impl Fn() -> bool) {
    let clock = SystemClock::new();
    let start = clock.monotonic();
    while !is_so() {
        assert!(clock.monotonic().since(start) < DEADLINE, "it never was so");
        thread::park_timeout(Duration::from_millis(5));
    }
}
