use gatehouse_core::camera_clock::ClockOffset;
use gatehouse_core::event::{Direction, EntryLatency, EventId, LevelEvent};
use gatehouse_core::health::{PacketLoss, SubStream};
use gatehouse_core::load::{ClockSet, FrameLatency, Quantiles};
use gatehouse_core::rollup::{BlindCamera, LevelCounts};
use gatehouse_core::time::{CaptureTime, ClockSource, WallTime};
use gatehouse_core::{CameraId, FrameFates, ZoneId};

use super::*;

const WHEN: CaptureTime = CaptureTime {
    at: WallTime::from_unix_nanos(1_790_000_000_250_000_000),
    source: ClockSource::Rtcp,
    error_ms: 100,
    clock_offset_ms: None,
};

#[test]
fn an_entry_reads_as_a_sentence() {
    let entry = Event::Entry(EntryEvent {
        event_id: EventId(ulid()),
        sequence: 7,
        gate: CameraId::new("gate-1"),
        direction: Direction::In,
        decision: Decision::Refer,
        reason: Reason::NoMatch,
        method: Method::Face,
        capture_time: WHEN,
        latency_ms: EntryLatency { acquire: 120.0, capture_to_arrival: 40.0, detect: 9.0, embed: 31.0, decide: 0.2 },
        grant: None,
    });
    assert_eq!(
        sentence(&entry),
        "14:13:20.250Z  gate-1       REFER    by face: matches nobody who is enrolled; entry 7, 200 ms from first \
         sight to decision"
    );
    let json = line("k", Ok(&entry), true);
    let back: serde_json::Value = serde_json::from_str(&json).expect("one JSON object");
    assert_eq!((&back["key"], &back["event"]["sequence"]), (&json!("k"), &json!(7)));
    assert!(!json.contains('\n'));
}

fn ulid() -> ulid::Ulid {
    ulid::Ulid::from_parts(1_790_000_000_250, 1)
}

#[test]
fn a_health_event_names_the_fault_of_each_stream() {
    let health = HealthEvent {
        camera: CameraId::new("gate-1"),
        state: CameraState::Live,
        reason: None,
        since: WHEN.at,
        fps_received: 25.0,
        fps_decoded: 1.0,
        fps_analysed: 1.0,
        fps_unchanged: 0.0,
        frames: FrameFates::default(),
        packets: Some(PacketLoss { lost: 12, share: 0.013 }),
        reconnects: 0,
        key_frame_interval_s: Some(4.04),
        key_frames_only: true,
        stream: None,
        sub_stream: Some(SubStream { state: CameraState::Lost, reason: Some("no route".into()) }),
        at: WHEN.at,
        clock_offset: Some(ClockOffset { ms: 7_200_000, error_ms: 500 }),
    };
    assert_eq!(
        sentence(&Event::Health(health)).trim_start(),
        "gate-1       health   live since 14:13:20.250Z, a key frame every 4.0 s, 1.0 of 25.0 fps decoded, key frames \
         only, 1.0 analysed, 12 packets lost (1.3 %), sub-stream lost: no route, its clock is 2.0 h ahead"
    );
}

#[test]
fn counts_show_their_interval_and_doubt() {
    let zone = ZoneDensity {
        zone: ZoneId::new("crossing"),
        count: 4.2,
        interval: Some(CountInterval { low: 3.0, high: 5.4 }),
        people_per_m2: Some(0.031),
        level: Some(Level::Medium),
        surge: Some(true),
        dwell_s: Some(12.4),
    };
    let mut density = DensityEvent {
        camera: CameraId::new("plaza"),
        capture_time: WHEN,
        count: 6.0,
        interval: None,
        coverage: None,
        share_by_density: 0.0,
        zones: vec![zone.clone()],
        lines: Vec::new(),
        model: "nanodet".into(),
        self_assessment: SelfAssessment::InRange,
        unchanged_since: None,
        damaged: true,
    };
    assert_eq!(
        sentence(&Event::Density(density.clone())),
        "14:13:20.250Z  plaza        density  6 people: crossing 4 (3–5) 0.03/m² MEDIUM SURGE for 12 s; packets lost, parts of the \
         picture are guessed"
    );
    let sum = RollUp {
        place: "city/cell/north".to_owned(),
        at: WHEN.at,
        count: 31.0,
        interval: Some(CountInterval { low: 28.0, high: 34.4 }),
        cameras: 3,
        counted: 2,
        blind: vec![BlindCamera {
            camera: "back".to_owned(),
            reason: Blindness::Moved,
            since: WHEN.at,
            in_total: true,
        }],
        silent_sites: Vec::new(),
        levels: LevelCounts::default(),
        top_zones: vec![TopZone {
            camera: "plaza".to_owned(),
            zone: zone.zone.clone(),
            count: 4.2,
            people_per_m2: None,
            level: Some(Level::High),
        }],
    };
    assert_eq!(
        sentence(&Event::RollUp(sum)),
        "14:13:20.250Z  city/cell/north sum      31 (28–34) people before 2 of 3 cameras: plaza/crossing 4 HIGH; BLIND: \
         back (moved since 14:13:20.250Z)"
    );
    density.zones.clear();
    density.self_assessment = SelfAssessment::NoPicture;
    (density.count, density.damaged) = (0.0, false);
    assert_eq!(
        sentence(&Event::Density(density)),
        "14:13:20.250Z  plaza        density  0 people; NO PICTURE, nobody is counted"
    );
    let total = Quantiles { p50: 31.2, p95: 80.0, p99: 104.9 };
    let role = RoleLoad { frames: 1290, missed: 110, latency_ms: FrameLatency { total, ..FrameLatency::default() } };
    let mut load = NodeLoad {
        node: "node-1".to_owned(),
        at: WHEN.at,
        period_s: 10.0,
        processors: 2,
        cpu_usage: 0.94,
        full: true,
        gates: Some(role),
        crowds: None,
        clock_set: None,
        removal_paused: true,
    };
    assert_eq!(
        sentence(&Event::Load(Box::new(load.clone()))),
        "14:13:20.250Z  node-1       load     FULL, 94 % of 2 processors; gates: 1290 frames, 110 missed, 31 ms (99 %: 105)"
    );
    (load.full, load.gates) = (false, None);
    assert_eq!(
        sentence(&Event::Load(Box::new(load.clone()))),
        "14:13:20.250Z  node-1       load     94 % of 2 processors"
    );
    load.clock_set = Some(ClockSet { by_ms: -28_800_000, seen_at: WHEN.at, times: 1 });
    assert_eq!(
        sentence(&Event::Load(Box::new(load))).split_once("; ").expect("two parts").1,
        "THE NODE'S CLOCK WAS SET 8.0 h back at 14:13:20.250Z; no record is removed for its age until it has been \
         steady for 10 min"
    );
    let level = LevelEvent {
        camera: CameraId::new("plaza"),
        capture_time: WHEN,
        current: ZoneDensity { surge: None, dwell_s: None, interval: None, ..zone },
        previous_level: Some(Level::Low),
    };
    assert_eq!(sentence(&Event::Level(level)), "14:13:20.250Z  plaza        LEVEL    crossing 4 0.03/m² MEDIUM");
}
