//! Why a node can't start.

use gatehouse_config::SecretError;
use gatehouse_core::{CameraId, ZoneId};

/// Why a node can't start. Each says what to change.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The store's key or a camera's login can't be read.
    #[error("{what}: {source}")]
    Secret {
        /// The owner of the secret.
        what: String,
        /// The reason.
        source: SecretError,
    },
    /// The text of the store's key is not a key.
    #[error("store.key: {0}")]
    Key(#[from] gatehouse_credential::SecretTextError),
    /// The store's folder can't be created.
    #[error("the store's folder {} can't be created: {source}", folder.display())]
    StoreFolder {
        /// The folder.
        folder: std::path::PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The store can't be opened or read.
    #[error(transparent)]
    Store(#[from] gatehouse_store::StoreError),
    /// A model can't be loaded.
    #[error(transparent)]
    Model(#[from] gatehouse_runtime::ModelError),
    /// A folder of manifests can't be read.
    #[error(transparent)]
    Manifest(#[from] gatehouse_runtime::ManifestError),
    /// The embedder's manifest states no threshold, and the gate sets none.
    #[error("gate {gate}: set `match_threshold`, because the manifest of model `{model}` states no threshold")]
    NoThreshold {
        /// The gate.
        gate: CameraId,
        /// The embedding model.
        model: String,
    },
    /// A calibration was measured with another model.
    #[error("{}: {source}", path.display())]
    Calibration {
        /// The calibration's file.
        path: std::path::PathBuf,
        /// What doesn't fit.
        source: gatehouse_faces::calibration::CalibrationError,
    },
    /// A gate has a target and no calibration to compute its threshold from.
    #[error(
        "gate {gate}: `match_target` needs a calibration of model `{model}`, and its manifest has none: measure one with \
         `gatehouse-lab eval face DIR --calibration FILE` and name it as `calibration` in [models], or set `match_threshold`"
    )]
    NoCalibration {
        /// The gate.
        gate: CameraId,
        /// The embedding model.
        model: String,
    },
    /// The calibration can't support a gate's target.
    #[error("gate {gate}: match_target: {source}")]
    Target {
        /// The gate.
        gate: CameraId,
        /// The reason, and the target that it supports.
        source: gatehouse_faces::calibration::TargetError,
    },
    /// A gate checks liveness, and neither it nor the manifest sets a threshold.
    #[error("gate {gate}: set `liveness_threshold`, because the manifest of the liveness model states no threshold")]
    NoLivenessThreshold {
        /// The gate.
        gate: CameraId,
    },
    /// The bus can't be opened.
    #[error(transparent)]
    Bus(#[from] gatehouse_bus::BusError),
    /// A camera can't be set up.
    #[error(transparent)]
    Capture(#[from] gatehouse_capture::CaptureError),
    /// A ground calibration fits no camera.
    #[error("crowd camera {camera}, ground: {source}")]
    Ground {
        /// The camera.
        camera: CameraId,
        /// What is wrong with it.
        source: gatehouse_crowd::ground::GroundError,
    },
    /// A part of a zone is not on the ground.
    #[error("crowd camera {camera}, zone {zone}: {source}; draw it lower, or set its `area_m2`")]
    ZoneGround {
        /// The camera.
        camera: CameraId,
        /// The zone.
        zone: ZoneId,
        /// What is wrong with it.
        source: gatehouse_crowd::ground::GroundError,
    },
    /// The operating system gave no thread.
    #[error("the system gives no thread: {0}")]
    Thread(std::io::Error),
}
