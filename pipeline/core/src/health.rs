//! The state of a camera: what capture reports, and the event made from it.

use std::fmt;
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
    /// Video comes, but nothing can be decoded until the camera sends a key frame. The connection
    /// is kept.
    Waiting,
    /// Connected, but no video has come for longer than this camera's pauses are, or its decoder
    /// gives no picture.
    Stalled,
    /// Frames come, and the camera's key frames all show the same picture.
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
    /// Frames that arrived a second, decoded or not, over the last report's time. 0 for a source
    /// that sends no encoded frames.
    #[serde(default)]
    pub fps_received: f64,
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
    /// Seconds between the camera's key frames, the longest of the last few, once two have come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_frame_interval_s: Option<f64>,
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

/// What a camera's stream waits for before a picture can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// No key frame has come, in this connection or for longer than the camera's interval.
    KeyFrame {
        /// Time since the last one, of an earlier connection too.
        since_last: Option<Duration>,
        /// Time that the stream has waited.
        waited: Duration,
        /// The wait after which the connection is renewed.
        gives_up_after: Duration,
    },
    /// A key frame came, and packets of it were lost.
    WholeKeyFrame {
        /// Time since then.
        since_last: Duration,
    },
    /// The decoder gives pictures and marks each as broken.
    CleanPicture {
        /// Time that the stream has waited.
        waited: Duration,
        /// The wait after which the connection is renewed.
        gives_up_after: Duration,
    },
    /// One or two frames came, so the camera's frame rate isn't known yet.
    NextFrame {
        /// Time since the last one.
        since_last: Duration,
        /// The silence after which the connection is renewed.
        gives_up_after: Duration,
    },
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyFrame { since_last: Some(last), gives_up_after, .. } => write!(
                f,
                "waiting for a key frame, the last came {} s ago; a shorter key-frame interval in the camera's settings avoids \
                 this; the connection is renewed after {} s",
                last.as_secs(),
                gives_up_after.as_secs()
            ),
            Self::KeyFrame { since_last: None, waited, gives_up_after } => write!(
                f,
                "waiting for the first key frame since {} s; a shorter key-frame interval in the camera's settings avoids \
                 this; the connection is renewed after {} s",
                waited.as_secs(),
                gives_up_after.as_secs()
            ),
            Self::WholeKeyFrame { since_last } => write!(
                f,
                "waiting for a key frame: packets of the last one, {} s ago, were lost on the network",
                since_last.as_secs()
            ),
            Self::CleanPicture { waited, gives_up_after } => write!(
                f,
                "waiting for a clean picture since {} s: the decoder marks all pictures as broken; the connection is renewed \
                 after {} s",
                waited.as_secs(),
                gives_up_after.as_secs()
            ),
            Self::NextFrame { since_last, gives_up_after } => write!(
                f,
                "waiting for the next frame, the last came {} s ago and the camera's rate is not known yet; the connection is \
                 renewed after {} s",
                since_last.as_secs(),
                gives_up_after.as_secs()
            ),
        }
    }
}

/// Why a camera's picture is called frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frozen {
    /// Its key frames are all the same.
    EqualKeyFrames {
        /// Time since the picture last changed.
        lasts: Duration,
    },
    /// Nothing but a clock in the picture has changed.
    OnlyClock {
        /// Time for which only the clock has changed.
        lasts: Duration,
    },
}

impl fmt::Display for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EqualKeyFrames { lasts } => write!(f, "the picture has been the same for {} s", lasts.as_secs()),
            Self::OnlyClock { lasts } => {
                write!(f, "nothing but the clock in the picture has changed for {} s", lasts.as_secs())
            }
        }
    }
}

/// Why a stream is stalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stall {
    /// No video comes.
    NoVideo {
        /// Since the last packet.
        silent: Duration,
        /// True if the camera still sends its RTCP reports: the connection works.
        sends_reports: bool,
    },
    /// Video comes, and its decoder gives no picture.
    NoPicture {
        /// Since the last picture.
        silent: Duration,
    },
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoVideo { silent, sends_reports: false } => {
                write!(f, "connected, but no video has come for {:.1} s", silent.as_secs_f64())
            }
            Self::NoVideo { silent, sends_reports: true } => write!(
                f,
                "connected, and the camera still sends its reports, but no video has come for {:.1} s",
                silent.as_secs_f64()
            ),
            Self::NoPicture { silent } => {
                write!(f, "video comes, but no frame could be decoded for {:.1} s", silent.as_secs_f64())
            }
        }
    }
}

/// A change of one camera's connection, as capture reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamStatus {
    /// A connection is being made.
    Connecting,
    /// Frames are being decoded. Sent again when the stream's format changes.
    Live(StreamFacts),
    /// Video comes, and nothing can be decoded yet.
    Waiting(Waiting),
    /// No video or no picture has come for longer than usual.
    Stalled(Stall),
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
            Self::Waiting(waiting) => (CameraState::Waiting, Some(waiting.to_string())),
            Self::Stalled(stall) => (CameraState::Stalled, Some(stall.to_string())),
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
