//! The state of a camera: what capture reports, and the event made of it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::CameraId;
use crate::time::WallTime;

/// What state a camera is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CameraState {
    /// Being connected to, and not seen yet.
    Connecting,
    /// Frames are decoded and the picture is sound.
    Live,
    /// Connected, but no frame has been decoded for a while.
    Stalled,
    /// Frames come, and each shows exactly the same picture.
    Frozen,
    /// Frames come, and they are black.
    Dark,
    /// Not connected; tried again with back-off.
    Lost,
    /// The camera refuses the login; tried again only seldom, since cameras lock accounts.
    Refused,
    /// A file that has been played to its end.
    Ended,
}

/// What a stream is, as its caps say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StreamFacts {
    /// `h264`, `h265` or `raw`.
    pub codec: String,
    /// What decodes it: `software`, `vaapi` or `nvdec`; of an RTSP camera only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder: Option<String>,
    /// Picture width in pixels.
    pub width: u32,
    /// Picture height in pixels.
    pub height: u32,
}

/// The state of a camera (`camera/<camera>/health`), on change and every 10 s.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthEvent {
    /// The camera.
    pub camera: CameraId,
    /// Its state.
    pub state: CameraState,
    /// Why, in words for an operator, where there is more to say than the state does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when it has been in this state.
    pub since: WallTime,
    /// Frames decoded a second, over the last report's time.
    pub fps_decoded: f64,
    /// Frames analysed a second, over the last report's time.
    pub fps_analysed: f64,
    /// Frames a second, over the last report's time, that were not analysed because nothing had changed since one that was.
    pub fps_unchanged: f64,
    /// Frames since the node started that were to be analysed and weren't, for a newer one came before it was their turn.
    pub frames_overtaken: u64,
    /// Times that the connection was lost since the node started.
    pub reconnects: u64,
    /// Only its key frames are decoded though they are rarer than its frames are wanted, since the node is or was full.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub key_frames_only: bool,
    /// What the stream is, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamFacts>,
    /// A gate's sub-stream, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_stream: Option<SubStream>,
}

/// The second, smaller stream of a gate's camera, which shows whether anything moves. As long as it is live and nothing does, only key
/// frames of the other are decoded; while it isn't live, all are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubStream {
    /// Its state.
    pub state: CameraState,
    /// Why, in words for an operator, where there is more to say than the state does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What capture says of one camera's connection, when it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamStatus {
    /// A connection is being made.
    Connecting,
    /// Frames are being decoded; sent again when the stream changes, at a new resolution for one.
    Live(StreamFacts),
    /// No frame has been decoded for this long.
    Stalled(Duration),
    /// The connection failed or ended, and is tried again after a while.
    Lost {
        /// Why, without credentials.
        reason: String,
        /// When the next try is made.
        retry_in: Duration,
    },
    /// The camera refuses the login.
    Refused {
        /// Why, without credentials.
        reason: String,
        /// When the next try is made.
        retry_in: Duration,
    },
    /// A file has been played to its end.
    Ended,
}

impl StreamStatus {
    /// The state that this status puts a camera in, and the reason for an operator.
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

/// Where capture reports. Called on capture's own threads: it must not block.
pub trait StatusSink: Send + Sync {
    /// Takes a camera's new status.
    fn status(&self, camera: &CameraId, status: StreamStatus);
}
