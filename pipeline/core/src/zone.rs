//! Zones of a crowd camera's picture and what is watched in them, as an operator sets it.

use std::time::Duration;

use gatehouse_picture::NormalisedPolygon;
use strum::{EnumString, VariantNames};

use crate::id::ZoneId;

/// A part of a crowd camera's picture in which people are counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// The zone's name, unique at its camera.
    pub id: ZoneId,
    /// What people call it, in any language.
    pub name: Option<String>,
    /// Its outline.
    pub polygon: NormalisedPolygon,
    /// Measured ground area in square metres, more than 0. Without it, the camera's ground
    /// calibration gives the area, if there is one.
    pub area_m2: Option<f64>,
    /// The crowd levels to report, if any.
    pub thresholds: Option<Thresholds>,
    /// The surge to report, if any.
    pub surge: Option<SurgeRule>,
}

impl Zone {
    /// The whole picture, as zone `all`.
    pub fn whole_picture() -> Self {
        let (id, polygon) = (ZoneId::new("all"), NormalisedPolygon::whole());
        Self { id, name: None, polygon, area_m2: None, thresholds: None, surge: None }
    }
}

/// Values at which a zone becomes medium, high and critical; strictly increasing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// From here on medium.
    pub medium: f64,
    /// From here on high.
    pub high: f64,
    /// From here on critical.
    pub critical: f64,
    /// The unit of the three.
    pub unit: LevelUnit,
    /// How long a level must be reached, or left, before it changes.
    pub hold: Duration,
}

/// The unit of crowd levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum LevelUnit {
    /// People in the zone.
    People,
    /// People per square metre of the zone, whose area must be known.
    #[strum(serialize = "people_per_m2")]
    PeoplePerM2,
}

/// There is a surge when the count is `people` or more above its minimum of the last `within`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SurgeRule {
    /// The rise, in people.
    pub people: f64,
    /// The time in which it happens.
    pub within: Duration,
}
