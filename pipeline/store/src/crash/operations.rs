//! The operations that are interrupted.

use std::time::Duration;

use gatehouse_core::CameraId;
use gatehouse_core::event::{Decision, Direction, EntryEvent, EntryLatency, EventId, Method, Reason};
use gatehouse_core::time::{CaptureTime, ClockSource, WallTime};
use gatehouse_credential::PassId;

use crate::{
    Actor, Consent, ConsentDraft, Enrolment, HowGiven, Look, NewPass, NewPassKind, NewPerson, NewTemplate, PassUse,
    PersonId, Retention, Store, Who,
};

pub(super) const NOW: WallTime = WallTime::from_unix_nanos(1_790_000_000_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);

pub(super) const OPERATIONS: [&str; 14] = [
    "enrol",
    "renew",
    "forget",
    "withdraw-face",
    "use-pass",
    "append-entry",
    "issue-card",
    "revoke-pass",
    "revoke-card",
    "mark-published",
    "look-up-entries",
    "export",
    "gate-rules",
    "retention",
];

pub(super) fn desk() -> Actor {
    Actor::new("desk", "quillon").expect("both are named")
}

pub(super) fn pass_id(number: u8) -> PassId {
    PassId::from_bytes([number; 16])
}

pub(super) fn consent() -> Consent {
    let draft = ConsentDraft {
        purpose: "entry".to_owned(),
        notice_version: "1".to_owned(),
        how_given: HowGiven::Paper,
        given_at: NOW,
        valid_until: NOW + HOUR,
        under_14: true,
        guardian: Some("Ottoline Quill".to_owned()),
    };
    Consent::new(draft).expect("has a guardian")
}

pub(super) fn enrol(store: &Store, names: &[&str]) -> Vec<PersonId> {
    let templates = [1.0, 2.0].map(|value| {
        let values: &'static [f32] = if value < 1.5 { &[1.0; 128] } else { &[2.0; 128] };
        NewTemplate { model: "m", model_version: "1", values }
    });
    let people: Vec<_> = names
        .iter()
        .map(|name| NewPerson { name, enrolment: Enrolment::Face { consent: consent(), templates: &templates } })
        .chain([NewPerson { name: "Passing Quill", enrolment: Enrolment::PassOnly }])
        .collect();
    store.enrol_all(&people, &desk(), NOW).expect("enrols")
}

pub(super) fn append(store: &Store) {
    let gate = CameraId::new("north");
    let who = Who { person: store.people().expect("lists").first().map(|p| p.person), pass: None };
    let made = store.append_entry(&gate, who, |sequence| EntryEvent {
        event_id: EventId(ulid::Ulid::from_parts(1, u128::from(sequence))),
        sequence,
        gate: gate.clone(),
        direction: Direction::In,
        decision: Decision::Refer,
        reason: Reason::NotLive,
        method: Method::Face,
        capture_time: CaptureTime { at: NOW, source: ClockSource::Rtcp, error_ms: 100, clock_offset_ms: None },
        latency_ms: EntryLatency::default(),
        grant: None,
    });
    made.expect("appends");
}

pub(super) fn new_pass(number: u8, kind: NewPassKind) -> NewPass {
    NewPass { id: pass_id(number), kind, valid_from: NOW, valid_until: NOW + HOUR, max_uses: Some(1) }
}

/// Runs the operation that the child is given; the test repeats it after a crash.
pub(super) fn operate(operation: &str, store: &Store) {
    let first = || store.people().expect("lists").iter().find(|p| p.face.is_some()).map(|p| p.person).expect("one");
    match operation {
        "enrol" => drop(enrol(store, &["Zachary Quill"])),
        "renew" => drop(store.renew_consent(first(), &consent(), &desk(), NOW).expect("renews")),
        "forget" => _ = store.forget(first(), &desk(), NOW).expect("forgets"),
        "withdraw-face" => _ = store.withdraw_face(first(), &desk(), NOW).expect("withdraws"),
        "use-pass" => {
            let used = store.use_pass(pass_id(1), NOW, HOUR).expect("uses");
            assert!(matches!(used, PassUse::Accepted { .. }), "{used:?}");
        }
        "append-entry" => append(store),
        "issue-card" => {
            let card = new_pass(2, NewPassKind::Card { consent: consent() });
            store.issue_pass(&card, &desk(), NOW).expect("issues");
        }
        "revoke-pass" => store.revoke_pass(pass_id(1), &desk(), NOW).expect("takes back"),
        "revoke-card" => store.revoke_pass(pass_id(3), &desk(), NOW).expect("takes back"),
        "mark-published" => store.mark_published(&CameraId::new("north"), 1).expect("notes it"),
        "look-up-entries" => {
            let look = Look { reason: "a parcel", from: NOW, until: NOW + HOUR, gate: None };
            drop(store.look_up_entries(&look, &desk(), NOW).expect("looks"));
        }
        "export" => drop(store.export(first(), "they asked", &desk(), NOW).expect("exports")),
        "gate-rules" => {
            let rules = serde_json::json!({ "threshold": 0.4 });
            assert!(store.note_gate_rules(&CameraId::new("north"), &rules, &desk(), NOW).expect("notes them"));
        }
        "retention" => {
            let keep =
                Retention { outbox: HOUR, entry_log: HOUR, ended_consents: HOUR, ended_passes: HOUR, audit: HOUR };
            store.apply_retention(&keep, &desk(), NOW + 9 * HOUR).expect("applies");
        }
        other => panic!("no such operation: {other}"),
    }
}
