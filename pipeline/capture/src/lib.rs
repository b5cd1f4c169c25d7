//! Cameras through GStreamer: one pipeline and one supervising thread for each, so that no camera's trouble touches another.
//!
//! This is the only pipeline crate that names GStreamer. A [`Camera`] connects, hands decoded frames to a
//! [`FrameSink`](gatehouse_core::FrameSink) without copying or converting them, watches that frames keep being *decoded*
//! (not merely received), reconnects with a jittered and capped back-off, and says what happens to a
//! [`StatusSink`](gatehouse_core::health::StatusSink).

mod backoff;
mod camera;
mod decoder;
mod elements;
mod failure;
mod file;
mod held_frames;
mod key_frames;
mod mapped;
mod packet;
mod packets;
mod privacy;
mod references;
mod source;
mod stream_threads;
mod thinning;
mod watchdog;

pub use camera::{Camera, Cameras, Counts};
pub use elements::{Missing, REQUIRED, gstreamer_version, init, missing};
pub use file::{FileFrame, VideoFile};
pub use source::{StreamOptions, Wanted};

/// Why a camera can't be set up at all. What goes wrong later is a [`StreamStatus`](gatehouse_core::health::StreamStatus).
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// GStreamer didn't start.
    #[error("GStreamer doesn't start: {0}")]
    Init(String),
    /// A video file can't be read.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        reason: String,
    },
    /// The operating system gave no thread.
    #[error("camera {camera}: no thread for it: {source}")]
    Thread {
        /// Which camera.
        camera: gatehouse_core::CameraId,
        /// Why.
        source: std::io::Error,
    },
    /// A camera's pipeline didn't end within the deadline.
    #[error("camera {camera}: its pipeline didn't end within {deadline_ms} ms")]
    StillRunning {
        /// Which camera.
        camera: gatehouse_core::CameraId,
        /// How long was waited.
        deadline_ms: u128,
    },
}
