//! The settings of one camera's stream.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use gatehouse_core::{CameraId, ThreadPriority};
use gatehouse_picture::NormalisedPolygon;
use zeroize::Zeroizing;

use crate::decode_plan::Wanted;
use crate::decoder::Decoder;

/// The source of a camera's video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An RTSP address without credentials.
    Rtsp(String),
    /// A video file, played once.
    File(PathBuf),
    /// A pattern of `videotestsrc`: `ball`, `smpte`, `snow`, …
    Test(String),
}

/// The transport of RTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Inside the RTSP connection.
    Tcp,
    /// In datagrams.
    Udp,
}

/// A user and a password. Never shown, and wiped from memory when dropped.
#[derive(Clone)]
pub struct Login {
    /// The user.
    pub user: Zeroizing<String>,
    /// The password.
    pub password: Zeroizing<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login([redacted])")
    }
}

/// How to connect to a camera's stream and what to decode of it.
#[derive(Debug, Clone)]
pub struct StreamOptions {
    /// The camera.
    pub camera: CameraId,
    /// The source of its video.
    pub source: Source,
    /// The login, basic or digest as the camera asks.
    pub login: Option<Login>,
    /// The transport of RTP.
    pub transport: Transport,
    /// The length of the jitter buffer.
    pub latency: Duration,
    /// The frames that are analysed.
    pub wanted: Wanted,
    /// The priority of its stream's threads.
    pub thread_priority: ThreadPriority,
    /// The decoders of an RTSP camera's stream, best first; at least one.
    pub decoders: Vec<Decoder>,
    /// Parts of the picture that are blacked out behind the decoder.
    pub privacy: Vec<NormalisedPolygon>,
}
