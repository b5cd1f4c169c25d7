//! `gatehouse watch`: prints the events of the bus as they come.

use std::time::Duration;

use clap::Args;
use gatehouse_bus::{Arrival, BusOptions, GapDetector, Received, RecvError, Watcher};
use gatehouse_core::Event;
use gatehouse_core::door::DoorEvent;
use gatehouse_core::event::{
    CountInterval, Decision, DensityEvent, EntryEvent, Level, LevelEvent, Method, Reason, SelfAssessment, ZoneDensity,
};
use gatehouse_core::health::{CameraState, HealthEvent};
use gatehouse_core::key::EVERYTHING;
use gatehouse_core::load::{NodeLoad, RoleLoad};
use gatehouse_core::rollup::{Blindness, RollUp, TopZone};
use serde_json::json;

use crate::exit::Failure;
use crate::print;

/// Print events as they come
///
/// Connects to a node or a router, first prints the last value of each key, and then every event. Entries that were missed
/// are asked for again and printed when they come.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Where a node or router listens, as `gatehouse run` prints it; may be given several times
    #[arg(long, value_name = "ENDPOINT", default_value = "tcp/127.0.0.1:7447")]
    connect: Vec<String>,
    /// Which keys, as a zenoh key expression: `gatehouse/v1/riverside/**` for one city, `**/entry` for entries
    #[arg(long, value_name = "EXPRESSION", default_value = EVERYTHING)]
    key: String,
    /// Print one JSON object a line: `{"key": …, "event": …}`, the event as on the bus
    #[arg(long)]
    json: bool,
    /// End after so many events
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

/// How often a watcher that hears nothing says so.
const QUIET: Duration = Duration::from_secs(10);

pub(crate) fn watch(args: &WatchArgs) -> Result<(), Failure> {
    let options = BusOptions { listen: Vec::new(), connect: args.connect.clone() };
    let watcher = Watcher::open(&options, &args.key)?;
    let mut gaps = GapDetector::default();
    let mut printed = 0;
    while args.count.is_none_or(|count| printed < count) {
        let received = match watcher.recv_timeout(QUIET) {
            Ok(received) => received,
            Err(RecvError::Timeout) => {
                if watcher.peers() == 0 {
                    tracing::warn!("no node answers at {}; still trying", args.connect.join(", "));
                }
                continue;
            }
            Err(RecvError::Closed) => break,
        };
        let mut lines = vec![line(&received, args.json)];
        if let Ok(Event::Entry(entry)) = &received.event {
            lines = with_missed(&watcher, &mut gaps, &received.key, entry, lines, args.json);
        }
        for line in lines {
            if !print::line(&line)? {
                return Ok(());
            }
            printed += 1;
        }
    }
    watcher.close(Duration::from_secs(2))?;
    Ok(())
}

/// Puts the entries before this one that were missed in front of its line; nothing if this one was seen before.
fn with_missed(
    watcher: &Watcher,
    gaps: &mut GapDetector,
    key: &str,
    entry: &EntryEvent,
    own: Vec<String>,
    as_json: bool,
) -> Vec<String> {
    let gap = match gaps.observe(key, entry) {
        Arrival::Old => return Vec::new(),
        Arrival::After(gap) | Arrival::Restarted(Some(gap)) => gap,
        Arrival::First | Arrival::Next | Arrival::Filled | Arrival::Restarted(None) => return own,
    };
    match watcher.replay(&gap) {
        Ok(missed) => {
            let new: Vec<_> = missed.into_iter().filter(|missed| gaps.observe(key, missed).is_new()).collect();
            new.into_iter().map(|e| event_line(key, &Event::Entry(e), as_json)).chain(own).collect()
        }
        Err(e) => {
            tracing::warn!("entries {} to {} of {key} are missing and can't be had: {e}", gap.from, gap.until);
            own
        }
    }
}

pub(crate) fn line(received: &Received, as_json: bool) -> String {
    match (&received.event, as_json) {
        (Ok(event), _) => event_line(&received.key, event, as_json),
        (Err(e), true) => json!({ "key": received.key, "error": e.to_string() }).to_string(),
        (Err(e), false) => format!("not understood: {e}"),
    }
}

fn event_line(key: &str, event: &Event, as_json: bool) -> String {
    if as_json { json!({ "key": key, "event": event }).to_string() } else { words(event) }
}

