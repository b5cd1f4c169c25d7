//! Crowd cameras: from what a model saw in a frame to counts per zone, with their uncertainty, and a density grid.
//!
//! Nothing here can tell who anybody is: the input is boxes without identity and a density map. From frame to frame it keeps
//! each zone's level, and for seconds the places of boxes, so that somebody who stands there is not counted anew
//! ([`Tracker`]). The crate does not depend on anything that knows a face or a gallery.
//!
//! What it counts is what a person detector saw,
//!
//! ```
//! # use gatehouse_crowd::CrowdPicture;
//! fn of<'a>(people: &'a gatehouse_models::PeopleReading, picture: CrowdPicture<'a>) -> CrowdPicture<'a> {
//!     CrowdPicture { reading: people, ..picture }
//! }
//! ```
//!
//! and never what a face detector saw:
//!
//! ```compile_fail,E0308
//! # use gatehouse_crowd::CrowdPicture;
//! fn of<'a>(faces: &'a Vec<gatehouse_models::Face>, picture: CrowdPicture<'a>) -> CrowdPicture<'a> {
//!     CrowdPicture { reading: faces, ..picture }
//! }
//! ```
//!
//! A model that counts is known by its name and its measured errors,
//!
//! ```
//! # use gatehouse_crowd::CrowdModel;
//! fn with(reader: &gatehouse_models::PeopleReader) -> CrowdModel {
//!     CrowdModel { name: reader.name(), counting: reader.counting() }
//! }
//! ```
//!
//! and there is no place for one that embeds a face:
//!
//! ```compile_fail,E0560
//! # use gatehouse_crowd::CrowdModel;
//! fn with(embedder: gatehouse_models::FaceEmbedder) -> CrowdModel {
//!     CrowdModel { name: String::new(), counting: None, embedder }
//! }
//! ```

pub mod change;
pub mod empty;
pub mod flow;
pub mod grid;
pub mod ground;
pub mod join;
pub mod level;
pub mod preview;
pub mod rollup;
pub mod tiling;
pub mod view;

mod crowd;
#[cfg(test)]
mod street;
mod tracker;
mod zone;

pub use crowd::{Crowd, CrowdEvents, CrowdModel, CrowdOptions, CrowdPicture, Head, LEAST_SCORE};
pub use level::{LevelUnit, SurgeRule, Thresholds};
pub use tracker::{MOST_APART, Tracker};
pub use zone::Zone;
