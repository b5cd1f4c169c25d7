//! Crowd cameras: from what a model saw in a frame to counts per zone, with their uncertainty, and a density grid.
//!
//! Nothing here can tell who anybody is: the input is boxes without identity and a density map. From frame to frame it keeps
//! each zone's level, and for seconds the places of boxes, so that somebody who stands there is not counted anew
//! ([`Tracker`]). The crate does not depend on anything that knows a face or a gallery.
//!
//! It counts the output of people models,
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
pub mod grid;
pub mod ground;
pub mod level;
pub mod preview;
pub mod rollup;
pub mod tiling;
pub mod view;

mod assessment;
mod crowd;
mod reader;
#[cfg(test)]
mod street;
mod tracker;
mod zone;

pub use crowd::{Crowd, CrowdEvents, CrowdModel, CrowdOptions, CrowdPicture, Head, LEAST_SCORE};
pub use reader::CrowdReader;
pub use tracker::{MOST_APART, Tracker};
