//! Sums of counts: of a site's crowd cameras and of an area's sites.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use gatehouse_core::CameraId;
use gatehouse_core::event::{CountInterval, DensityEvent, SelfAssessment};
use gatehouse_core::rollup::{
    BlindCamera, Blindness, LevelCounts, MOST_BLIND, MOST_ZONES, RollUp, SilentSite, TopZone,
};
use gatehouse_core::time::{Monotonic, WallTime};

use crate::fusion::round_to_tenth;

/// Time without a report after which a site is silent.
const SITE_SILENT: Duration = Duration::from_secs(15);

/// A camera of a sum.
#[derive(Debug, Clone, PartialEq)]
pub struct SummedCamera {
    /// Identifier.
    pub camera: CameraId,
    /// True if its count belongs to the sum; otherwise only its zones are reported.
    pub in_total: bool,
    /// Age at which a count expires.
    pub silent_after: Duration,
}

/// The crowd cameras of one site.
#[derive(Debug)]
pub struct SiteSum {
    place: String,
    cameras: Vec<(SummedCamera, State)>,
}

#[derive(Debug)]
struct State {
    last: Option<(Monotonic, DensityEvent)>,
    blind: Option<(Blindness, WallTime)>,
}

impl SiteSum {
    /// Starts with all cameras silent from `at` on.
    pub fn new(place: String, cameras: impl IntoIterator<Item = SummedCamera>, at: WallTime) -> Self {
        let state = || State { last: None, blind: Some((Blindness::Silent, at)) };
        Self { place, cameras: cameras.into_iter().map(|camera| (camera, state())).collect() }
    }

    /// Records a camera's counts.
    pub fn count(&mut self, event: &DensityEvent, now: Monotonic) {
        if let Some((_, state)) = self.cameras.iter_mut().find(|(summed, _)| summed.camera == event.camera) {
            state.last = Some((now, event.clone()));
        }
    }

    /// Sums the counts at `now`, which is `at` by wall clock.
    pub fn sum(&mut self, now: Monotonic, at: WallTime) -> RollUp {
        let mut sum = Sum::default();
        for (summed, state) in &mut self.cameras {
            let fresh = state.last.as_ref().filter(|(heard, _)| now.since(*heard) <= summed.silent_after);
            let event = fresh.map(|(_, event)| event);
            let blindness = match event.map(|event| event.self_assessment) {
                None => Some(Blindness::Silent),
                Some(SelfAssessment::NoPicture) => Some(Blindness::NoPicture),
                Some(SelfAssessment::OutOfRange) => Some(Blindness::OutOfRange),
                Some(SelfAssessment::Moved) => Some(Blindness::Moved),
                Some(SelfAssessment::InRange) => None,
            };
            state.blind = blindness.map(|reason| match state.blind {
                Some((before, since)) if before == reason => (reason, since),
                _ => (reason, at),
            });
            sum.cameras += u32::from(summed.in_total);
            let camera = || summed.camera.to_string();
            match (state.blind, event) {
                (Some((reason, since)), _) => {
                    sum.blind.push(BlindCamera { camera: camera(), reason, since, in_total: summed.in_total })
                }
                (None, Some(event)) if summed.in_total => sum.add(1, event.count, event.interval),
                _ => {}
            }
            // A scene too full for the model keeps its zones; a camera without a picture has none.
            for zone in event.into_iter().flat_map(|event| &event.zones) {
                zone.level.into_iter().for_each(|level| sum.levels.add(level));
                sum.zones.push(TopZone {
                    camera: camera(),
                    zone: zone.zone.clone(),
                    count: zone.count,
                    people_per_m2: zone.people_per_m2,
                    level: zone.level,
                });
            }
        }
        sum.finish(self.place.clone(), at)
    }
}

/// The sites of an area.
#[derive(Debug)]
pub struct AreaSum {
    area: String,
    /// Last report of each site by its path, with its arrival.
    sites: BTreeMap<String, Option<(Monotonic, RollUp)>>,
}

impl AreaSum {
    /// Starts with these expected sites; others are added when they report.
    pub fn new(area: String, expected: impl IntoIterator<Item = String>) -> Self {
        Self { area, sites: expected.into_iter().map(|site| (site, None)).collect() }
    }

