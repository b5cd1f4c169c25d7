//! A camera's stream, before it is started.

use std::sync::Arc;

use gatehouse_capture::{StreamOptions, Wanted};
use gatehouse_config::CameraSettings;
use gatehouse_core::health::StatusSink;
use gatehouse_core::{CameraId, FateCounters, FrameSink, ThreadPriority};

use crate::NodeError;
use crate::view::CameraRole;

/// One stream of a camera, and what receives its frames and its state.
pub(crate) struct Stream {
    pub(crate) options: StreamOptions,
    pub(crate) frames: Arc<dyn FrameSink>,
    pub(crate) status: Arc<dyn StatusSink>,
    pub(crate) fates: Arc<FateCounters>,
}

/// The record of a camera's frames.
pub(crate) struct CameraFates {
    pub(crate) camera: CameraId,
    pub(crate) role: CameraRole,
    pub(crate) fates: Arc<FateCounters>,
}

/// How to connect to a camera's stream, with its login.
///
/// # Errors
/// If the login can't be read.
pub fn stream(camera: &CameraId, settings: &CameraSettings) -> Result<StreamOptions, NodeError> {
    let secret = |source| NodeError::Secret { what: format!("the login of camera {camera}"), source };
    Ok(StreamOptions {
        camera: camera.clone(),
        source: settings.source.clone(),
        login: settings.login.as_ref().map(|login| login.resolve_login()).transpose().map_err(secret)?,
        transport: settings.transport,
        latency: settings.latency,
        wanted: Wanted::All,
        thread_priority: ThreadPriority::Normal,
        decoders: settings.decoders.clone(),
        with_damaged: false,
        privacy: settings.privacy.clone(),
    })
}