/// One line for a person.
pub(crate) fn words(event: &Event) -> String {
    match event {
        Event::Entry(entry) => entry_words(entry),
        Event::Density(density) => density_words(density),
        Event::Level(level) => level_words(level),
        Event::Map(map) => {
            let people: f32 = map.cells.iter().map(|c| f32::from(*c) * map.people_per_step).sum();
            format!(
                "{}  {:<12} map      {}×{} cells, {people:.0} people",
                time(&map.capture_time.at),
                map.camera,
                map.columns,
                map.rows
            )
        }
        Event::Tally(tally) => {
            format!(
                "{}  {:<12} tally    {} let through, {} referred in a minute",
                time(&tally.until),
                tally.gate,
                tally.admitted_by_face + tally.admitted_by_qr + tally.admitted_by_both,
                tally.referred
            ) + &tally.present.map(|present| format!(", {present} inside")).unwrap_or_default()
        }
        Event::RollUp(sum) => rollup_words(sum),
        Event::Health(health) => health_words(health),
        Event::Load(load) => load_words(load),
        Event::Door(door) => door_words(door),
    }
}

/// The time of day, in UTC.
fn time(at: &gatehouse_core::time::WallTime) -> String {
    at.to_string().split_once('T').map_or_else(|| at.to_string(), |(_, time)| time.to_owned())
}

fn entry_words(entry: &EntryEvent) -> String {
    let decision = match entry.decision {
        Decision::Admit => "ADMIT",
        Decision::Refer => "REFER",
    };
    let reason = match entry.reason {
        Reason::Matched => "an enrolled person",
        Reason::NoMatch => "matches nobody who is enrolled",
        Reason::Unsure => "the pictures don't agree on one person",
        Reason::NotLive => "looks like a picture or a screen held up to the camera",
        Reason::LivenessUnknown => "whether the face is live could not be told in time",
        Reason::FaceUnusable => "no picture of the face was good enough in time",
        Reason::PassNeeded => "a pass is needed as well, and none was shown",
        Reason::PassAccepted => "a valid pass",
        Reason::PassInvalid => "no pass of this site, or an altered one",
        Reason::PassExpired => "the pass is not valid at this time",
        Reason::PassRevoked => "the pass was taken back",
        Reason::PassUsed => "the pass has been used already",
        Reason::CardMismatch => "the face is not the one on the card",
    };
    let method = match entry.method {
        Method::Face => "face",
        Method::Qr => "QR pass",
        Method::QrAndFace => "QR code and face",
    };
    let l = entry.latency_ms;
    format!(
        "{}  {:<12} {decision}    by {method}: {reason}; entry {}, {:.0} ms from first sight to decision",
        time(&entry.capture_time.at),
        entry.gate,
        entry.sequence,
        l.acquire + l.capture_to_arrival + l.detect + l.embed + l.decide
    )
}

fn people_words(count: f64, interval: Option<CountInterval>) -> String {
    let interval = interval.filter(|between| between.low < between.high);
    let between = interval.map(|between| format!(" ({:.0}–{:.0})", between.low, between.high)).unwrap_or_default();
    format!("{count:.0}{between}")
}

fn level_name(level: Option<Level>) -> &'static str {
    match level {
        Some(Level::Low) => " low",
        Some(Level::Medium) => " MEDIUM",
        Some(Level::High) => " HIGH",
        Some(Level::Critical) => " CRITICAL",
        None => "",
    }
}

fn zone_words(zone: &ZoneDensity) -> String {
    let level = level_name(zone.level);
    let surge = if zone.surge == Some(true) { " SURGE" } else { "" };
    let per_m2 = zone.people_per_m2.map(|d| format!(" {d:.2}/m²")).unwrap_or_default();
    let stay = zone.dwell_s.map(|s| format!(" for {s:.0} s")).unwrap_or_default();
    format!("{} {}{per_m2}{level}{surge}{stay}", zone.zone, people_words(zone.count, zone.interval))
}

fn density_words(density: &DensityEvent) -> String {
    let zones = density.zones.iter().map(zone_words);
    let lines = density.lines.iter().map(|l| format!("{} {} in, {} out", l.line, l.inwards, l.outwards));
    let parts: Vec<String> = zones.chain(lines).collect();
    let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    let doubt = match density.self_assessment {
        SelfAssessment::InRange => "",
        SelfAssessment::OutOfRange => "; UNSURE, a scene that the model can't count",
        SelfAssessment::NoPicture => "; NO PICTURE, nobody is counted",
        SelfAssessment::Moved => "; THE CAMERA WAS MOVED, its zones are not counted",
    };
    let unchanged = density.unchanged_since.map(|at| format!("; unchanged since {}", time(&at))).unwrap_or_default();
    format!(
        "{}  {:<12} density  {} {}{parts}{doubt}{unchanged}",
        time(&density.capture_time.at),
        density.camera,
        people_words(density.count, density.interval),
        if density.count == 1.0 { "person" } else { "people" },
    )
}

