//! What the crowd cameras of a site, or of all sites of an area, come to together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{CountInterval, Level};
use crate::id::ZoneId;
use crate::key::ROOT;
use crate::time::WallTime;

/// Crowd cameras summed up: a site's (`crowd/rollup`) or an area's (`<area path>/area/rollup`). What is not counted is said:
/// a sum without its blind cameras would look like an empty place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollUp {
    /// Area path, and of a site's its id behind it: `riverside/oak-county/north-gate`.
    pub place: String,
    /// When it was summed up.
    pub at: WallTime,
    /// People before the cameras that could count; those of a camera that overlaps another (`in_total = false`) left out.
    pub count: f64,
    /// Between the sum of what each camera gives at least and at most: errors of one model go the same way, so they are not
    /// taken to even out. Nothing unless every count has an interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<CountInterval>,
    /// Cameras whose counts belong to the sum.
    pub cameras: u32,
    /// Those of them that could count.
    pub counted: u32,
    /// Those that could not, up to [`MOST_BLIND`], the longest blind first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blind: Vec<BlindCamera>,
    /// Sites of the area from which nothing comes, or never came, up to [`MOST_BLIND`]. Their cameras count as blind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silent_sites: Vec<SilentSite>,
    /// Zones by their level.
    pub levels: LevelCounts,
    /// The fullest zones, up to [`MOST_ZONES`]: by level, then by people per square metre, then by people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top_zones: Vec<TopZone>,
}

/// Zones that a roll-up names.
pub const MOST_ZONES: usize = 10;
/// Blind cameras, and silent sites, that a roll-up names.
pub const MOST_BLIND: usize = 100;

/// A camera that couldn't count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlindCamera {
    /// Its id; in an area's roll-up with the path of its site before it.
    pub camera: String,
    /// Why.
    pub reason: Blindness,
    /// Since when.
    pub since: WallTime,
    /// Whether its people would be in the sum.
    pub in_total: bool,
}

/// Why a camera couldn't count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Blindness {
    /// No count comes: the stream is lost or stalled; its health event says which.
    Silent,
    /// The picture is black or stands still.
    NoPicture,
    /// The scene is one that the model can't count.
    OutOfRange,
    /// The camera doesn't look at what its zones were drawn on.
    Moved,
}

/// A site from which nothing comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SilentSite {
    /// Its path.
    pub site: String,
    /// Its cameras, as far as it ever said.
    pub cameras: u32,
    /// Since when; nothing if it was never heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<WallTime>,
}

/// How many zones have each level. Zones without thresholds have none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LevelCounts {
    /// Below every threshold.
    pub low: u32,
    /// At or above the first.
    pub medium: u32,
    /// At or above the second.
    pub high: u32,
    /// At or above the third.
    pub critical: u32,
}

impl LevelCounts {
    /// Counts one more zone.
    pub fn add(&mut self, level: Level) {
        *match level {
            Level::Low => &mut self.low,
            Level::Medium => &mut self.medium,
            Level::High => &mut self.high,
            Level::Critical => &mut self.critical,
        } += 1;
    }

    /// Adds another place's zones.
    pub fn merge(&mut self, other: Self) {
        self.low += other.low;
        self.medium += other.medium;
        self.high += other.high;
        self.critical += other.critical;
    }
}

/// A zone among the fullest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TopZone {
    /// The camera; in an area's roll-up with the path of its site before it.
    pub camera: String,
    /// The zone.
    pub zone: ZoneId,
    /// People in it.
    pub count: f64,
    /// People per square metre, where the zone's area is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people_per_m2: Option<f64>,
    /// How full it is, where it has thresholds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
}

/// The key of an area's roll-up. The area's path is checked by whoever gives it.
pub fn area_key(area: &str) -> String {
    format!("{ROOT}/{area}/area/rollup")
}

/// The roll-ups of all sites of an area, at any depth below it.
pub fn sites_of(area: &str) -> String {
    format!("{ROOT}/{area}/**/crowd/rollup")
}

/// The path of the site whose roll-up has this key.
pub fn site_of(key: &str) -> Option<&str> {
    key.strip_prefix(ROOT)?.strip_prefix('/')?.strip_suffix("/crowd/rollup")
}
