//! What goes into people models and what comes out.

use gatehouse_picture::YuvPicture;

use crate::density::DensityMap;
use crate::nanodet::Person;
use crate::tile::Tile;

/// A picture to find people in.
#[derive(Debug, Clone, Copy)]
pub struct PeopleScene<'a> {
    /// The picture.
    pub picture: YuvPicture<'a>,
    /// Longer side of the picture in the detector's tensor, in pixels. More pixels find smaller
    /// people; the cost grows with their square.
    pub longer_side_px: usize,
    /// The same for a separate density model, if there is one.
    pub density_side_px: usize,
    /// Parts that the detector sees again, larger. A tile outside the picture is ignored.
    pub tiles: &'a [Tile],
}

/// Output of people models for one picture.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PeopleReading {
    /// Detected people, best first.
    pub people: Vec<Person>,
    /// Density of all people; empty if no model measures it.
    pub density: DensityMap,
}
