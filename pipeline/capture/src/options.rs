//! The settings of one camera's stream.

use std::time::Duration;

use gatehouse_core::stream::{Decoder, Login, Source, Transport};
use gatehouse_core::{CameraId, ThreadPriority};
use gatehouse_picture::NormalisedPolygon;

use crate::decode_plan::Wanted;

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
    /// True if frames that packets are missing for are delivered too. A gate doesn't decide on
    /// them.
    pub with_damaged: bool,
    /// Parts of the picture that are blacked out behind the decoder.
    pub privacy: Vec<NormalisedPolygon>,
}