fn load_words(load: &NodeLoad) -> String {
    let role = |(name, role): (&str, &RoleLoad)| {
        let late = if role.missed > 0 { format!(", {} missed", role.missed) } else { String::new() };
        let all = &role.latency_ms.all;
        format!("; {name}: {} frames{late}, {:.0} ms (99 %: {:.0})", role.frames, all.p50, all.p99)
    };
    let roles = [("gates", &load.gates), ("crowds", &load.crowds)].into_iter();
    let roles: String = roles.filter_map(|(name, of)| of.as_ref().map(|of| role((name, of)))).collect();
    let full = if load.full { "FULL, " } else { "" };
    format!(
        "{}  {:<12} load     {full}{:.0} % of {} processors{roles}",
        time(&load.at),
        load.node,
        100.0 * load.busy,
        load.processors
    )
}

fn rollup_words(sum: &RollUp) -> String {
    let blind = sum.blind.iter().map(|blind| {
        let reason = match blind.reason {
            Blindness::Silent => "silent",
            Blindness::NoPicture => "no picture",
            Blindness::OutOfRange => "a scene that the model can't count",
            Blindness::Moved => "moved",
        };
        format!("{} ({reason} since {})", blind.camera, time(&blind.since))
    });
    let silent = sum.silent_sites.iter().map(|silent| match &silent.since {
        Some(since) => format!("site {} (silent since {})", silent.site, time(since)),
        None => format!("site {} (never heard)", silent.site),
    });
    let blind: Vec<String> = blind.chain(silent).collect();
    let blind = if blind.is_empty() { String::new() } else { format!("; BLIND: {}", blind.join(", ")) };
    let zones: Vec<String> = sum.top_zones.iter().take(3).map(top_zone_words).collect();
    let zones = if zones.is_empty() { String::new() } else { format!(": {}", zones.join(", ")) };
    format!(
        "{}  {:<12} sum      {} people before {} of {} cameras{zones}{blind}",
        time(&sum.at),
        sum.place,
        people_words(sum.count, sum.interval),
        sum.counted,
        sum.cameras
    )
}

fn top_zone_words(zone: &TopZone) -> String {
    let per_m2 = zone.people_per_m2.map(|d| format!(" {d:.2}/m²")).unwrap_or_default();
    format!("{}/{} {:.0}{per_m2}{}", zone.camera, zone.zone, zone.count, level_name(zone.level))
}

fn level_words(level: &LevelEvent) -> String {
    format!("{}  {:<12} LEVEL    {}", time(&level.capture_time.at), level.camera, zone_words(&level.now))
}

fn door_words(door: &DoorEvent) -> String {
    let state = match (door.released, door.lost) {
        (true, _) => "RELEASED: open until it is reset",
        (false, true) => "OPEN, because its node is lost",
        (false, false) => "shut, opens for grants",
    };
    let works = if door.works { "" } else { "; THE ACTUATOR DOES NOT DO WHAT IT IS TOLD" };
    let (since, gate) = (time(&door.since), &door.gate);
    format!(
        "{:<13}  {:<12} door     {state} (gate {gate}) since {since}, opened {} times{works}",
        "", door.door, door.opened
    )
}

fn health_words(health: &HealthEvent) -> String {
    let reason = health.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
    let stream = health.stream.as_ref().map(|s| format!(", {} {}×{}", s.codec, s.width, s.height)).unwrap_or_default();
    let unchanged =
        if health.fps_unchanged > 0.0 { format!(", {:.1} unchanged", health.fps_unchanged) } else { String::new() };
    let key_frames = if health.key_frames_only { ", key frames only" } else { "" };
    let sub_stream = health.sub_stream.as_ref().map(|sub| {
        let reason = sub.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!(", sub-stream {}{reason}", state_name(sub.state))
    });
    let sub_stream = sub_stream.unwrap_or_default();
    format!(
        "{:<13}  {:<12} health   {} since {}{reason}{stream}, {:.1} fps decoded{key_frames}, {:.1} analysed{unchanged}{sub_stream}",
        "",
        health.camera,
        state_name(health.state),
        time(&health.since),
        health.fps_decoded,
        health.fps_analysed
    )
}

