//! The emergency release: opens the door until it is reset, with or without bus.
//!
//! It is told over a Unix socket, one line of JSON each way, or by a file: whatever makes the file `released` in the door's
//! folder releases the door within a quarter of a second. That file also carries the release over a restart. Taking the file
//! away resets nothing; only a reset does.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fs, thread};

use gatehouse_config::Fail;
use gatehouse_core::time::Clock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

use crate::driver::Driver;
use crate::files;
use crate::link::Link;
use crate::log_file::{Happened, LogFile};

/// How often the file is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long whoever connects may take to say what they want.
const SAID_WITHIN: Duration = Duration::from_millis(500);
/// The longest line that is taken.
const MAX_LINE: u64 = 4096;
/// Characters of a reason that are kept.
const MAX_REASON: usize = 200;

/// What is asked for at the socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Open until reset.
    Release {
        /// Why.
        reason: String,
    },
    /// Back to work.
    Reset {
        /// Why.
        reason: String,
    },
    /// Nothing; how is the door?
    Status,
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Whether the door is released now.
    pub released: bool,
    /// Whether the door is held open for a node that is lost.
    pub failed_safe: bool,
    /// Whether the actuator confirmed where the door is.
    pub confirmed: bool,
    /// What went wrong besides: the release works all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// Why a controller can't be told.
#[derive(Debug, thiserror::Error)]
pub enum TellError {
    /// Nobody listens.
    #[error("no controller listens at {socket}: {source}")]
    NobodyThere {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It listens and doesn't answer.
    #[error("the controller at {socket} did not answer: {reason}")]
    NoAnswer {
        /// The socket.
        socket: PathBuf,
        /// Why not.
        reason: String,
    },
}

/// Asks the running controller, and waits for its answer for at most `timeout`.
///
/// # Errors
/// If none is running, or none answers.
pub fn tell(socket: &Path, request: &Request, timeout: Duration) -> Result<Answer, TellError> {
    let nobody = |source| TellError::NobodyThere { socket: socket.to_owned(), source };
    let no_answer = |reason: String| TellError::NoAnswer { socket: socket.to_owned(), reason };
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

/// A reason as it is kept: one line, not too long.
pub(crate) fn tidy(reason: &str) -> String {
    let plain: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_REASON).collect();
    let plain = plain.trim();
    if plain.is_empty() { "none given".to_owned() } else { plain.to_owned() }
}

/// The file that says that a door is released, and why.
pub(crate) struct Marker(PathBuf);

impl Marker {
    pub(crate) fn in_folder(data: &Path) -> Self {
        Self(data.join("released"))
    }

