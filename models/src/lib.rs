//! Models: what is known of them, how they are opened, what goes in and comes out.
//!
//! [`Catalogue`] holds the manifests and [`Assets`] the files; a [`Registry`] opens a model by name, and a
//! [`FaceDetector`], [`FaceEmbedder`], [`LivenessModel`] or [`PeopleReader`] runs it. This is the only crate that names
//! ONNX Runtime. Pictures come in as the decoder's own YUV planes and are never converted whole.

mod align;
mod assets;
pub mod calibration;
mod density;
mod density_model;
mod embedding;
mod error;
mod interface;
pub mod jpeg;
mod liveness;
mod manifest;
mod nanodet;
mod nms;
mod people;
mod photo;
mod picture_model;
mod placement;
mod planes;
mod prepare;
mod provider;
mod registry;
mod runtime;
mod search;
mod session;
mod sface;
mod template;
mod tile;
mod yunet;

pub use align::{ALIGNED_SIDE, AlignedFace, Similarity, TEMPLATE_IN_CROP, align_face};
pub use assets::{Assets, NoAssetsFolder};
pub use density::DensityMap;
pub use density_model::DensityModel;
pub use embedding::Embedding;
pub use error::{FileMismatch, ModelError};
pub use liveness::{LivenessModel, Surroundings};
pub use manifest::{
    Catalogue, ColourOrder, Convert, CountSpread, Counting, Dimension, ElementType, HandOver, Input, Layout, Manifest,
    ManifestError, Metric, ModelFile, Output, PackageKind, RelativePath, Sha256, Source, Task, Threshold, Unsure,
};
pub use nanodet::{Person, PersonDetector};
pub use nms::suppress;
pub use people::{PeopleReader, PeopleReading, PeopleScene};
pub use photo::{OwnedI420, Photo, PhotoError, PhotoLimits, read_photo};
pub use placement::{Fit, Placement};
pub use provider::{Build, Provider};
pub use registry::{Registry, verify};
pub use runtime::{OnnxRuntime, RuntimeError};
pub use search::{Found, Gallery, Match};
pub use session::SessionOptions;
pub use sface::FaceEmbedder;
pub use template::{Template, TemplateProtection};
pub use tile::{SMALL_PX, Tile};
pub use yunet::{Face, FaceDetector};