    /// Records a site's report.
    pub fn count(&mut self, site: &str, said: RollUp, now: Monotonic) {
        self.sites.insert(site.to_owned(), Some((now, said)));
    }

    /// Sums the counts at `now`, which is `at` by wall clock.
    pub fn sum(&self, now: Monotonic, at: WallTime) -> RollUp {
        let mut sum = Sum::default();
        for (site, said) in &self.sites {
            let fresh = said.as_ref().filter(|(heard, _)| now.since(*heard) <= SITE_SILENT);
            let Some((_, said)) = fresh else {
                let last = said.as_ref().map(|(_, said)| said);
                let cameras = last.map_or(0, |said| said.cameras);
                sum.cameras += cameras;
                sum.silent.push(SilentSite { site: site.clone(), cameras, since: last.map(|said| said.at) });
                continue;
            };
            let below = |camera: &str| format!("{site}/{camera}");
            sum.cameras += said.cameras;
            if said.counted > 0 {
                sum.add(said.counted, said.count, said.interval);
            }
            let blind = said.blind.iter();
            sum.blind.extend(blind.map(|blind| BlindCamera { camera: below(&blind.camera), ..blind.clone() }));
            sum.levels.merge(said.levels);
            let zones = said.top_zones.iter();
            sum.zones.extend(zones.map(|zone| TopZone { camera: below(&zone.camera), ..zone.clone() }));
        }
        sum.finish(self.area.clone(), at)
    }
}

#[derive(Default)]
struct Sum {
    count: f64,
    /// Present while every count has an interval.
    interval: Option<CountInterval>,
    without_interval: bool,
    cameras: u32,
    counted: u32,
    blind: Vec<BlindCamera>,
    silent: Vec<SilentSite>,
    levels: LevelCounts,
    zones: Vec<TopZone>,
}

impl Sum {
    // Sum of the cameras' counts.
    fn add(&mut self, cameras: u32, count: f64, interval: Option<CountInterval>) {
        self.count += count;
        self.counted += cameras;
        match interval {
            Some(CountInterval { low, high }) => {
                let sum = self.interval.get_or_insert(CountInterval { low: 0.0, high: 0.0 });
                (sum.low, sum.high) = (sum.low + low, sum.high + high);
            }
            None => self.without_interval = true,
        }
    }

