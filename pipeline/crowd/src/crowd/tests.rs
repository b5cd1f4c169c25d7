//! Tests of a crowd camera's events.

mod density;

use std::time::Duration;

use gatehouse_core::ZoneId;
use gatehouse_core::event::Level;
use gatehouse_core::time::ClockSource;
use gatehouse_core::zone::{LevelUnit, SurgeRule, Thresholds};
use gatehouse_people::{CountSpread, DensityMap};
use gatehouse_runtime::{Fit, Placement};

use super::*;

const FRAME: Size = Size { width: 1000, height: 500 };

fn when(ms: u64) -> (CaptureTime, Monotonic) {
    let nanos = i64::try_from(ms * 1_000_000).expect("a small number");
    let at = WallTime::from_unix_nanos(nanos);
    (
        CaptureTime { at, source: ClockSource::Arrival, error_ms: 600, clock_offset_ms: None },
        Monotonic::from_start(Duration::from_millis(ms)),
    )
}

fn person(foot_x: f32, foot_y: f32, height: f32, score: f32) -> Person {
    let box_in_frame = Rect { x: foot_x - 20.0, y: foot_y - height, width: 40.0, height };
    Person { box_in_frame, score }
}

fn at(x: f32, y: f32) -> Point {
    Point { x, y }
}

fn rectangle(left: f32, top: f32, right: f32, bottom: f32) -> NormalisedPolygon {
    let corners = vec![at(left, top), at(right, top), at(right, bottom), at(left, bottom)];
    NormalisedPolygon::new(corners).expect("a rectangle")
}

fn zone(id: &str, polygon: NormalisedPolygon) -> Zone {
    Zone { id: ZoneId::new(id), name: None, polygon, area_m2: None, thresholds: None, surge: None }
}

fn options(follows: bool) -> CrowdOptions {
    let levels = Thresholds { medium: 2.0, high: 3.0, critical: 4.0, unit: LevelUnit::People, hold: Duration::ZERO };
    let left = Zone { area_m2: Some(50.0), ..zone("left", rectangle(0.0, 0.0, 0.5, 1.0)) };
    let all = Zone { thresholds: Some(levels), ..zone("all", NormalisedPolygon::whole()) };
    CrowdOptions {
        zones: vec![left, all],
        excluded: Vec::new(),
        lines: Vec::new(),
        ground: None,
        map_columns: 8,
        map_rows: 4,
        detail_px: 500,
        min_score: 0.5,
        follows,
    }
}

fn detector_alone() -> CrowdModel {
    CrowdModel { name: "nanodet".into(), counting: None }
}

fn with_density() -> CrowdModel {
    let spread = |constant, relative| CountSpread { constant, per_person: 0.0, relative };
    let counting = Counting {
        coverage: 0.9,
        dataset: "none".into(),
        pictures: 1,
        detections: spread(1.0, 0.0),
        density: spread(0.0, 0.2),
        fusion_ramp: Some(FusionRamp {
            people_in_picture: [10.0, 20.0],
            people_in_square: [1.0, 2.0],
            square_px: 80,
            detector_uncertainty: None,
        }),
        head_px: None,
        most_people: 1000.0,
    };
    CrowdModel { name: "crowd".into(), counting: Some(counting) }
}

fn crowd(model: CrowdModel, options: CrowdOptions) -> Crowd {
    Crowd::new(CameraId::new("plaza"), model, options)
}

fn reading(people: &[Person]) -> PeopleReading {
    PeopleReading { people: people.to_vec(), density: DensityMap::default() }
}

/// A density of `in_cell` people in each cell of the left half.
fn packed(people: &[Person], in_cell: f32) -> PeopleReading {
    let mut density = DensityMap::default();
    density.reset(FRAME, &Placement::new(FRAME, Size { width: 500, height: 500 }, Fit::Scale), 8);
    let columns = density.columns();
    let cells = density.people_mut().iter_mut().enumerate();
    cells.for_each(|(i, cell)| *cell = if i % columns < columns / 2 { in_cell } else { 0.0 });
    PeopleReading { people: people.to_vec(), density }
}

fn count(crowd: &mut Crowd, reading: &PeopleReading, ms: u64, verdict: PictureVerdict) -> Option<CrowdEvents> {
    let (capture_time, arrival) = when(ms);
    crowd.count(&CrowdPicture { reading, frame: FRAME, capture_time, arrival, verdict, moved: false })
}

fn still(model: CrowdModel, reading: &PeopleReading) -> CrowdEvents {
    count(&mut crowd(model, options(false)), reading, 0, PictureVerdict::Sound).expect("counted by itself")
}

