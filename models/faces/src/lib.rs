//! Face models of gates: detection, alignment, embedding, liveness, templates and gallery search.
//!
//! [`FaceDetector`] finds faces, [`align_face`] cuts them out, [`FaceEmbedder`] embeds them, and
//! [`LivenessModel`] judges whether they are live. [`TemplateProtection`] turns an [`Embedding`]
//! into a [`Template`], and a [`Gallery`] finds the nearest one. [`calibration`] says how often a
//! threshold errs. No crowd camera reaches this crate: `tests/architecture.rs` checks it.

mod align;
pub mod calibration;
mod embedding;
mod error;
mod liveness;
mod search;
mod sface;
mod template;
mod yunet;

pub use align::{ALIGNED_SIDE, AlignedFace, Similarity, TEMPLATE_IN_CROP, align_face};
pub use embedding::Embedding;
pub use error::FaceError;
pub use liveness::LivenessModel;
pub use search::{Found, Gallery, Match};
pub use sface::FaceEmbedder;
pub use template::{Template, TemplateProtection};
pub use yunet::{Face, FaceDetector};
