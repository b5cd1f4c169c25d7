//! Errors that name the mount, the cause and what was expected.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use crate::stats::MountStats;

/// A scene could not be turned into a clip.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// GStreamer could not build the pipeline; most often a plugin package is missing.
    #[error("cannot build the pipeline for {what}: {reason}")]
    Pipeline {
        /// What was to be decoded or encoded.
        what: String,
        /// GStreamer's message.
        reason: String,
    },
    /// The pipeline stopped with an error.
    #[error("{what} failed in {element}: {reason}")]
    Failed {
        /// What was being decoded or encoded.
        what: String,
        /// The element that failed.
        element: String,
        /// GStreamer's message.
        reason: String,
    },
    /// Nothing came out of the pipeline in time.
    #[error("{what} gave no picture for {waited:?}")]
    Stalled {
        /// What was being decoded or encoded.
        what: String,
        /// The waiting time.
        waited: Duration,
    },
    /// The source ended before its first picture.
    #[error("{what} holds no picture that GStreamer can decode")]
    Empty {
        /// What was being decoded or encoded.
        what: String,
    },
    /// The encoder's output does not begin with a key frame, so no client could join.
    #[error("{what}: the first of {count} access units is not a key frame")]
    NoKeyFrame {
        /// What was encoded.
        what: String,
        /// How many access units there are.
        count: usize,
    },
    /// A file of the scene or of the clip cache could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

/// Errors of the simulator.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The config file could not be read.
    #[error("cannot read simulator config {path}: {source}")]
    ReadConfig {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The config is not valid TOML, or has an unknown or missing key.
    #[error("simulator config: {0}")]
    ParseConfig(#[from] toml::de::Error),
    /// A mount's settings contradict themselves.
    #[error("simulator config, mount {mount:?}: {reason}")]
    InvalidMount {
        /// The mount's path.
        mount: String,
        /// What is wrong and what was expected.
        reason: String,
    },
    /// GStreamer could not be initialised.
    #[error("GStreamer does not start: {0}")]
    GStreamer(String),
    /// The port could not be opened.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The requested address.
        address: SocketAddr,
        /// The system's error.
        reason: String,
    },
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
    /// A thread could not be started.
    #[error("cannot start thread {name}: {source}")]
    Thread {
        /// The thread's name.
        name: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// A mount's thread did not answer.
    #[error("mount {mount} did not {what} within {waited:?}")]
    Unresponsive {
        /// The mount's path.
        mount: String,
        /// What it was asked to do.
        what: &'static str,
        /// The waiting time.
        waited: Duration,
    },
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