fn map_sum(map: &MapEvent) -> f64 {
    map.cells.iter().map(|c| f64::from(*c) * f64::from(map.people_per_step)).sum()
}

#[test]
fn people_count_in_the_zones_where_their_feet_are() {
    let people = [person(100.0, 400.0, 120.0, 0.9), person(700.0, 500.0, 120.0, 0.6), person(200.0, 300.0, 90.0, 0.4)];
    let CrowdEvents { density, map, levels } = still(detector_alone(), &reading(&people));
    assert_eq!(density.count, 2.0, "the third has a low score");
    let counts: Vec<_> = density.zones.iter().map(|z| (z.zone.as_str(), z.count, z.people_per_m2, z.level)).collect();
    assert_eq!(counts, [("left", 1.0, Some(0.02), None), ("all", 2.0, None, Some(Level::Medium))]);
    assert!((map_sum(&map) - 2.0).abs() < 0.05, "{}", map_sum(&map));
    assert_eq!((density.self_assessment, density.interval), (SelfAssessment::InRange, None));
    assert_eq!(levels.len(), 1);
    assert_eq!((levels[0].current.zone.as_str(), levels[0].previous_level), ("all", Some(Level::Low)));
}

#[test]
fn a_count_that_cannot_be_trusted_says_so() {
    let assess = |people: &[Person]| still(detector_alone(), &reading(people)).density.self_assessment;
    assert_eq!(assess(&[]), SelfAssessment::InRange);
    assert_eq!(assess(&[person(100.0, 400.0, 120.0, 0.9); 41]), SelfAssessment::OutOfRange);
    assert_eq!(assess(&[person(100.0, 400.0, 51.0, 0.9); 5]), SelfAssessment::OutOfRange);
    // A crowd in which the detector is hardly sure of anybody, and a plaza with people seen well.
    let with_faint = |sure: usize, faint: usize| {
        [vec![person(100.0, 400.0, 120.0, 0.9); sure], vec![person(300.0, 300.0, 60.0, 0.2); faint]].concat()
    };
    assert_eq!(assess(&with_faint(3, 57)), SelfAssessment::OutOfRange);
    assert_eq!(assess(&with_faint(0, 60)), SelfAssessment::OutOfRange);
    assert_eq!(assess(&with_faint(3, 56)), SelfAssessment::InRange);
    assert_eq!(assess(&with_faint(20, 139)), SelfAssessment::InRange);
}

#[test]
fn without_a_picture_nobody_is_counted() {
    for verdict in [PictureVerdict::Dark, PictureVerdict::Frozen] {
        let seen = packed(&[person(100.0, 400.0, 120.0, 0.9)], 0.1);
        let mut crowd = crowd(with_density(), options(false));
        let CrowdEvents { density, map, levels } = count(&mut crowd, &seen, 0, verdict).expect("an event");
        assert_eq!((density.count, density.interval, map_sum(&map)), (0.0, None, 0.0));
        assert_eq!((density.self_assessment, density.zones.len(), levels.len()), (SelfAssessment::NoPicture, 0, 0));
    }
}

#[test]
fn zones_of_a_camera_that_was_moved_are_not_counted() {
    let (capture_time, arrival) = when(0);
    let seen = reading(&[person(100.0, 400.0, 120.0, 0.9)]);
    let (frame, verdict) = (FRAME, PictureVerdict::Sound);
    let picture = CrowdPicture { reading: &seen, frame, capture_time, arrival, verdict, moved: true };
    let events = crowd(detector_alone(), options(false)).count(&picture).expect("an event");
    assert_eq!((events.density.count, events.density.self_assessment), (1.0, SelfAssessment::Moved));
    assert!(events.density.zones.is_empty() && events.levels.is_empty());
}

#[test]
fn a_packed_half_is_measured_with_its_uncertainty() {
    // 0.1 in each of 31 × 32 cells. Two were made out: one in the crowd, one beside it.
    let seen = packed(
        &[person(200.0, 250.0, 60.0, 0.9), person(800.0, 400.0, 120.0, 0.9), person(1.0, 400.0, 60.0, 0.2)],
        0.1,
    );
    let seen = PeopleReading { people: [seen.people.clone(), vec![seen.people[2]; 9]].concat(), ..seen };
    let CrowdEvents { density, map, .. } = still(with_density(), &seen);
    let measured = 0.1 * 31.0 * 32.0;
    assert!((density.count - measured - 1.0).abs() < 0.02 * measured, "{} instead of {measured}", density.count);
    assert!((map_sum(&map) - density.count).abs() < 0.01 * measured);
    assert_eq!((density.self_assessment, density.share_by_density), (SelfAssessment::InRange, 1.0));
    let interval = density.interval.expect("the model was measured");
    assert!((interval.high - interval.low - 2.0 * 0.2 * measured).abs() < 1.5, "{interval:?}");
    // The zone of the left half has the crowd alone; its interval is of its own count.
    let left = &density.zones[0];
    assert!((left.count - measured).abs() < 0.02 * measured && left.interval.is_some(), "{left:?}");
    assert_eq!(left.people_per_m2, Some((left.count / 50.0 * 1000.0).round() / 1000.0));
}

