//! People models of crowd cameras: detection of persons and density of crowds.
//!
//! A [`TiledDetector`] detects people, a [`DensityModel`] measures their density. Both give raw
//! results; `gatehouse-crowd` fuses them into counts. A manifest's [`Counting`] says how far counts
//! are off.

mod counting;
mod density;
mod density_model;
mod nanodet;
mod scene;
mod tile;
mod tiled;

pub use counting::{CountSpread, Counting, FusionRamp, UncertaintyRamp};
pub use density::DensityMap;
pub use density_model::DensityModel;
pub use nanodet::{Person, PersonDetector};
pub use scene::{PeopleReading, PeopleScene};
pub use tile::{SMALL_PX, Tile};
pub use tiled::TiledDetector;
