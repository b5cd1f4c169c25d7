//! Crowd cameras: from what a model saw in a frame to counts per zone, with their uncertainty, and a density grid.
//!
//! Nothing here can tell who anybody is: the input is boxes without identity and a density map. From frame to frame it keeps
//! each zone's level, and for seconds the places of boxes, so that somebody who stands there is not counted anew
//! ([`Tracker`]). The crate does not depend on anything that knows a face or a gallery.

pub mod flow;
pub mod grid;
pub mod ground;
pub mod join;
pub mod level;
pub mod preview;
pub mod rollup;
pub mod scene;

mod crowd;
mod tracker;
mod zone;

pub use crowd::{Crowd, CrowdEvents, CrowdModel, CrowdOptions, CrowdPicture, Head, LEAST_SCORE};
pub use level::{LevelUnit, SurgeRule, Thresholds};
pub use tracker::{MOST_APART, Tracker};
pub use zone::Zone;