#[test]
fn excluded_heads_do_not_count() {
    let excluded = vec![rectangle(0.0, 0.0, 0.5, 1.0)];
    let mut crowd = crowd(with_density(), CrowdOptions { excluded, ..options(false) });
    let seen = packed(&[person(200.0, 250.0, 60.0, 0.9), person(800.0, 400.0, 120.0, 0.9)], 0.1);
    let events = count(&mut crowd, &seen, 0, PictureVerdict::Sound).expect("an event");
    assert_eq!(events.density.count, 1.0);
}

#[test]
fn a_dense_crowd_stands_where_its_feet_are() {
    // Level, 4 m up: feet are below the middle and below their heads.
    let ground = Some(GroundCalibration::Mounting { height_m: 4.0, tilt_deg: 0.0, field_of_view_deg: 60.0 });
    let zones = vec![zone("heads", rectangle(0.0, 0.5, 1.0, 0.55)), zone("feet", rectangle(0.0, 0.55, 1.0, 1.0))];
    let mut crowd = crowd(with_density(), CrowdOptions { ground, zones, ..options(false) });
    let mut seen = packed(&[], 0.0);
    let columns = seen.density.columns();
    // Heads in the row at 0.54 of the height, 1 a cell.
    seen.density.people_mut()[17 * columns..17 * columns + 40].fill(1.0);
    let events = count(&mut crowd, &seen, 0, PictureVerdict::Sound).expect("an event");
    let [heads, feet] = [0, 1].map(|zone| events.density.zones[zone].count);
    assert!(heads == 0.0 && (feet - 40.0).abs() < 1.0, "{heads} and {feet}");
}

#[test]
fn counts_do_not_flicker() {
    let mut crowd = crowd(detector_alone(), options(true));
    let three: Vec<_> = (0..3).map(|i| person(100.0 + 300.0 * i as f32, 400.0, 120.0, 0.9)).collect();
    let mut counts = Vec::new();
    for step in 0..20u64 {
        // One is missed at times, one has a low score at times, and something appears once.
        let mut people = three.clone();
        people[0].score = if step % 3 == 0 { 0.3 } else { 0.9 };
        if step % 4 == 1 {
            people.remove(1);
        }
        if step == 10 {
            people.push(person(950.0, 200.0, 60.0, 0.9));
        }
        counts.extend(count(&mut crowd, &reading(&people), 500 * step, PictureVerdict::Sound).map(|e| e.density.count));
    }
    assert_eq!(counts.len(), 19, "the first picture gives no count");
    assert!(counts[2..].iter().all(|count| *count == 3.0), "{counts:?}");
}

#[test]
fn stays_are_measured_and_crossings_count_once() {
    let door = Crossing { from: at(0.3, 0.5), to: at(0.3, 1.0), inside: at(0.9, 0.75) };
    let lines = vec![(LineId::new("door"), door)];
    let mut crowd = crowd(detector_alone(), CrowdOptions { lines, ..options(true) });
    let mut last = None;
    for step in 0..12u64 {
        // One walks in and stops at 0.42 of the width; the other stands still.
        let walker = person((100.0 + 40.0 * step as f32).min(420.0), 400.0, 120.0, 0.9);
        let people = [walker, person(800.0, 400.0, 120.0, 0.9)];
        last = count(&mut crowd, &reading(&people), 500 * step, PictureVerdict::Sound);
    }
    let density = last.expect("an event").density;
    let flows: Vec<_> = density.lines.iter().map(|l| (l.line.as_str(), l.inwards, l.outwards)).collect();
    assert_eq!(flows, [("door", 1, 0)]);
    assert_eq!(density.zones[0].dwell_s, Some(5.0), "since the second picture, half a second in");
}