    fn finish(self, place: String, at: WallTime) -> RollUp {
        let Self { count, interval, without_interval, cameras, counted, mut blind, mut silent, levels, mut zones } =
            self;
        blind.sort_by_key(|blind| blind.since);
        blind.truncate(MOST_BLIND);
        silent.sort_by_key(|silent| silent.since);
        silent.truncate(MOST_BLIND);
        let per_m2 = |zone: &TopZone| zone.people_per_m2.unwrap_or(0.0);
        zones.sort_by(|a, b| {
            let by_level = Reverse(a.level).cmp(&Reverse(b.level));
            by_level.then(per_m2(b).total_cmp(&per_m2(a))).then(b.count.total_cmp(&a.count))
        });
        zones.truncate(MOST_ZONES);
        let between =
            |sum: CountInterval| CountInterval { low: round_to_tenth(sum.low), high: round_to_tenth(sum.high) };
        RollUp {
            place,
            at,
            count: round_to_tenth(count),
            interval: interval.filter(|_| !without_interval).map(between),
            cameras,
            counted,
            blind,
            silent_sites: silent,
            levels,
            top_zones: zones,
        }
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_core::ZoneId;
    use gatehouse_core::event::{Level, ZoneDensity};
    use gatehouse_core::time::{CaptureTime, ClockSource};
    use proptest::prelude::*;

    use super::*;

    fn now(s: u64) -> (Monotonic, WallTime) {
        (Monotonic::from_start(Duration::from_secs(s)), wall(s))
    }

    fn wall(s: u64) -> WallTime {
        WallTime::from_unix_nanos(i64::try_from(s).expect("small") * 1_000_000_000)
    }

    fn camera(id: &str) -> SummedCamera {
        SummedCamera { camera: CameraId::new(id), in_total: true, silent_after: Duration::from_secs(5) }
    }

    fn event(camera: &str, count: f64, half: Option<f64>, said: SelfAssessment) -> DensityEvent {
        DensityEvent {
            camera: CameraId::new(camera),
            capture_time: CaptureTime { at: wall(0), source: ClockSource::Arrival, error_ms: 0, clock_offset_ms: None },
            count,
            interval: half.map(|half| CountInterval { low: count - half, high: count + half }),
            coverage: None,
            share_by_density: 0.0,
            zones: Vec::new(),
            lines: Vec::new(),
            model: "m".to_owned(),
            self_assessment: said,
            unchanged_since: None,
            damaged: false,
        }
    }

    fn zone(id: &str, count: f64, people_per_m2: Option<f64>, level: Option<Level>) -> ZoneDensity {
        ZoneDensity { zone: ZoneId::new(id), count, interval: None, people_per_m2, level, surge: None, dwell_s: None }
    }

    fn sum_at(site: &mut SiteSum, s: u64) -> RollUp {
        let (now, at) = now(s);
        site.sum(now, at)
    }

    #[test]
    fn a_sum_names_blind_cameras_with_reason_and_time() {
        let overlapping = SummedCamera { in_total: false, ..camera("above") };
        let cameras = ["plaza", "north", "south"].map(camera).into_iter().chain([overlapping]);
        let mut site = SiteSum::new("city/cell/site".to_owned(), cameras, wall(0));
        let sum = sum_at(&mut site, 1);
        let in_total = sum.blind.iter().filter(|blind| blind.in_total).count();
        assert_eq!((sum.cameras, sum.blind.len(), in_total), (3, 4, 3), "nothing came yet");
        site.count(&event("plaza", 100.0, Some(10.0), SelfAssessment::InRange), now(2).0);
        site.count(&event("north", 5.0, Some(1.0), SelfAssessment::InRange), now(2).0);
        site.count(&event("above", 99.0, None, SelfAssessment::InRange), now(2).0);
        let sum = sum_at(&mut site, 3);
        assert_eq!((sum.count, sum.interval), (105.0, Some(CountInterval { low: 94.0, high: 116.0 })));
        assert_eq!((sum.cameras, sum.counted, sum.blind[0].camera.as_str()), (3, 2, "south"));
        site.count(&event("south", 700.0, None, SelfAssessment::OutOfRange), now(4).0);
        site.count(&event("north", 0.0, None, SelfAssessment::NoPicture), now(4).0);
        let _ = sum_at(&mut site, 5);
        let sum = sum_at(&mut site, 6);
        let told: Vec<_> = sum.blind.iter().map(|b| (b.camera.as_str(), b.reason, b.since)).collect();
        assert_eq!(told, [("north", Blindness::NoPicture, wall(5)), ("south", Blindness::OutOfRange, wall(5))]);
        assert_eq!((sum.count, sum.counted), (100.0, 1));
        let sum = sum_at(&mut site, 8);
        assert_eq!(
            sum.blind.iter().find(|b| b.camera == "plaza").map(|b| (b.reason, b.since)),
            Some((Blindness::Silent, wall(8)))
        );
        assert_eq!((sum.count, sum.interval), (0.0, None));
    }

    #[test]
    fn a_count_without_an_interval_removes_the_sums() {
        let mut site = SiteSum::new("s".to_owned(), ["a", "b"].map(camera), wall(0));
        site.count(&event("a", 4.0, Some(1.0), SelfAssessment::InRange), now(0).0);
        site.count(&event("b", 4.0, None, SelfAssessment::InRange), now(0).0);
        assert_eq!((sum_at(&mut site, 1).count, sum_at(&mut site, 1).interval), (8.0, None));
    }

    #[test]
    fn the_fullest_zones_come_first() {
        let mut site = SiteSum::new("s".to_owned(), [camera("a")], wall(0));
        let mut counted = event("a", 4.0, None, SelfAssessment::InRange);
        counted.zones = vec![
            zone("many", 90.0, None, None),
            zone("few", 2.0, Some(0.1), None),
            zone("dense", 40.0, Some(4.0), Some(Level::High)),
            zone("denser", 30.0, Some(5.0), Some(Level::High)),
            zone("worst", 3.0, None, Some(Level::Critical)),
        ];
        counted.zones.extend((0..20).map(|n| zone(&format!("z{n}"), 0.0, None, Some(Level::Low))));
        site.count(&counted, now(0).0);
        let sum = sum_at(&mut site, 0);
        let zones: Vec<_> = sum.top_zones.iter().map(|zone| zone.zone.to_string()).collect();
        assert_eq!((zones.len(), &zones[..3]), (MOST_ZONES, &["worst", "denser", "dense"].map(str::to_owned)[..]));
        assert_eq!(sum.levels, LevelCounts { low: 20, medium: 0, high: 2, critical: 1 });
    }

    #[test]
    fn an_area_names_blind_cameras_and_silent_sites() {
        let mut site = SiteSum::new("city/a".to_owned(), ["plaza", "back"].map(camera), wall(0));
        let mut counted = event("plaza", 10.0, Some(2.0), SelfAssessment::InRange);
        counted.zones = vec![zone("middle", 10.0, None, Some(Level::Medium))];
        site.count(&counted, now(0).0);
        let mut area = AreaSum::new("city".to_owned(), ["city/never".to_owned()]);
        area.count("city/a", sum_at(&mut site, 1), now(1).0);
        let (heard, at) = now(2);
        let sum = area.sum(heard, at);
        assert_eq!((sum.place.as_str(), sum.count, sum.cameras, sum.counted), ("city", 10.0, 2, 1));
        assert_eq!(sum.interval, Some(CountInterval { low: 8.0, high: 12.0 }));
        assert_eq!((sum.blind[0].camera.as_str(), sum.top_zones[0].camera.as_str()), ("city/a/back", "city/a/plaza"));
        assert_eq!(sum.silent_sites, [SilentSite { site: "city/never".to_owned(), cameras: 0, since: None }]);
        let (later, at) = now(60);
        let sum = area.sum(later, at);
        assert_eq!((sum.count, sum.cameras, sum.counted, sum.levels), (0.0, 2, 0, LevelCounts::default()));
        let silent = SilentSite { site: "city/a".to_owned(), cameras: 2, since: Some(wall(1)) };
        assert_eq!(sum.silent_sites[1], silent);
    }

    proptest! {
        /// An area's sum equals that of one site with all its cameras.
        #[test]
        fn an_area_is_the_sum_of_its_cameras(sites in proptest::collection::vec(
            proptest::collection::vec((0u32..500, proptest::option::of(0u32..50), 0u8..4), 0..5), 0..5,
        )) {
            let said = |n| [SelfAssessment::InRange, SelfAssessment::InRange, SelfAssessment::OutOfRange, SelfAssessment::Moved][usize::from(n)];
            let (mut area, mut all) = (AreaSum::new("c".to_owned(), []), Vec::new());
            for (s, cameras) in sites.iter().enumerate() {
                let id = |c: usize| format!("{s}-{c}");
                let mut site = SiteSum::new(format!("c/{s}"), (0..cameras.len()).map(|c| camera(&id(c))), wall(0));
                for (c, (count, half, assessment)) in cameras.iter().enumerate() {
                    let event = event(&id(c), f64::from(*count), half.map(f64::from), said(*assessment));
                    site.count(&event, now(0).0);
                    all.push(event);
                }
                area.count(&format!("c/{s}"), sum_at(&mut site, 0), now(0).0);
            }
            let mut one = SiteSum::new("c".to_owned(), all.iter().map(|e| camera(&e.camera.to_string())), wall(0));
            all.iter().for_each(|event| one.count(event, now(0).0));
            let (one, area) = (sum_at(&mut one, 0), area.sum(now(0).0, now(0).1));
            prop_assert_eq!((one.count, one.interval, one.cameras, one.counted), (area.count, area.interval, area.cameras, area.counted));
            prop_assert_eq!(one.blind.len(), area.blind.len());
            prop_assert_eq!(one.cameras as usize, one.counted as usize + one.blind.len(), "each camera counts or is blind");
        }
    }
}
