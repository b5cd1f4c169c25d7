//! Why a node can't start.

use gatehouse_config::SecretError;
use gatehouse_core::{CameraId, ZoneId};

/// Why a node can't start. Each says what to mend.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The store's key or a camera's login can't be had.
    #[error("{what}: {source}")]
    Secret {
        /// What it is the secret of.
        what: String,
        /// Why it can't be had.
        source: SecretError,
    },
    /// The store's key is no key.
    #[error("store.key: {0}")]
    Key(#[from] gatehouse_credential::SecretTextError),
    /// The folder of the store can't be made.
    #[error("the store's folder {} can't be made: {source}", folder.display())]
    StoreFolder {
        /// The folder.
        folder: std::path::PathBuf,
        /// Why.
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
    #[error("gate {gate}: set `match_threshold`, for the manifest of model `{model}` states no threshold")]
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
    /// A gate has a target, and nothing to compute its threshold from.
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
    /// A gate's target can't be met, or can't be shown to be.
    #[error("gate {gate}: match_target: {source}")]
    Target {
        /// The gate.
        gate: CameraId,
        /// Why, and what could be.
        source: gatehouse_faces::calibration::TargetError,
    },
    /// A gate asks for liveness, and nobody says from which score on a face is live.
    #[error("gate {gate}: set `liveness_threshold`, for the manifest of the liveness model states no threshold")]
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
    /// A ground calibration that fits no camera.
    #[error("crowd camera {camera}, ground: {source}")]
    Ground {
        /// The camera.
        camera: CameraId,
        /// What is wrong with it.
        source: gatehouse_crowd::ground::GroundError,
    },
    /// A zone of which a part is not on the ground.
    #[error("crowd camera {camera}, zone {zone}: {source}; draw it lower, or give it its `area_m2`")]
    ZoneGround {
        /// The camera.
        camera: CameraId,
        /// The zone.
        zone: ZoneId,
        /// What is wrong with it.
        source: gatehouse_crowd::ground::GroundError,
    },
    /// The operating system gave no thread.
    #[error("no thread to be had: {0}")]
    Thread(std::io::Error),
}