#[test]
fn a_surge_is_reported_at_its_start_and_end() {
    let surge = Some(SurgeRule { people: 3.0, within: Duration::from_secs(10) });
    let zones = vec![Zone { surge, ..zone("all", NormalisedPolygon::whole()) }];
    let mut crowd = crowd(detector_alone(), CrowdOptions { zones, ..options(true) });
    let mut told = Vec::new();
    for step in 0..40u64 {
        let people: Vec<_> =
            (0..if step < 10 { 1 } else { 5 }).map(|i| person(100.0 + 150.0 * i as f32, 400.0, 120.0, 0.9)).collect();
        let events = count(&mut crowd, &reading(&people), 500 * step, PictureVerdict::Sound);
        told.extend(events.into_iter().flat_map(|e| e.levels).map(|level| (step, level.current.surge)));
    }
    assert_eq!(told, [(11, Some(true)), (31, Some(false))]);
}

#[test]
fn an_unchanged_picture_repeats_the_counts() {
    let mut crowd = crowd(detector_alone(), options(true));
    assert_eq!(crowd.unchanged(when(0).0, when(0).1), None, "nothing was counted yet");
    let people = [person(100.0, 400.0, 120.0, 0.9), person(800.0, 400.0, 120.0, 0.9)];
    for step in 0..3 {
        count(&mut crowd, &reading(&people), 500 * step, PictureVerdict::Sound);
    }
    for s in 2..20 {
        let (capture_time, arrival) = when(1000 * s);
        let density = crowd.unchanged(capture_time, arrival).expect("counted before").density;
        assert_eq!(
            (density.count, density.capture_time, density.unchanged_since),
            (2.0, capture_time, Some(when(1000).0.at))
        );
        assert_eq!(density.zones[1].dwell_s, Some(s as f64 - 0.5));
    }
    // The next picture continues from there.
    let events = count(&mut crowd, &reading(&people), 20_000, PictureVerdict::Sound).expect("no pause");
    assert_eq!((events.density.count, events.density.unchanged_since), (2.0, None));
}

#[test]
fn pictures_too_far_apart_are_counted_individually() {
    let mut crowd = crowd(detector_alone(), options(true));
    let people = [person(100.0, 400.0, 120.0, 0.9), person(800.0, 400.0, 120.0, 0.9)];
    let mut seen = |ms: u64, people: &[Person]| {
        count(&mut crowd, &reading(people), ms, PictureVerdict::Sound).map(|events| events.density.count)
    };
    // A node that needs three seconds per picture is slow, not blind.
    let counts: Vec<_> = (0..5).map(|i| seen(3000 * i, &people[..1 + i as usize % 2])).collect();
    assert_eq!(counts, [None, Some(2.0), Some(1.0), Some(2.0), Some(1.0)]);
    // When pictures come in time again, people are tracked.
    assert_eq!(seen(12_500, &people), Some(1.0), "the second was detected once only");
    assert_eq!(seen(13_000, &people), Some(2.0));
    assert_eq!(seen(20_000, &people), None, "one pause gives one picture without a count");
    assert_eq!(seen(20_500, &people), Some(2.0));
}

#[test]
fn counts_from_before_an_outage_are_dropped() {
    let mut crowd = crowd(detector_alone(), options(true));
    let people: Vec<_> = (0..5).map(|i| person(100.0 + 150.0 * i as f32, 400.0, 120.0, 0.9)).collect();
    for step in 0..3 {
        count(&mut crowd, &reading(&people), 500 * step, PictureVerdict::Sound);
    }
    let density = |crowd: &mut Crowd, ms: u64| crowd.unchanged(when(ms).0, when(ms).1);
    assert_eq!(density(&mut crowd, 1500).expect("counted before").density.count, 5.0);
    assert_eq!(count(&mut crowd, &reading(&[]), 60_000, PictureVerdict::Sound), None);
    assert_eq!(density(&mut crowd, 60_500), None, "counts from before the outage don't hold");
}

