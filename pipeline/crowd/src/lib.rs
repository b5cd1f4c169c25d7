//! Crowd cameras: from the people in a frame to counts per zone and a density grid.
//!
//! Nothing here can tell one person from another: the input is boxes without identity, and the only state kept from frame
//! to frame is each zone's level. The crate does not depend on anything that knows a face or a gallery.

pub mod grid;
pub mod level;
pub mod preview;

mod crowd;

pub use crowd::{Crowd, CrowdOptions, LEAST_SCORE, Zone};
pub use level::Thresholds;
