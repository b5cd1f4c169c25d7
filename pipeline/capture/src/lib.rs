//! Cameras through GStreamer: one pipeline and one supervising thread per camera, so that no
//! camera's trouble touches another.
//!
//! This is the only pipeline crate that names GStreamer. A [`Camera`] connects and hands decoded
//! frames to a [`FrameSink`](gatehouse_core::FrameSink) without copying or converting them. It
//! watches that frames are *decoded*, not merely received, reconnects with a jittered and capped
//! back-off, and reports to a [`StatusSink`](gatehouse_core::health::StatusSink).
//!
//! `decode_plan` decides which frames are decoded and analysed, without any type of GStreamer.
//! `rtsp`, `unit_probe` and `delivery` carry its decisions out. `liveness` decides whether the
//! stream is alive.

mod backoff;
mod camera;
mod camera_clock;
mod codec;
mod conversion;
mod decode_plan;
mod decoder;
mod delivery;
mod elements;
mod failure;
mod file;
mod layout;
mod liveness;
mod mapped;
mod note;
mod options;
mod pipeline;
mod privacy;
mod rtsp;
mod shared_plan;
mod supervisor;
mod unit_probe;

pub use camera::{Camera, CameraControl, Cameras};
pub use decode_plan::Wanted;
pub use elements::{Missing, REQUIRED, gstreamer_version, init, missing};
pub use file::{FileFrame, VideoFile};
pub use options::StreamOptions;

/// Why a camera or a video file can't be opened. Later problems of a camera are a
/// [`StreamStatus`](gatehouse_core::health::StreamStatus).
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// GStreamer didn't start.
    #[error("GStreamer doesn't start: {0}")]
    Init(String),
    /// A video file can't be read.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// The reason.
        reason: String,
    },
    /// The operating system gave no thread.
    #[error("camera {camera}: the system gives no thread for it: {source}")]
    Thread {
        /// The camera.
        camera: gatehouse_core::CameraId,
        /// The reason.
        source: std::io::Error,
    },
    /// A camera's pipeline didn't end within the deadline.
    #[error("camera {camera}: its pipeline didn't end within {deadline_ms} ms")]
    StillRunning {
        /// The camera.
        camera: gatehouse_core::CameraId,
        /// The deadline in milliseconds.
        deadline_ms: u128,
    },
}