#[test]
fn a_scene_at_rest_is_counted_until_it_is_settled() {
    let mut crowd = crowd(detector_alone(), options(true));
    let still = [person(100.0, 400.0, 120.0, 0.9)];
    let both = [still[0], person(800.0, 400.0, 120.0, 0.9)];
    for step in 0..3 {
        count(&mut crowd, &reading(&still), 500 * step, PictureVerdict::Sound);
    }
    let people = |events: Option<CrowdEvents>| events.map(|events| events.density.count);
    let unchanged = |crowd: &mut Crowd, ms: u64| people(crowd.unchanged(when(ms).0, when(ms).1));
    // A new person counts only after a second detection, so the unchanged picture must be counted.
    assert_eq!(people(count(&mut crowd, &reading(&both), 1500, PictureVerdict::Sound)), Some(1.0));
    assert_eq!(unchanged(&mut crowd, 2000), None);
    assert_eq!(people(count(&mut crowd, &reading(&both), 2000, PictureVerdict::Sound)), Some(2.0));
    assert_eq!(unchanged(&mut crowd, 2500), Some(2.0));
    // They leave: a missed track must not stay for as long as nothing moves.
    assert_eq!(people(count(&mut crowd, &reading(&still), 3000, PictureVerdict::Sound)), Some(2.0), "for a moment");
    assert_eq!(unchanged(&mut crowd, 3500), None);
    for step in 0..8 {
        count(&mut crowd, &reading(&still), 3500 + 500 * step, PictureVerdict::Sound);
    }
    assert_eq!(unchanged(&mut crowd, 7500), Some(1.0));
    assert_eq!(
        people(count(&mut crowd, &reading(&still), 8000, PictureVerdict::Sound)),
        Some(1.0),
        "and nobody comes back"
    );
}

#[test]
fn excluded_people_cross_no_line_and_stay_in_no_zone() {
    let door = Crossing { from: at(0.3, 0.0), to: at(0.3, 1.0), inside: at(0.9, 0.75) };
    let (lines, excluded) = (vec![(LineId::new("door"), door)], vec![rectangle(0.0, 0.0, 1.0, 0.5)]);
    let mut crowd = crowd(detector_alone(), CrowdOptions { lines, excluded, ..options(true) });
    let mut last = None;
    for step in 0..12u64 {
        let walker = person(100.0 + 40.0 * step as f32, 300.0, 120.0, 0.9);
        last = count(&mut crowd, &reading(&[walker]), 500 * step, PictureVerdict::Sound);
    }
    let density = last.expect("an event").density;
    assert_eq!((density.count, density.lines[0].inwards, density.zones[0].dwell_s), (0.0, 0, None));
}

#[test]
fn the_density_of_a_half_excluded_zone_is_that_of_the_rest() {
    let ground = Some(GroundCalibration::Mounting { height_m: 4.0, tilt_deg: 40.0, field_of_view_deg: 60.0 });
    let zones = vec![zone("all", rectangle(0.1, 0.5, 0.9, 1.0))];
    let people = [person(800.0, 400.0, 60.0, 0.9), person(700.0, 450.0, 60.0, 0.9)];
    let density = |excluded: Vec<NormalisedPolygon>| {
        let options = CrowdOptions { ground, zones: zones.clone(), excluded, ..options(false) };
        let mut crowd = crowd(detector_alone(), options);
        let events = count(&mut crowd, &reading(&people), 0, PictureVerdict::Sound).expect("an event");
        events.density.zones[0].people_per_m2
    };
    let whole = density(Vec::new()).expect("it is measured");
    let half = density(vec![rectangle(0.0, 0.0, 0.5, 1.0)]).expect("half of it is measured");
    assert!((half / whole - 2.0).abs() < 0.05, "{half} of {whole}: the camera looks straight ahead, so half is half");
    // The lower half of the picture shows far less than half of the ground.
    let near = density(vec![rectangle(0.0, 0.75, 1.0, 1.0)]).expect("the far part is measured");
    assert!(near / whole < 1.6, "{near} of {whole}");
    assert_eq!(density(vec![rectangle(0.0, 0.0, 1.0, 1.0)]), None);
}

#[test]
fn counting_allocates_only_its_events() {
    let people = [100.0, 300.0, 700.0].map(|x| person(x, 400.0, 120.0, 0.9));
    let across = Crossing { from: at(0.5, 0.0), to: at(0.5, 1.0), inside: at(0.1, 0.5) };
    for follows in [false, true] {
        for (model, reading) in [(detector_alone(), reading(&people)), (with_density(), packed(&people, 0.05))] {
            let mut crowd =
                crowd(model, CrowdOptions { lines: vec![(LineId::new("door"), across)], ..options(follows) });
            for picture in 0..20 {
                count(&mut crowd, &reading, picture * 200, PictureVerdict::Sound);
            }
            let mut events = None;
            let taken = allocation_counter::measure(|| {
                events = count(&mut crowd, &reading, 4000, PictureVerdict::Sound);
            });
            assert_eq!(events.iter().map(|events| events.density.zones.len()).sum::<usize>(), 2);
            let kept = allocation_counter::measure(|| drop(std::hint::black_box(events.clone())));
            assert_eq!(taken.count_total, kept.count_total, "follows: {follows}");
        }
    }
}
