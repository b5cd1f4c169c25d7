//! People models of crowd cameras: detection of persons and density of crowds.
//!
//! A [`PeopleReader`] gives the raw detections and density maps of pictures. `gatehouse-crowd` fuses
//! them into counts. A manifest's [`Counting`] says how far counts are off.

mod counting;
mod density;
mod density_model;
mod nanodet;
mod people;
mod tile;

pub use counting::{CountSpread, Counting, HandOver, Unsure};
pub use density::DensityMap;
pub use density_model::DensityModel;
pub use nanodet::{Person, PersonDetector};
pub use people::{PeopleReader, PeopleReading, PeopleScene};
pub use tile::{SMALL_PX, Tile};
