//! The sum of the crowd cameras of a site, or of all sites of an area.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{CountInterval, Level};
use crate::id::ZoneId;
use crate::key::ROOT;
use crate::time::WallTime;

/// The sum of the crowd cameras of a site (`crowd/rollup`) or of an area (`<area
/// path>/area/rollup`). It names the cameras that could not count: without them a sum would look
/// like an empty place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollUp {
    /// Path of the area; for a site, followed by its id: `riverside/oak-county/north-gate`.
    pub place: String,
    /// Time of the sum.
    pub at: WallTime,
    /// People at the cameras that could count, without cameras that overlap another (`in_total =
    /// false`).
    pub count: f64,
    /// Sums of the cameras' lower and upper bounds: errors of one model have the same direction, so
    /// they do not even out. Absent unless every count has an interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<CountInterval>,
    /// Number of cameras that belong to the sum.
    pub cameras: u32,
    /// Number of these cameras that could count.
    pub counted: u32,
    /// Cameras that could not count, the longest blind first; at most 100. Absent if there are
    /// none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blind: Vec<BlindCamera>,
    /// Sites of the area that send nothing, at most 100. Their cameras are blind. Absent if there
    /// are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silent_sites: Vec<SilentSite>,
    /// Number of zones at each level.
    pub levels: LevelCounts,
    /// The fullest zones, at most 10: by level, then by people per square metre, then by people.
    /// Absent if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top_zones: Vec<TopZone>,
}

/// Most zones that a roll-up names.
pub const MOST_ZONES: usize = 10;
/// Most blind cameras, and most silent sites, that a roll-up names.
pub const MOST_BLIND: usize = 100;

/// A camera that could not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlindCamera {
    /// The camera's id; in an area's roll-up preceded by the path of its site.
    pub camera: String,
    /// Why it could not count.
    pub reason: Blindness,
    /// Since when it could not count.
    pub since: WallTime,
    /// True if its count belongs to the sum.
    pub in_total: bool,
}

/// Why a camera could not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Blindness {
    /// No count arrives: the stream is lost or stalled. The health event says which.
    Silent,
    /// The picture is dark or frozen.
    NoPicture,
    /// The model cannot count the scene.
    OutOfRange,
    /// The camera was moved or is covered, so it no longer sees its zones.
    Moved,
}

/// A site that sends nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SilentSite {
    /// The site's path.
    pub site: String,
    /// Number of its cameras, as it last reported; 0 if it never did.
    pub cameras: u32,
    /// Time of its last roll-up. Absent if it never sent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<WallTime>,
}

/// Number of zones at each level. Zones without thresholds have no level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LevelCounts {
    /// Below every threshold.
    pub low: u32,
    /// At or above the first threshold.
    pub medium: u32,
    /// At or above the second threshold.
    pub high: u32,
    /// At or above the third threshold.
    pub critical: u32,
}

impl LevelCounts {
    /// Adds one zone.
    pub fn add(&mut self, level: Level) {
        *match level {
            Level::Low => &mut self.low,
            Level::Medium => &mut self.medium,
            Level::High => &mut self.high,
            Level::Critical => &mut self.critical,
        } += 1;
    }

    /// Adds the zones of another place.
    pub fn merge(&mut self, other: Self) {
        self.low += other.low;
        self.medium += other.medium;
        self.high += other.high;
        self.critical += other.critical;
    }
}

/// One of the fullest zones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TopZone {
    /// The camera's id; in an area's roll-up preceded by the path of its site.
    pub camera: String,
    /// The zone.
    pub zone: ZoneId,
    /// People in the zone.
    pub count: f64,
    /// People per square metre. Absent if the zone's area is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people_per_m2: Option<f64>,
    /// The zone's level. Absent without thresholds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
}

/// The key of an area's roll-up. The caller checks the area's path.
pub fn area_key(area: &str) -> String {
    format!("{ROOT}/{area}/area/rollup")
}

/// Key expression of the roll-ups of all sites of an area, at any depth.
pub fn sites_of(area: &str) -> String {
    format!("{ROOT}/{area}/**/crowd/rollup")
}

/// The path of the site whose roll-up has this key; `None` if the key is not a site's roll-up.
pub fn site_of(key: &str) -> Option<&str> {
    key.strip_prefix(ROOT)?.strip_prefix('/')?.strip_suffix("/crowd/rollup")
}