fn state_name(state: CameraState) -> String {
    format!("{state:?}").to_lowercase()
}

#[cfg(test)]
mod tests {
    use gatehouse_core::event::{Direction, EntryLatency, EventId};
    use gatehouse_core::health::SubStream;
    use gatehouse_core::load::{FrameLatency, Quantiles};
    use gatehouse_core::rollup::{BlindCamera, LevelCounts};
    use gatehouse_core::time::{CaptureTime, ClockSource, WallTime};
    use gatehouse_core::{CameraId, FrameFates, ZoneId};

    use super::*;

    const WHEN: CaptureTime = CaptureTime {
        at: WallTime::from_unix_nanos(1_790_000_000_250_000_000),
        source: ClockSource::Rtcp,
        error_ms: 100,
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
            latency_ms: EntryLatency {
                acquire: 120.0,
                capture_to_arrival: 40.0,
                detect: 9.0,
                embed: 31.0,
                decide: 0.2,
            },
            grant: None,
        });
        assert_eq!(
            words(&entry),
            "14:13:20.250Z  gate-1       REFER    by face: matches nobody who is enrolled; entry 7, 200 ms from first \
             sight to decision"
        );
        let json = event_line("k", &entry, true);
        let back: serde_json::Value = serde_json::from_str(&json).expect("one JSON object");
        assert_eq!((&back["key"], &back["event"]["sequence"]), (&json!("k"), &json!(7)));
        assert!(!json.contains('\n'));
    }

    fn ulid() -> ulid::Ulid {
        ulid::Ulid::from_parts(1_790_000_000_250, 1)
    }

    #[test]
    fn a_camera_tells_what_is_wrong_with_either_of_its_streams() {
        let health = HealthEvent {
            camera: CameraId::new("gate-1"),
            state: CameraState::Live,
            reason: None,
            since: WHEN.at,
            fps_decoded: 1.0,
            fps_analysed: 1.0,
            fps_unchanged: 0.0,
            frames: FrameFates::default(),
            reconnects: 0,
            key_frames_only: true,
            stream: None,
            sub_stream: Some(SubStream { state: CameraState::Lost, reason: Some("no route".into()) }),
        };
        assert_eq!(
            health_words(&health).trim_start(),
            "gate-1       health   live since 14:13:20.250Z, 1.0 fps decoded, key frames only, 1.0 analysed, sub-stream lost: no route"
        );
    }

    #[test]
    fn a_count_says_how_sure_it_is_and_one_that_says_nothing_says_so() {
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
        };
        assert_eq!(
            words(&Event::Density(density.clone())),
            "14:13:20.250Z  plaza        density  6 people: crossing 4 (3–5) 0.03/m² MEDIUM SURGE for 12 s"
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
            words(&Event::RollUp(sum)),
            "14:13:20.250Z  city/cell/north sum      31 (28–34) people before 2 of 3 cameras: plaza/crossing 4 HIGH; BLIND: \
             back (moved since 14:13:20.250Z)"
        );
        density.zones.clear();
        density.self_assessment = SelfAssessment::NoPicture;
        density.count = 0.0;
        assert_eq!(
            words(&Event::Density(density)),
            "14:13:20.250Z  plaza        density  0 people; NO PICTURE, nobody is counted"
        );
        let all = Quantiles { p50: 31.2, p95: 80.0, p99: 104.9 };
        let role = RoleLoad { frames: 1290, missed: 110, latency_ms: FrameLatency { all, ..FrameLatency::default() } };
        let mut load = NodeLoad {
            node: "node-1".to_owned(),
            at: WHEN.at,
            seconds: 10.0,
            processors: 2,
            busy: 0.94,
            full: true,
            gates: Some(role),
            crowds: None,
        };
        assert_eq!(
            words(&Event::Load(Box::new(load.clone()))),
            "14:13:20.250Z  node-1       load     FULL, 94 % of 2 processors; gates: 1290 frames, 110 missed, 31 ms (99 %: 105)"
        );
        (load.full, load.gates) = (false, None);
        assert_eq!(words(&Event::Load(Box::new(load))), "14:13:20.250Z  node-1       load     94 % of 2 processors");
        let level = LevelEvent {
            camera: CameraId::new("plaza"),
            capture_time: WHEN,
            now: ZoneDensity { surge: None, dwell_s: None, interval: None, ..zone },
            level_before: Some(Level::Low),
        };
        assert_eq!(words(&Event::Level(level)), "14:13:20.250Z  plaza        LEVEL    crossing 4 0.03/m² MEDIUM");
    }
}
