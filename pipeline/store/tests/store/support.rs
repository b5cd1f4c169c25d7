//! What the store's tests share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gatehouse_core::CameraId;
use gatehouse_core::event::{Decision, Direction, EntryEvent, EntryLatency, EventId, Grant, Method, Reason};
use gatehouse_core::node_clock::RunId;
use gatehouse_core::time::{CaptureTime, ClockSource, WallTime};
use gatehouse_credential::{PassId, SiteSecret};
use gatehouse_store::{
    Actor, Consent, ConsentDraft, Enrolment, HowGiven, NewPass, NewPassKind, NewPerson, NewTemplate, PersonId, Store,
    Who,
};
use tempfile::TempDir;
use ulid::Ulid;

pub(crate) const MODEL: &str = "sface";
pub(crate) const VERSION: &str = "2021dec";
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn noon() -> WallTime {
    WallTime::from_unix_nanos(1_790_000_000_000_000_000)
}

/// A folder with a store in it.
pub(crate) struct Site {
    pub(crate) folder: TempDir,
    pub(crate) key: SiteSecret,
}

impl Site {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        Self { folder, key: SiteSecret::generate().expect("the system has randomness") }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("site.db")
    }

    pub(crate) fn keys_path(&self) -> PathBuf {
        self.folder.path().join("site.keys")
    }

    pub(crate) fn open(&self) -> Store {
        Store::open(&self.path(), &self.key).expect("the store opens")
    }

    /// A connection past the store's own rules, as an intruder or a careless administrator would
    /// have.
    pub(crate) fn raw(&self) -> rusqlite::Connection {
        raw(&self.path())
    }
}

pub(crate) fn raw(path: &Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(path).expect("SQLite opens the file");
    connection.pragma_update(None, "foreign_keys", false).expect("as the sqlite3 shell has it");
    connection
}

pub(crate) fn consent_draft() -> ConsentDraft {
    ConsentDraft {
        purpose: "entry at the gate".to_owned(),
        notice_version: "2026-01".to_owned(),
        how_given: HowGiven::Paper,
        given_at: noon(),
        valid_until: noon() + HOUR,
        under_14: false,
        guardian: None,
    }
}

pub(crate) fn consent() -> Consent {
    Consent::new(consent_draft()).expect("a sound consent")
}

pub(crate) fn desk() -> Actor {
    Actor::new("desk", "quillon").expect("both are named")
}

pub(crate) fn template(values: &[f32]) -> NewTemplate<'_> {
    NewTemplate { model: MODEL, model_version: VERSION, values }
}

pub(crate) fn with_face<'a>(name: &'a str, templates: &'a [NewTemplate<'a>]) -> NewPerson<'a> {
    NewPerson { name, enrolment: Enrolment::Face { consent: consent(), templates } }
}

pub(crate) fn enrol(store: &Store, name: &str, values: &[f32]) -> PersonId {
    store.enrol(with_face(name, &[template(values)]), &desk(), noon()).expect("enrols")
}

pub(crate) fn enrol_for_passes(store: &Store, name: &str) -> PersonId {
    store.enrol(NewPerson { name, enrolment: Enrolment::PassOnly }, &desk(), noon()).expect("enrols")
}

pub(crate) fn pass_id(number: u8) -> PassId {
    PassId::from_bytes([number; 16])
}

/// A pass for an hour, to be used as often as one likes.
pub(crate) fn pass(number: u8, person: PersonId) -> NewPass {
    let kind = NewPassKind::Pass { person };
    NewPass { id: pass_id(number), kind, valid_from: noon(), valid_until: noon() + HOUR, max_uses: None }
}

pub(crate) fn issue(store: &Store, pass: &NewPass) -> PassId {
    store.issue_pass(pass, &desk(), noon()).expect("issues");
    pass.id
}

pub(crate) fn gate(name: &str) -> CameraId {
    CameraId::new(name)
}

pub(crate) fn entry(gate: &CameraId, sequence: u64, at: WallTime) -> EntryEvent {
    // One id for each gate and number.
    let random = gate.as_str().bytes().fold(u128::from(sequence), |sum, byte| (sum << 8) + u128::from(byte));
    EntryEvent {
        event_id: EventId(ulid::Ulid::from_parts(at.unix_millis().unsigned_abs(), random)),
        sequence,
        gate: gate.clone(),
        direction: Direction::In,
        decision: Decision::Admit,
        reason: Reason::Matched,
        method: Method::Face,
        capture_time: CaptureTime { at, source: ClockSource::Rtcp, error_ms: 100, clock_offset_ms: None },
        latency_ms: EntryLatency {
            acquire: 120.5,
            capture_to_arrival: 80.0,
            detect: 20.5,
            embed: 15.25,
            decide: 0.125,
        },
        grant: Some(Grant {
            expires_at: at + Duration::from_secs(10),
            run: RunId(Ulid(1)),
            from_ms: 1000,
            until_ms: 11_000,
            signature: "0f".repeat(64),
        }),
    }
}

pub(crate) fn append(store: &Store, gate: &CameraId, at: WallTime) -> EntryEvent {
    store.append_entry(gate, Who::default(), |sequence| entry(gate, sequence, at)).expect("appends")
}

/// The file's bytes, as they are on disk.
pub(crate) fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("reads")
}
