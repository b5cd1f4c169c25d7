//! What the bus's tests share.

use std::time::Duration;

use gatehouse_bus::{Bus, BusOptions, Received, Watcher};
use gatehouse_core::event::{
    Decision, DensityEvent, Direction, EntryEvent, EntryLatency, Event, EventId, Grant, MapEvent, Method, Reason,
    SelfAssessment, TallyEvent, ZoneDensity,
};
use gatehouse_core::health::{CameraState, HealthEvent};
use gatehouse_core::key::{EVERYTHING, SiteKey};
use gatehouse_core::node_clock::RunId;
use gatehouse_core::time::{CaptureTime, ClockSource, WallTime};
use gatehouse_core::{CameraId, FrameFates, ZoneId};
use zenoh::{Session, Wait};

/// Far longer than anything here takes, so that only something broken reaches it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) fn site() -> SiteKey {
    SiteKey::new("county/town", "north-gate")
}

pub(crate) fn gate() -> CameraId {
    CameraId::new("gate-1")
}

pub(crate) fn any_port() -> Vec<String> {
    vec!["tcp/127.0.0.1:0".to_owned()]
}

/// A node on a port of its own.
pub(crate) fn node(name: &str) -> Bus {
    Bus::open(&BusOptions::listening(any_port()), site(), name).expect("opens")
}

pub(crate) fn options(nodes: &[&Bus]) -> BusOptions {
    BusOptions::hearing_all(nodes.iter().flat_map(|node| node.locators()).collect())
}

pub(crate) fn watch(node: &Bus) -> Watcher {
    Watcher::open(&options(&[node]), EVERYTHING).expect("opens")
}

/// A plain zenoh session, as any other program may have, connected to the node and listening.
pub(crate) fn stranger(node: &Bus) -> Session {
    let mut config = zenoh::Config::default();
    config.insert_json5("scouting/multicast/enabled", "false").expect("a setting");
    config.insert_json5("listen/endpoints", "[\"tcp/127.0.0.1:0\"]").expect("a setting");
    let connect = serde_json::to_string(&node.locators()).expect("JSON");
    config.insert_json5("connect/endpoints", &connect).expect("a setting");
    zenoh::open(config).wait().expect("opens")
}

/// Puts a payload as soon as there is a subscriber for its key: unlike ours, a stranger's is not
/// kept for later.
pub(crate) fn put_once_received(stranger: &Session, key: &str, payload: &str) {
    let publisher = stranger.declare_publisher(key).wait().expect("declares");
    let listener = publisher.matching_listener().wait().expect("listens");
    while !publisher.matching_status().wait().expect("knows").matching() {
        listener.recv_timeout(DEADLINE).expect("open").expect("a subscriber comes in time");
    }
    publisher.put(payload).wait().expect("anyone can put");
}

pub(crate) fn next(watcher: &Watcher) -> Received {
    watcher.recv_timeout(DEADLINE).expect("something comes")
}

pub(crate) fn next_entry(watcher: &Watcher) -> (String, EntryEvent) {
    let received = next(watcher);
    match received.event {
        Ok(Event::Entry(entry)) => (received.key, entry),
        other => panic!("{}: expected an entry, got {other:?}", received.key),
    }
}

fn at(ms: u64) -> WallTime {
    WallTime::from_unix_nanos(1_790_000_000_000_000_000) + Duration::from_millis(ms)
}

fn capture_time(ms: u64) -> CaptureTime {
    CaptureTime { at: at(ms), source: ClockSource::Rtcp, error_ms: 100, clock_offset_ms: None }
}

pub(crate) fn entry(sequence: u64) -> EntryEvent {
    EntryEvent {
        event_id: EventId(ulid::Ulid::from_parts(at(sequence).unix_millis().unsigned_abs(), u128::from(sequence))),
        sequence,
        gate: gate(),
        direction: Direction::In,
        decision: Decision::Admit,
        reason: Reason::Matched,
        method: Method::Face,
        capture_time: capture_time(sequence),
        latency_ms: EntryLatency { acquire: 100.0, capture_to_arrival: 80.0, detect: 20.0, embed: 15.0, decide: 0.5 },
        grant: Some(Grant {
            expires_at: at(sequence + 10_000),
            run: RunId(ulid::Ulid(1)),
            from_ms: sequence,
            until_ms: sequence + 10_000,
            signature: "ab".repeat(64),
        }),
    }
}

pub(crate) fn tally(admitted: u32) -> Event {
    let (from, until) = (at(0), at(60_000));
    Event::Tally(TallyEvent {
        gate: gate(),
        from,
        until,
        admitted_by_face: admitted,
        admitted_by_qr: 1,
        admitted_by_both: 0,
        referred: 1,
        present: None,
    })
}

pub(crate) fn density(camera: &str, count: u32) -> Event {
    Event::Density(DensityEvent {
        camera: CameraId::new(camera),
        capture_time: capture_time(0),
        count: count.into(),
        interval: None,
        coverage: None,
        share_by_density: 0.0,
        zones: vec![ZoneDensity {
            zone: ZoneId::new("all"),
            count: count.into(),
            interval: None,
            people_per_m2: Some(0.25),
            level: None,
            surge: None,
            dwell_s: None,
        }],
        lines: Vec::new(),
        model: "nanodet 1".to_owned(),
        self_assessment: SelfAssessment::InRange,
        unchanged_since: None,
        damaged: false,
    })
}

pub(crate) fn map() -> Event {
    Event::Map(MapEvent {
        camera: CameraId::new("square"),
        capture_time: capture_time(0),
        columns: 32,
        rows: 18,
        people_per_step: 0.25,
        cells: vec![3; 32 * 18],
    })
}

pub(crate) fn health(reconnects: u64) -> Event {
    Event::Health(HealthEvent {
        camera: gate(),
        state: CameraState::Live,
        reason: None,
        since: at(0),
        fps_received: 25.0,
        fps_decoded: 25.0,
        fps_analysed: 10.0,
        fps_unchanged: 0.0,
        frames: FrameFates::default(),
        packets: None,
        reconnects,
        key_frame_interval_s: Some(1.0),
        key_frames_only: false,
        stream: None,
        sub_stream: None,
        at: at(0),
        clock_offset: None,
    })
}
