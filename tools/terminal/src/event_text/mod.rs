//! Events as lines of text or JSON.

#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::time::Duration;

use gatehouse_core::Event;
use gatehouse_core::door::DoorEvent;
use gatehouse_core::event::{
    CountInterval, Decision, DensityEvent, EntryEvent, Level, Method, Reason, SelfAssessment, ZoneDensity,
};
use gatehouse_core::health::{CameraState, HealthEvent};
use gatehouse_core::load::{NodeLoad, RoleLoad};
use gatehouse_core::rollup::{Blindness, RollUp, TopZone};
use gatehouse_core::time::rough;
use serde_json::json;

/// The line of what arrived under a key: with `as_json` the object `{"key": …, "event": …}` (or
/// `"error"` in place of the event), otherwise a sentence.
pub fn line(key: &str, event: Result<&Event, &dyn Display>, as_json: bool) -> String {
    match (event, as_json) {
        (Ok(event), true) => json!({ "key": key, "event": event }).to_string(),
        (Ok(event), false) => sentence(event),
        (Err(e), true) => json!({ "key": key, "error": e.to_string() }).to_string(),
        (Err(e), false) => format!("not understood: {e}"),
    }
}

/// An event as one line for a person: the time (UTC), the camera, the kind and what happened.
pub fn sentence(event: &Event) -> String {
    // The events of health and of doors have no time: their text says since when a state lasts.
    let (at, of, kind, text): (_, &dyn Display, _, _) = match event {
        Event::Entry(entry) => {
            let kind = match entry.decision {
                Decision::Admit => "ADMIT",
                Decision::Refer => "REFER",
            };
            (time(&entry.capture_time.at), &entry.gate, kind, entry_text(entry))
        }
        Event::Density(density) => (time(&density.capture_time.at), &density.camera, "density", density_text(density)),
        Event::Level(level) => (time(&level.capture_time.at), &level.camera, "LEVEL", zone_text(&level.current)),
        Event::Map(map) => {
            let people: f32 = map.cells.iter().map(|c| f32::from(*c) * map.people_per_step).sum();
            let text = format!("{}×{} cells, {people:.0} people", map.columns, map.rows);
            (time(&map.capture_time.at), &map.camera, "map", text)
        }
        Event::Tally(tally) => {
            let admitted = tally.admitted_by_face + tally.admitted_by_qr + tally.admitted_by_both;
            let present = tally.present.map(|present| format!(", {present} inside")).unwrap_or_default();
            let text = format!("{admitted} let through, {} referred in a minute{present}", tally.referred);
            (time(&tally.until), &tally.gate, "tally", text)
        }
        Event::RollUp(sum) => (time(&sum.at), &sum.place, "sum", rollup_text(sum)),
        Event::Health(health) => (String::new(), &health.camera, "health", health_text(health)),
        Event::Load(load) => (time(&load.at), &load.node, "load", load_text(load)),
        Event::Door(door) => (String::new(), &door.door, "door", door_text(door)),
    };
    format!("{at:<13}  {of:<12} {kind:<8} {text}")
}

fn time(at: &gatehouse_core::time::WallTime) -> String {
    at.to_string().split_once('T').map_or_else(|| at.to_string(), |(_, time)| time.to_owned())
}

fn entry_text(entry: &EntryEvent) -> String {
    let reason = match entry.reason {
        Reason::Matched => "an enrolled person",
        Reason::NoMatch => "matches nobody who is enrolled",
        Reason::Ambiguous => "the pictures don't agree on one person",
        Reason::NotLive => "looks like a picture or a screen held up to the camera",
        Reason::LivenessUnknown => "liveness could not be decided in time",
        Reason::FaceUnusable => "no picture of the face was good enough in time",
        Reason::PassNeeded => "a pass is required as well, and none was shown",
        Reason::PassAccepted => "a valid pass",
        Reason::PassInvalid => "not a pass of this site, or altered",
        Reason::PassExpired => "the pass is not valid at this time",
        Reason::PassRevoked => "the pass was revoked",
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
        "by {method}: {reason}; entry {}, {:.0} ms from first sight to decision",
        entry.sequence,
        l.acquire + l.capture_to_arrival + l.detect + l.embed + l.decide
    )
}

