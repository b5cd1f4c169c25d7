//! Zones of the picture, and their state from picture to picture.

use std::time::Duration;

use gatehouse_core::event::{LevelEvent, ZoneDensity};
use gatehouse_core::time::{CaptureTime, Monotonic};
use gatehouse_core::zone::{LevelUnit, Zone};
use gatehouse_core::{CameraId, event::Level};
use gatehouse_people::Counting;
use gatehouse_picture::{NormalisedPolygon, Point};

use crate::fusion::{PeopleCount, round_to_tenth};
use crate::ground::GroundPlane;
use crate::level::{LevelKeeper, SurgeWatch};

/// Shortest median stay that is reported; shorter ones may be people who pass by.
const SHORTEST_STAY: Duration = Duration::from_secs(1);
/// Share by density above which no stay is reported, because too few people are tracked.
const MOST_BY_DENSITY: f64 = 0.2;

#[derive(Debug)]
pub(crate) struct ZoneState {
    area_m2: Option<f64>,
    level: Option<LevelKeeper>,
    surge: Option<SurgeWatch>,
    /// Numbers of the tracks inside, and the time of their entry.
    inside: Vec<(u64, Monotonic)>,
    /// Scratch.
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

    /// Computes the zone's counted ground area, unless the operator has measured it. What lies
    /// above the horizon, or is excluded, has none.
    pub(crate) fn measure(&mut self, zone: &Zone, excluded: &[NormalisedPolygon], ground: Option<&GroundPlane>) {
        let measured = |ground: &GroundPlane| {
            let area = ground.area_m2(&zone.polygon).ok()? * ground.share_that_counts(&zone.polygon, excluded);
            (area > 0.0).then_some(area)
        };
        self.area_m2 = zone.area_m2.or_else(|| measured(ground?));
    }

    pub(crate) fn update_stays(
        &mut self,
        zone: &Zone,
        tracks: impl Iterator<Item = (u64, Point)> + Clone,
        now: Monotonic,
    ) {
        let is_inside = |at: &Point| zone.polygon.contains(*at);
        self.inside.retain(|(number, _)| tracks.clone().any(|(track, at)| track == *number && is_inside(&at)));
        for (number, _) in tracks.filter(|(_, at)| is_inside(at)) {
            if self.inside.iter().all(|(known, _)| *known != number) {
                self.inside.push((number, now));
            }
        }
    }

    /// Median stay in seconds.
    fn dwell(&mut self, count: &PeopleCount, now: Monotonic) -> Option<f64> {
        self.stays.clear();
        self.stays.extend(self.inside.iter().map(|(_, since)| now.since(*since)));
        self.stays.sort_unstable();
        let median = *self.stays.get(self.stays.len() / 2)?;
        let are_tracked = count.by_density <= MOST_BY_DENSITY * count.people();
        (are_tracked && median >= SHORTEST_STAY).then(|| round_to_tenth(median.as_secs_f64()))
    }

    /// The zone's part of an event. `counting` is `None` if the model's errors aren't known, or if
    /// it can't count the scene.
    pub(crate) fn count(
        &mut self,
        zone: &Zone,
        count: &PeopleCount,
        counting: Option<&Counting>,
        now: Monotonic,
    ) -> ZoneDensity {
        let people = count.people();
        let people_per_m2 = self.area_m2.map(|area| people / area);
        let level = self.level.as_mut().and_then(|keeper| {
            let value = match keeper.thresholds.unit {
                LevelUnit::People => Some(people),
                LevelUnit::PeoplePerM2 => people_per_m2,
            };
            value.map(|value| keeper.next(value, now))
        });
        ZoneDensity {
            zone: zone.id.clone(),
            count: round_to_tenth(people),
            interval: counting.map(|counting| count.interval(counting)),
            people_per_m2: people_per_m2.map(|density| (density * 1000.0).round() / 1000.0),
            level,
            surge: self.surge.as_mut().map(|watch| watch.next(people, now)),
            dwell_s: self.dwell(count, now),
        }
    }

    pub(crate) fn before(&self) -> (Option<Level>, bool) {
        (self.level.as_ref().map(|keeper| keeper.level), self.surge.as_ref().is_some_and(|watch| watch.surging))
    }
}

/// The event of a changed level or surge, if a count changed one.
pub(crate) fn change(
    camera: &CameraId,
    capture_time: CaptureTime,
    (previous_level, surging): (Option<Level>, bool),
    current: &ZoneDensity,
) -> Option<LevelEvent> {
    let changed = current.level != previous_level || current.surge.unwrap_or_default() != surging;
    changed.then(|| LevelEvent { camera: camera.clone(), capture_time, current: current.clone(), previous_level })
}
