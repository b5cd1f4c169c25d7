//! The emergency release: opens the door until it is reset, with or without bus.
//!
//! Requests come over a Unix socket, one line of JSON each way, or by a file. When the file
//! `released` appears in the door's folder, the door is released within a quarter of a second. The
//! file also keeps the release over a restart. Only a reset ends a release; removing the file does
//! not.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fs, thread};

use gatehouse_config::Fail;
use gatehouse_core::door::DoorEvent;
use gatehouse_core::time::Clock;
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

use crate::driver::{Driver, Position};
use crate::files;
use crate::link::Link;
use crate::log_file::{Happened, LogFile};

/// Interval at which the file is checked.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Time for a caller at the socket to send a request and to read the answer.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(500);
/// Longest line that is read, in bytes.
const MAX_LINE: u64 = 4096;
/// Longest reason that is kept, in characters.
const MAX_REASON: usize = 200;

/// A request at the socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Open the door until it is reset.
    Release {
        /// Why.
        reason: String,
    },
    /// End the release.
    Reset {
        /// Why.
        reason: String,
    },
    /// Report the door's state, and change nothing.
    Status,
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// True while the door is released.
    pub released: bool,
    /// True while the door is held open because its node is lost.
    pub failed_safe: bool,
    /// True if the actuator has confirmed the door's position.
    pub confirmed: bool,
    /// False while the actuator fails to carry out commands: the door opens for nobody.
    pub actuator_works: bool,
    /// Further faults. The release works all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// Why no controller answered a request.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// No controller listens.
    #[error("no controller listens at {socket}: {source}")]
    NobodyThere {
        /// The socket.
        socket: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The controller listens but does not answer.
    #[error("the controller at {socket} did not answer: {reason}")]
    NoAnswer {
        /// The socket.
        socket: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Sends a request to the running controller, and waits up to `timeout` for its answer.
///
/// # Errors
/// If no controller is running, or it does not answer in time.
pub fn send_request(socket: &Path, request: &Request, timeout: Duration) -> Result<Answer, RequestError> {
    let nobody = |source| RequestError::NobodyThere { socket: socket.to_owned(), source };
    let no_answer = |reason: String| RequestError::NoAnswer { socket: socket.to_owned(), reason };
    let mut stream = UnixStream::connect(socket).map_err(nobody)?;
    let talk = |stream: &mut UnixStream| -> io::Result<String> {
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        writeln!(stream, "{}", serde_json::to_string(request)?)?;
        let mut line = String::new();
        BufReader::new(stream.take(MAX_LINE)).read_line(&mut line)?;
        Ok(line)
    };
    let line = talk(&mut stream).map_err(|error| no_answer(error.to_string()))?;
    serde_json::from_str(&line).map_err(|error| no_answer(format!("{error} in {line:?}")))
}

/// A reason as it is logged: one line, bounded length.
pub(crate) fn tidy(reason: &str) -> String {
    let plain: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_REASON).collect();
    let plain = plain.trim();
    if plain.is_empty() { "none given".to_owned() } else { plain.to_owned() }
}

/// The file `released`: while it exists the door is released. It holds the reason.
pub(crate) struct Marker(PathBuf);

impl Marker {
    pub(crate) fn in_folder(data: &Path) -> Self {
        Self(data.join("released"))
    }

    /// The reason, if the door is released. An unreadable file counts too: in an emergency open is
    /// safer than shut.
    pub(crate) fn reason(&self) -> Option<String> {
        match fs::File::open(&self.0) {
            Ok(file) => {
                let mut bytes = Vec::new();
                // A read error leaves the reason empty; the file's existence is enough.
                let _ = file.take(MAX_LINE).read_to_end(&mut bytes);
                Some(tidy(&String::from_utf8_lossy(&bytes)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => Some("the file `released` exists but cannot be read".to_owned()),
        }
    }

    fn is_there(&self) -> bool {
        !fs::symlink_metadata(&self.0).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    pub(crate) fn set(&self, reason: &str) -> io::Result<()> {
        files::replace(&self.0, format!("{}\n", tidy(reason)).as_bytes())?;
        files::sync(&self.0)
    }

    pub(crate) fn clear(&self) -> io::Result<()> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => files::sync_folder(&self.0),
        }
    }
}

/// Carries out requests on the running controller.
pub(crate) struct Desk {
    pub(crate) driver: Arc<Driver>,
    pub(crate) marker: Marker,
    pub(crate) log: Arc<Mutex<LogFile>>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Longest wait for the actuator before the answer.
    pub(crate) confirm_within: Duration,
    /// Last contact with the node, which `door-bus` records.
    pub(crate) link: Arc<Mutex<Link>>,
    /// What the door does when the node is lost.
    pub(crate) fail: Fail,
    /// The door's state, with a warning about refused grants.
    pub(crate) state: Arc<Mutex<DoorEvent>>,
}

impl Desk {
    fn answer(&self, request: &Request, uid: Option<u32>) -> Answer {
        let mut trouble = match request {
            Request::Release { reason } => self.release(&tidy(reason), uid),
            Request::Reset { reason } => self.reset(&tidy(reason), uid),
            Request::Status => self.state.lock().warning.clone().into_iter().collect(),
        };
        let wait = if *request == Request::Status { Duration::ZERO } else { self.confirm_within };
        let confirmed = self.driver.settled_within(wait);
        let Position { hold, trouble: of_actuator, .. } = self.driver.position();
        let actuator_works = of_actuator.is_none();
        if let Some(reason) = of_actuator.filter(|_| !confirmed || *request == Request::Status) {
            trouble.push(format!("the door does not move: {reason}"));
        }
        let trouble = (!trouble.is_empty()).then(|| trouble.join("; "));
        Answer { released: hold.released, failed_safe: hold.failed_safe, confirmed, actuator_works, trouble }
    }

    /// Opens the door first; saving and logging follow.
    fn release(&self, reason: &str, uid: Option<u32>) -> Vec<String> {
        self.driver.set_hold(|hold| hold.released = true);
        tracing::warn!("EMERGENCY RELEASE: the door stays open until it is reset (reason: {reason})");
        let kept =
            self.marker.set(reason).map_err(|e| format!("cannot save the release, so it ends with a restart: {e}"));
        let written = self.write(Happened::Released { reason: reason.to_owned(), uid });
        [kept.err(), written].into_iter().flatten().inspect(|trouble| tracing::error!("{trouble}")).collect()
    }

    fn reset(&self, reason: &str, uid: Option<u32>) -> Vec<String> {
        // The file first: while it exists the door is released.
        if let Err(error) = self.marker.clear() {
            let trouble = format!("cannot remove the file `released`, so the door stays released: {error}");
            tracing::error!("{trouble}");
            return vec![trouble];
        }
        self.driver.set_hold(|hold| hold.released = false);
        tracing::warn!("the emergency release is reset (reason: {reason})");
        let written = self.write(Happened::Reset { reason: reason.to_owned(), uid });
        written.into_iter().inspect(|trouble| tracing::error!("{trouble}")).collect()
    }

    fn write(&self, happened: Happened) -> Option<String> {
        let mut log = self.log.lock();
        log.append(self.clock.wall(), happened).err().map(|error| error.to_string())
    }

    /// Releases the door when the file appears, and restores a file that was removed without a
    /// reset.
    fn check_file(&self) {
        let (there, released) = (self.marker.is_there(), self.driver.position().hold.released);
        if there && !released {
            let reason = self.marker.reason().unwrap_or_default();
            self.release(&format!("by file: {}", tidy(&reason)), None);
        } else if released && !there {
            tracing::warn!("the file `released` was removed, but the door was not reset; it stays released");
            if let Err(error) = self.marker.set("the file was removed without a reset") {
                tracing::error!("cannot save the release, so it ends with a restart: {error}");
            }
        }
    }

    /// Acts when the node is lost or back; returns whether it is lost. Runs here because `door-bus`
    /// may hang.
    fn check_node(&self, was_lost: bool) -> bool {
        let link = *self.link.lock();
        let lost = link.is_lost(self.clock.monotonic());
        if lost != was_lost {
            let open = lost && self.fail == Fail::Safe;
            self.driver.set_hold(|hold| hold.failed_safe = open);
            match (lost, open) {
                (true, true) => tracing::error!(
                    "nothing heard from the node: the door opens and stays open until the node is back (fail = \"safe\")"
                ),
                (true, false) => tracing::error!(
                    "nothing heard from the node: the door stays shut and opens for nobody (fail = \"secure\"); it can be released"
                ),
                (false, _) => tracing::info!("the node is back; the door works as before"),
            }
            let written = self.write(if lost { Happened::NodeLost { open } } else { Happened::NodeBack });
            written.into_iter().for_each(|trouble| tracing::error!("{trouble}"));
        }
        lost
    }
}

/// The thread `door-release`, until it is stopped.
pub(crate) struct Listener {
    stopping: Arc<AtomicBool>,
    socket: PathBuf,
    thread: thread::JoinHandle<()>,
}

impl Listener {
    /// Starts the thread. Replaces the socket of an earlier controller; the caller makes sure that
    /// none is running.
    pub(crate) fn start(socket: &Path, desk: Desk) -> io::Result<Self> {
        match fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(socket)?;
        fs::set_permissions(socket, fs::Permissions::from_mode(0o660))?;
        listener.set_nonblocking(true)?;
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let desk = Arc::new(desk);
        let listen = move || {
            let mut lost = false;
            while !stop.load(Ordering::Acquire) {
                desk.check_file();
                lost = desk.check_node(lost);
                wait_for_caller(&listener);
                while let Ok((stream, _)) = listener.accept() {
                    spawn_caller(stream, &desk);
                }
            }
        };
        let thread = thread::Builder::new().name("door-release".to_owned()).spawn(listen)?;
        Ok(Self { stopping, socket: socket.to_owned(), thread })
    }

    /// Stops the thread and removes the socket. Takes at most [`LOOK_EVERY`].
    pub(crate) fn stop(self) {
        self.stopping.store(true, Ordering::Release);
        drop(self.thread.join());
        // A socket left behind does no harm.
        let _ = fs::remove_file(&self.socket);
    }
}

fn wait_for_caller(listener: &UnixListener) {
    let timeout = Timespec { tv_sec: 0, tv_nsec: LOOK_EVERY.subsec_nanos().into() };
    // An interrupted wait only ends early.
    let _ = poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&timeout));
}

/// Serves a caller on its own thread, so that a silent caller delays no other.
fn spawn_caller(stream: UnixStream, desk: &Arc<Desk>) {
    let desk = Arc::clone(desk);
    let serve = move || {
        if let Err(error) = serve(stream, &desk) {
            tracing::warn!("a caller at the release socket got no answer: {error}");
        }
    };
    if let Err(error) = thread::Builder::new().name("door-caller".to_owned()).spawn(serve) {
        tracing::error!("cannot serve callers at the release socket: {error}; the file `released` still works");
    }
}

fn serve(mut stream: UnixStream, desk: &Desk) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(REQUEST_TIMEOUT))?;
    stream.set_write_timeout(Some(REQUEST_TIMEOUT))?;
    let uid = rustix::net::sockopt::socket_peercred(&stream).ok().map(|peer| peer.uid.as_raw());
    let mut line = String::new();
    BufReader::new((&stream).take(MAX_LINE)).read_line(&mut line)?;
    match serde_json::from_str(&line) {
        Ok(request) => writeln!(stream, "{}", serde_json::to_string(&desk.answer(&request, uid))?),
        Err(error) => writeln!(stream, "{}", serde_json::json!({ "error": error.to_string() })),
    }
}
