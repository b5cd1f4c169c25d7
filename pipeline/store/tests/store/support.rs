//! What the store's tests share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gatehouse_core::CameraId;
use gatehouse_core::event::{Decision, EntryEvent, EntryLatency, EventId, Method, Reason};
use gatehouse_core::time::{CaptureTime, ClockSource, WallTime};
use gatehouse_store::{Consent, ConsentDraft, HowGiven, NewPerson, NewTemplate, PersonId, SiteEncryptionKey, Store};
use tempfile::TempDir;

pub(crate) const MODEL: &str = "sface";
pub(crate) const VERSION: &str = "2021dec";
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn noon() -> WallTime {
    WallTime::from_unix_nanos(1_790_000_000_000_000_000)
}

/// A folder with a store in it.
pub(crate) struct Site {
    pub(crate) folder: TempDir,
    pub(crate) key: SiteEncryptionKey,
}

impl Site {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        Self { folder, key: SiteEncryptionKey::generate().expect("the system has randomness") }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("site.db")
    }

    pub(crate) fn open(&self) -> Store {
        Store::open(&self.path(), &self.key).expect("the store opens")
    }

    /// A connection past the store's own rules, as an intruder or a careless administrator would have.
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

pub(crate) fn enrol(store: &Store, name: &str, values: &[f32]) -> PersonId {
    let templates = [NewTemplate { model: MODEL, model_version: VERSION, values }];
    store.enrol(NewPerson { name, consent: consent(), templates: &templates }, noon()).expect("enrols")
}

pub(crate) fn gate(name: &str) -> CameraId {
    CameraId::new(name)
}

pub(crate) fn entry(gate: &CameraId, sequence: u64, at: WallTime) -> EntryEvent {
    let event_id = EventId(ulid::Ulid::from_parts(at.unix_millis().unsigned_abs(), u128::from(sequence)));
    EntryEvent {
        event_id,
        sequence,
        gate: gate.clone(),
        decision: Decision::Admit,
        reason: Reason::Matched,
        method: Method::Face,
        capture_time: CaptureTime { at, source: ClockSource::Rtcp, error_ms: 100 },
        latency_ms: EntryLatency { capture_to_arrival: 80.0, detect: 20.5, embed: 15.25, decide: 0.125 },
        expires_at: Some(at + Duration::from_secs(10)),
    }
}

pub(crate) fn append(store: &Store, gate: &CameraId, at: WallTime) -> EntryEvent {
    store.append_entry(gate, |sequence| entry(gate, sequence, at)).expect("appends")
}
