//! Errors that name the mount, the cause and what was expected.

use std::{
    net::SocketAddr,
    path::PathBuf,
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::stats::MountStats;

/// A scene could not be turned into a clip.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// GStreamer could not build the pipeline; most often a plugin package is missing.
    #[error("cannot build the pipeline for {what}: {reason}")]
    Pipeline { what: String, reason: String },
    #[error("{what} failed in {element}: {reason}")]
    Failed { what: String, element: String, reason: String },
    #[error("{what} gave no picture for {waited:?}")]
    Stalled { what: String, waited: Duration },
    #[error("{what} holds no picture that GStreamer can decode")]
    Empty { what: String },
    /// No client could join the clip at its start.
    #[error("{what}: the first of {count} access units is not a key frame")]
    NoKeyFrame { what: String, count: usize },
    /// A file of the scene or of the clip cache could not be read or written.
    #[error("{path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
}

/// Errors of the simulator.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The config cannot be read, or is wrong. Says where, and what was expected.
    #[error("{0}")]
    Config(String),
    /// GStreamer or a thread could not be started, or the port could not be opened.
    #[error("{0}")]
    Start(String),
    /// No mount of that name.
    #[error("no mount {mount:?}; the mounts are: {known}")]
    UnknownMount {
        /// The given name.
        mount: String,
        /// The existing names.
        known: String,
    },
    /// A mount's scene, or the picture that a fault needs, could not be encoded.
    #[error("mount {mount}: {source}")]
    Clip {
        /// The mount's path.
        mount: String,
        /// What went wrong.
        source: ClipError,
    },
    /// A mount's thread did not answer.
    #[error("{0}")]
    Unresponsive(String),
    /// A condition on a mount's statistics did not come true in time.
    #[error("mount {mount}: still {last} after {waited:?}")]
    Timeout {
        /// The mount's path.
        mount: String,
        /// The statistics at the end of the wait.
        last: Box<MountStats>,
        /// The waiting time.
        waited: Duration,
    },
    /// The server is already listening.
    #[error("the server is already running on {0}")]
    AlreadyRunning(SocketAddr),
}

/// The port could not be opened, for this reason of the system.
pub(crate) fn cannot_listen(address: SocketAddr, reason: &str) -> SimError {
    SimError::Start(format!("cannot listen on {address}: {reason}"))
}

/// Initialises GStreamer.
pub(crate) fn init_gstreamer() -> Result<(), SimError> {
    gstreamer::init().map_err(|error| SimError::Start(format!("GStreamer does not start: {error}")))
}

/// Starts a named thread.
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, SimError> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map_err(|error| SimError::Start(format!("cannot start thread {name}: {error}")))
}
