//! A zone of the picture, and what is kept of it from frame to frame.

use std::time::Duration;

use gatehouse_core::ZoneId;
use gatehouse_core::event::{LevelEvent, ZoneDensity};
use gatehouse_core::time::{CaptureTime, Monotonic};
use gatehouse_core::{CameraId, event::Level};
use gatehouse_people::Counting;
use gatehouse_picture::{NormalisedPolygon, Point};

use crate::ground::GroundPlane;
use crate::join::{Tally, tenth};
use crate::level::{LevelKeeper, LevelUnit, SurgeRule, SurgeWatch, Thresholds};

/// A zone of the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// Its name.
    pub id: ZoneId,
    /// Where it is.
    pub polygon: NormalisedPolygon,
    /// Ground area in square metres in which people are counted, where it was measured. Without, it is that of the camera's ground
    /// calibration, if any.
    pub area_m2: Option<f64>,
    /// When it is how full, where that is set.
    pub thresholds: Option<Thresholds>,
    /// When people pour in, where that is set.
    pub surge: Option<SurgeRule>,
}

/// Stays shorter than this are no more than a passing-by that began, and say nothing.
const SHORTEST_STAY: Duration = Duration::from_secs(1);
/// So much of a zone's people may be measured as a density for the stays of the others to speak for it.
const MOST_BY_DENSITY: f64 = 0.2;

/// What is kept of a zone.
#[derive(Debug)]
pub(crate) struct ZoneState {
    area_m2: Option<f64>,
    level: Option<LevelKeeper>,
    surge: Option<SurgeWatch>,
    /// Tracks that are in it, and since when.
    inside: Vec<(u64, Monotonic)>,
    /// Reused by every picture.
    stays: Vec<Duration>,
}

impl ZoneState {
    pub(crate) fn new(zone: &Zone) -> Self {
        Self {
            area_m2: zone.area_m2,
            level: zone.thresholds.map(LevelKeeper::new),
            surge: zone.surge.map(SurgeWatch::new),
            inside: Vec::new(),
            stays: Vec::new(),
        }
    }

    /// Measures that part of the zone on the ground in which people are counted, unless somebody has measured it. A zone that
    /// reaches above the horizon has no area, nor has one of which nothing is left.
    pub(crate) fn measure(&mut self, zone: &Zone, excluded: &[NormalisedPolygon], ground: Option<&GroundPlane>) {
        let measured = |ground: &GroundPlane| {
            let area = ground.area_m2(&zone.polygon).ok()? * ground.share_that_counts(&zone.polygon, excluded);
            (area > 0.0).then_some(area)
        };
        self.area_m2 = zone.area_m2.or_else(|| measured(ground?));
    }

    /// Who of those that are told apart is in the zone now.
    pub(crate) fn stay(&mut self, zone: &Zone, tracks: impl Iterator<Item = (u64, Point)> + Clone, now: Monotonic) {
        let is_inside = |at: &Point| zone.polygon.contains(*at);
        self.inside.retain(|(number, _)| tracks.clone().any(|(track, at)| track == *number && is_inside(&at)));
        for (number, _) in tracks.filter(|(_, at)| is_inside(at)) {
            if self.inside.iter().all(|(known, _)| *known != number) {
                self.inside.push((number, now));
            }
        }
    }

    // The median.
    fn dwell(&mut self, tally: &Tally, now: Monotonic) -> Option<f64> {
        self.stays.clear();
        self.stays.extend(self.inside.iter().map(|(_, since)| now.since(*since)));
        self.stays.sort_unstable();
        let median = *self.stays.get(self.stays.len() / 2)?;
        let told_apart = tally.by_density <= MOST_BY_DENSITY * tally.people();
        (told_apart && median >= SHORTEST_STAY).then(|| tenth(median.as_secs_f64()))
    }

    /// The zone's part of an event. `counting`: where the model's error is known and the scene is one that it can count.
    pub(crate) fn count(
        &mut self,
        zone: &Zone,
        tally: &Tally,
        counting: Option<&Counting>,
        now: Monotonic,
    ) -> ZoneDensity {
        let people = tally.people();
        let people_per_m2 = self.area_m2.map(|area| people / area);
        let level = self.level.as_mut().and_then(|keeper| {
            let value = match keeper.unit() {
                LevelUnit::People => Some(people),
                LevelUnit::PeoplePerM2 => people_per_m2,
            };
            value.map(|value| keeper.next(value, now))
        });
        ZoneDensity {
            zone: zone.id.clone(),
            count: tenth(people),
            interval: counting.map(|counting| tally.interval(counting)),
            people_per_m2: people_per_m2.map(|density| (density * 1000.0).round() / 1000.0),
            level,
            surge: self.surge.as_mut().map(|watch| watch.next(people, now)),
            dwell_s: self.dwell(tally, now),
        }
    }

    /// Level and surge as they are, before a count.
    pub(crate) fn before(&self) -> (Option<Level>, bool) {
        (self.level.as_ref().map(LevelKeeper::level), self.surge.as_ref().is_some_and(SurgeWatch::surging))
    }
}

/// The event that tells what a count has changed, if it has.
pub(crate) fn change(
    camera: &CameraId,
    capture_time: CaptureTime,
    (level_before, surging): (Option<Level>, bool),
    now: &ZoneDensity,
) -> Option<LevelEvent> {
    let changed = now.level != level_before || now.surge.unwrap_or_default() != surging;
    changed.then(|| LevelEvent { camera: camera.clone(), capture_time, now: now.clone(), level_before })
}
