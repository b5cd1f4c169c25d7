//! The state of a camera: what capture reports, and the event made from it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::camera_clock::ClockOffset;
use crate::fates::FrameFates;
use crate::id::CameraId;
use crate::time::WallTime;

/// What state a camera is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CameraState {
    /// The first connection is being made.
    Connecting,
    /// Frames are decoded, and the picture is neither black nor frozen.
    Live,
    /// Connected, but no frame has been decoded for a while.
    Stalled,
    /// Frames come, and each shows exactly the same picture.
    Frozen,
    /// Frames come, and they are black.
    Dark,
    /// Not connected; the connection is retried with back-off.
    Lost,
    /// The camera refuses the login; it is retried rarely, because cameras lock accounts.
    Refused,
    /// A file that was played to its end.
    Ended,
}

/// The format of a stream, from its caps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StreamFacts {
    /// `h264`, `h265` or `raw`.
    pub codec: String,
    /// Its decoder: `software`, `vaapi` or `nvdec`; for an RTSP camera only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder: Option<String>,
    /// Picture width in pixels.
    pub width: u32,
    /// Picture height in pixels.
    pub height: u32,
    /// What carries its packets: `tcp` (the RTSP connection) or `udp`; for an RTSP camera only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<String>,
}

/// Packets that a camera's stream lost on its way, over the last report's time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PacketLoss {
    /// Packets that are missing, by their sequence numbers.
    pub lost: u64,
    /// Their share of all packets, 0 to 1.
    pub share: f64,
}

/// The state of a camera (`camera/<camera>/health`), on change and every 10 s.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthEvent {
    /// The camera.
    pub camera: CameraId,
    /// Its state.
    pub state: CameraState,
    /// Why, in words for an operator, where the state doesn't say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it entered this state.
    pub since: WallTime,
    /// Frames decoded a second, over the last report's time.
    pub fps_decoded: f64,
    /// Frames analysed a second, over the last report's time.
    pub fps_analysed: f64,
    /// Frames a second, over the last report's time, that were not analysed because nothing had
    /// changed since one that was.
    pub fps_unchanged: f64,
    /// What became of its frames since the node started.
    pub frames: FrameFates,
    /// Packets that its stream lost on the way, over the last report's time; for an RTSP camera
    /// only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets: Option<PacketLoss>,
    /// Times that the connection was lost since the node started.
    pub reconnects: u64,
    /// True while load shedding decodes only its key frames, though they are rarer than the
    /// analysis needs. The node is or was full.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub key_frames_only: bool,
    /// The stream's format, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamFacts>,
    /// A gate's sub-stream, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_stream: Option<SubStream>,
    /// When this was reported.
    pub at: WallTime,
    /// How far the camera's clock differs from the node's. Absent without sender reports. No
    /// decision depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_offset: Option<ClockOffset>,
}

/// The second, smaller stream of a gate's camera. It shows whether anything moves: while it is live
/// and nothing moves, only key frames of the main stream are decoded. Otherwise all frames are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubStream {
    /// Its state.
    pub state: CameraState,
    /// Why, in words for an operator, where the state doesn't say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A change of one camera's connection, as capture reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamStatus {
    /// A connection is being made.
    Connecting,
    /// Frames are being decoded. Sent again when the stream's format changes.
    Live(StreamFacts),
    /// No frame has been decoded for this long.
    Stalled(Duration),
    /// The connection failed or ended, and is retried.
    Lost {
        /// Why, without credentials.
        reason: String,
        /// Time until the next try.
        retry_in: Duration,
    },
    /// The camera refuses the login.
    Refused {
        /// Why, without credentials.
        reason: String,
        /// Time until the next try.
        retry_in: Duration,
    },
    /// A file was played to its end.
    Ended,
}

impl StreamStatus {
    /// The camera's state after this status, and the reason for an operator.
    pub fn state(&self) -> (CameraState, Option<String>) {
        match self {
            Self::Connecting => (CameraState::Connecting, None),
            Self::Live(_) => (CameraState::Live, None),
            Self::Stalled(silent) => {
                (CameraState::Stalled, Some(format!("connected, but no frame for {:.1} s", silent.as_secs_f64())))
            }
            Self::Lost { reason, .. } => (CameraState::Lost, Some(reason.clone())),
            Self::Refused { reason, .. } => (CameraState::Refused, Some(reason.clone())),
            Self::Ended => (CameraState::Ended, None),
        }
    }
}

/// The receiver of capture's reports. Called on capture's own threads: it must not block.
pub trait StatusSink: Send + Sync {
    /// Takes a camera's new status.
    fn status(&self, camera: &CameraId, status: StreamStatus);
}
