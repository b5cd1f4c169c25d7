//! Crowd cameras: counts people per zone, with their uncertainty and a density grid.
//!
//! A [`CrowdReader`] runs the people models, and a [`Crowd`] turns readings into events. [`fusion`]
//! decides how detections and density count. Between pictures the crate keeps the level of each
//! zone and, for seconds, the boxes of people.
//!
//! Nothing here can identify a person: the crate depends on no face model, gallery or store. It
//! counts the output of people models,
//!
//! ```
//! # use gatehouse_crowd::CrowdPicture;
//! fn of<'a>(people: &'a gatehouse_people::PeopleReading, picture: CrowdPicture<'a>) -> CrowdPicture<'a> {
//!     CrowdPicture { reading: people, ..picture }
//! }
//! ```
//!
//! and can't name the crate of face models:
//!
//! ```compile_fail,E0433
//! fn of(faces: &[gatehouse_faces::Face]) {}
//! ```

pub mod change;
pub mod empty;
pub mod flow;
pub mod fusion;
pub mod ground;
pub mod preview;
pub mod rollup;
pub mod tiling;
pub mod view;

mod assessment;
mod crowd;
mod grid;
mod level;
mod reader;
#[cfg(test)]
mod street;
mod tracker;
mod zone;

pub use crowd::{Crowd, CrowdEvents, CrowdModel, CrowdOptions, CrowdPicture, Head, LEAST_SCORE};
pub use reader::CrowdReader;
pub use tracker::MOST_APART;
