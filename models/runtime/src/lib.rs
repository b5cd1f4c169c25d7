//! Runs models by ONNX Runtime: finds them, opens them, and prepares pictures for them.
//!
//! [`Catalogue`] holds the manifests and [`Assets`] the files; a [`Registry`] opens a model by
//! name. A [`Model`] runs batches of tensors, a [`PictureModel`] batches of whole pictures.
//! Pictures come in as the decoder's own YUV planes and are never converted at full size.
//!
//! This is the only crate that names `ort`. It knows no model's outputs: `gatehouse-faces` and
//! `gatehouse-people` decode them, and parse the tables of a manifest that concern them.

mod assets;
mod colour;
mod error;
mod interface;
pub mod jpeg;
mod manifest;
mod nms;
mod onnx_runtime;
mod photo;
mod picture_model;
mod placement;
mod planes;
mod prepare;
mod provider;
mod registry;
mod session;
mod warp;

pub use assets::{Assets, NoAssetsFolder};
pub use error::{FileMismatch, ModelError};
pub use gatehouse_core::provider::Provider;
pub use manifest::{
    Catalogue, ColourOrder, Convert, Dimension, ElementType, Input, Layout, Manifest, ManifestError, Metric, ModelFile,
    Output, PackageKind, RawTable, RelativePath, Sha256, Source, Task, Threshold,
};
pub use nms::suppress;
pub use onnx_runtime::{OnnxRuntime, RuntimeError};
pub use photo::{OwnedI420, Photo, PhotoError, PhotoLimits, read_photo};
pub use picture_model::{BatchOutputs, PictureModel, ResultPool};
pub use placement::{Fit, Placement};
pub use prepare::{Normalisation, Resizer, write_planar};
pub use provider::Build;
pub use registry::{Registry, verify};
pub use session::{Model, Outputs, SessionOptions};
pub use warp::{PixelKind, Warp};