fn people_text(count: f64, interval: Option<CountInterval>) -> String {
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

fn zone_text(zone: &ZoneDensity) -> String {
    let level = level_name(zone.level);
    let surge = if zone.surge == Some(true) { " SURGE" } else { "" };
    let per_m2 = zone.people_per_m2.map(|d| format!(" {d:.2}/m²")).unwrap_or_default();
    let stay = zone.dwell_s.map(|s| format!(" for {s:.0} s")).unwrap_or_default();
    format!("{} {}{per_m2}{level}{surge}{stay}", zone.zone, people_text(zone.count, zone.interval))
}

fn density_text(density: &DensityEvent) -> String {
    let zones = density.zones.iter().map(zone_text);
    let lines = density.lines.iter().map(|l| format!("{} {} in, {} out", l.line, l.inwards, l.outwards));
    let parts: Vec<String> = zones.chain(lines).collect();
    let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    let doubt = match density.self_assessment {
        SelfAssessment::InRange => "",
        SelfAssessment::OutOfRange => "; UNRELIABLE, a scene that the model can't count",
        SelfAssessment::NoPicture => "; NO PICTURE, nobody is counted",
        SelfAssessment::Moved => "; THE CAMERA WAS MOVED, its zones are not counted",
    };
    let unchanged = density.unchanged_since.map(|at| format!("; unchanged since {}", time(&at))).unwrap_or_default();
    let damaged = if density.damaged { "; packets lost, parts of the picture are guessed" } else { "" };
    format!(
        "{} {}{parts}{doubt}{unchanged}{damaged}",
        people_text(density.count, density.interval),
        if density.count == 1.0 { "person" } else { "people" },
    )
}

fn load_text(load: &NodeLoad) -> String {
    let role = |(name, role): (&str, &RoleLoad)| {
        let late = if role.missed > 0 { format!(", {} missed", role.missed) } else { String::new() };
        let total = &role.latency_ms.total;
        format!("; {name}: {} frames{late}, {:.0} ms (99 %: {:.0})", role.frames, total.p50, total.p99)
    };
    let roles = [("gates", &load.gates), ("crowds", &load.crowds)].into_iter();
    let roles: String = roles.filter_map(|(name, of)| of.as_ref().map(|of| role((name, of)))).collect();
    let full = if load.full { "FULL, " } else { "" };
    let clock = load.clock_set.map(|set| {
        let (by, side) =
            (rough(Duration::from_millis(set.by_ms.unsigned_abs())), if set.by_ms < 0 { "back" } else { "forward" });
        let paused = if load.removal_paused {
            "; no record is removed for its age until it has been steady for 10 min"
        } else {
            ""
        };
        format!("; THE NODE'S CLOCK WAS SET {by} {side} at {}{paused}", time(&set.seen_at))
    });
    format!(
        "{full}{:.0} % of {} processors{roles}{}",
        100.0 * load.cpu_usage,
        load.processors,
        clock.unwrap_or_default()
    )
}

fn rollup_text(sum: &RollUp) -> String {
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
    let zones: Vec<String> = sum.top_zones.iter().take(3).map(top_zone_text).collect();
    let zones = if zones.is_empty() { String::new() } else { format!(": {}", zones.join(", ")) };
    format!(
        "{} people before {} of {} cameras{zones}{blind}",
        people_text(sum.count, sum.interval),
        sum.counted,
        sum.cameras
    )
}

fn top_zone_text(zone: &TopZone) -> String {
    let per_m2 = zone.people_per_m2.map(|d| format!(" {d:.2}/m²")).unwrap_or_default();
    format!("{}/{} {:.0}{per_m2}{}", zone.camera, zone.zone, zone.count, level_name(zone.level))
}

fn door_text(door: &DoorEvent) -> String {
    let state = match (door.released, door.failed_safe) {
        (true, _) => "RELEASED: open until it is reset",
        (false, true) => "OPEN, because its node is lost",
        (false, false) => "shut, opens for grants",
    };
    let works = if door.actuator_works { "" } else { "; THE ACTUATOR DOES NOT OBEY COMMANDS" };
    let (since, gate) = (time(&door.since), &door.gate);
    let warning = door.warning.as_ref().map(|warning| format!("; WARNING: {warning}")).unwrap_or_default();
    format!("{state} (gate {gate}) since {since}, opened {} times{works}{warning}", door.openings)
}

fn health_text(health: &HealthEvent) -> String {
    let reason = health.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
    let stream = health.stream.as_ref().map(|s| format!(", {} {}×{}", s.codec, s.width, s.height)).unwrap_or_default();
    let unchanged =
        if health.fps_unchanged > 0.0 { format!(", {:.1} unchanged", health.fps_unchanged) } else { String::new() };
    let received = if health.fps_received > 0.0 { format!(" of {:.1}", health.fps_received) } else { String::new() };
    let every = health.key_frame_interval_s.map(|seconds| format!(", a key frame every {seconds:.1} s"));
    let key_frames = if health.key_frames_only { ", key frames only" } else { "" };
    let sub_stream = health.sub_stream.as_ref().map(|sub| {
        let reason = sub.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!(", sub-stream {}{reason}", state_name(sub.state))
    });
    let sub_stream = sub_stream.unwrap_or_default();
    let clock = health.clock_offset.map_or_else(String::new, |offset| clock_text(offset.ms));
    let lost = health
        .packets
        .filter(|packets| packets.lost > 0)
        .map(|packets| format!(", {} packets lost ({:.1} %)", packets.lost, packets.share * 100.0));
    let lost = lost.unwrap_or_default();
    format!(
        "{} since {}{reason}{stream}{}, {:.1}{received} fps decoded{key_frames}, {:.1} analysed{unchanged}{lost}{sub_stream}{clock}",
        state_name(health.state),
        time(&health.since),
        every.unwrap_or_default(),
        health.fps_decoded,
        health.fps_analysed
    )
}

/// A difference of a second or more. A smaller one may be the time that frames are under way.
fn clock_text(ms: i64) -> String {
    if ms.unsigned_abs() < 1000 {
        return String::new();
    }
    let side = if ms > 0 { "ahead" } else { "behind" };
    format!(", its clock is {} {side}", rough(Duration::from_millis(ms.unsigned_abs())))
}

fn state_name(state: CameraState) -> String {
    format!("{state:?}").to_lowercase()
}