    /// The reason, if the door is released. A file that can't be read counts: better open than shut in an emergency.
    pub(crate) fn reason(&self) -> Option<String> {
        match fs::File::open(&self.0) {
            Ok(file) => {
                let mut bytes = Vec::new();
                // What can't be read is no reason; that the file is there is what counts.
                let _ = file.take(MAX_LINE).read_to_end(&mut bytes);
                Some(tidy(&String::from_utf8_lossy(&bytes)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => Some("a file `released` that can't be read".to_owned()),
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

/// What a release needs of the running controller.
pub(crate) struct Desk {
    pub(crate) driver: Arc<Driver>,
    pub(crate) marker: Marker,
    pub(crate) log: Arc<Mutex<LogFile>>,
    pub(crate) clock: Arc<dyn Clock>,
    /// How long is waited for the actuator before the answer.
    pub(crate) confirm_within: Duration,
    /// When the node was last heard of, as `door-bus` says.
    pub(crate) link: Arc<Mutex<Link>>,
    /// What the door does without it.
    pub(crate) fail: Fail,
}

impl Desk {
    fn answer(&self, request: &Request, uid: Option<u32>) -> Answer {
        let trouble = match request {
            Request::Release { reason } => self.release(&tidy(reason), uid),
            Request::Reset { reason } => self.reset(&tidy(reason), uid),
            Request::Status => Vec::new(),
        };
        let wait = if *request == Request::Status { Duration::ZERO } else { self.confirm_within };
        let confirmed = self.driver.settled_within(wait);
        let hold = self.driver.position().hold;
        let trouble = (!trouble.is_empty()).then(|| trouble.join("; "));
        Answer { released: hold.released, failed_safe: hold.failed_safe, confirmed, trouble }
    }

    /// The door first, the paperwork afterwards.
    fn release(&self, reason: &str, uid: Option<u32>) -> Vec<String> {
        self.driver.set_hold(|hold| hold.released = true);
        tracing::warn!("EMERGENCY RELEASE: the door stays open until it is reset ({reason})");
        let kept = self.marker.set(reason).map_err(|e| format!("the release will not survive a restart: {e}"));
        let written = self.write(Happened::Released { reason: reason.to_owned(), uid });
        [kept.err(), written].into_iter().flatten().inspect(|trouble| tracing::error!("{trouble}")).collect()
    }

    fn reset(&self, reason: &str, uid: Option<u32>) -> Vec<String> {
        // The file first: while it is there, the door is released.
        if let Err(error) = self.marker.clear() {
            let trouble = format!("the file `released` can't be taken away, so the door stays released: {error}");
            tracing::error!("{trouble}");
            return vec![trouble];
        }
        self.driver.set_hold(|hold| hold.released = false);
        tracing::warn!("the emergency release is reset ({reason})");
        let written = self.write(Happened::Reset { reason: reason.to_owned(), uid });
        written.into_iter().inspect(|trouble| tracing::error!("{trouble}")).collect()
    }

    fn write(&self, happened: Happened) -> Option<String> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.append(self.clock.wall(), happened).err().map(|error| error.to_string())
    }

    /// Follows the file: releases the door when it appears, and puts it back when it is gone without a reset.
    fn look(&self) {
        let (there, released) = (self.marker.is_there(), self.driver.position().hold.released);
        if there && !released {
            let reason = self.marker.reason().unwrap_or_default();
            self.release(&format!("by file: {}", tidy(&reason)), None);
        } else if released && !there {
            tracing::warn!("the file `released` is gone, but nobody reset the door; it stays released");
            if let Err(error) = self.marker.set("the file was gone without a reset") {
                tracing::error!("the release will not survive a restart: {error}");
            }
        }
    }
}

impl Desk {
    /// Whether the node is lost. Asked here and not where the bus is listened to, which may be what hangs.
    fn watch(&self, was_lost: bool) -> bool {
        let link = *self.link.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = link.is_lost(self.clock.monotonic());
        if lost != was_lost {
            let open = lost && self.fail == Fail::Safe;
            self.driver.set_hold(|hold| hold.failed_safe = open);
            match (lost, open) {
                (true, true) => tracing::error!("the node is lost: the door opens until it is back (fail = \"safe\")"),
                (true, false) => tracing::error!("the node is lost: the door stays shut (fail = \"secure\")"),
                (false, _) => tracing::info!("the node is back"),
            }
            let written = self.write(if lost { Happened::NodeLost { open } } else { Happened::NodeBack });
            written.into_iter().for_each(|trouble| tracing::error!("{trouble}"));
        }
        lost
    }
}

/// Takes releases until it is stopped.
pub(crate) struct Listener {
    stopping: Arc<AtomicBool>,
    socket: PathBuf,
    thread: thread::JoinHandle<()>,
}

impl Listener {
    /// Begins to listen. A socket that an earlier controller left behind is replaced; the caller makes sure that none is
    /// running.
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
                desk.look();
                lost = desk.watch(lost);
                wait_for_caller(&listener);
                while let Ok((stream, _)) = listener.accept() {
                    take(stream, &desk);
                }
            }
        };
        let thread = thread::Builder::new().name("door-release".to_owned()).spawn(listen)?;
        Ok(Self { stopping, socket: socket.to_owned(), thread })
    }

    /// Ends within a moment.
    pub(crate) fn stop(self) {
        self.stopping.store(true, Ordering::Release);
        drop(self.thread.join());
        // Left behind it would do no harm.
        let _ = fs::remove_file(&self.socket);
    }
}

fn wait_for_caller(listener: &UnixListener) {
    let timeout = Timespec { tv_sec: 0, tv_nsec: LOOK_EVERY.subsec_nanos().into() };
    // An interrupted wait is a short one.
    let _ = poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&timeout));
}

/// Serves each caller on a thread of its own, so that one who says nothing keeps no other waiting.
fn take(stream: UnixStream, desk: &Arc<Desk>) {
    let desk = Arc::clone(desk);
    let serve = move || {
        if let Err(error) = serve(stream, &desk) {
            tracing::warn!("whoever asked at the release socket got no answer: {error}");
        }
    };
    if let Err(error) = thread::Builder::new().name("door-caller".to_owned()).spawn(serve) {
        tracing::error!("nobody can be served at the release socket: {error}; the file `released` still works");
    }
}

fn serve(mut stream: UnixStream, desk: &Desk) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(SAID_WITHIN))?;
    stream.set_write_timeout(Some(SAID_WITHIN))?;
    let uid = rustix::net::sockopt::socket_peercred(&stream).ok().map(|peer| peer.uid.as_raw());
    let mut line = String::new();
    BufReader::new((&stream).take(MAX_LINE)).read_line(&mut line)?;
    match serde_json::from_str(&line) {
        Ok(request) => writeln!(stream, "{}", serde_json::to_string(&desk.answer(&request, uid))?),
        Err(error) => writeln!(stream, "{}", serde_json::json!({ "error": error.to_string() })),
    }
}
