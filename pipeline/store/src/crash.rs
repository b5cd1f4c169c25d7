//! Tests of what a crash leaves: a process killed before every statement that writes, and journals cut off anywhere.
//!
//! The child is this test binary, told by its environment what to do and before which statement to die. Nothing is
//! written between two statements, so these are all the states that a killed process can leave; a power cut can leave
//! any beginning of a journal as well, which the second test tries.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gatehouse_core::CameraId;
use gatehouse_core::event::{Decision, Direction, EntryEvent, EntryLatency, EventId, Method, Reason};
use gatehouse_core::time::{CaptureTime, ClockSource, WallTime};
use gatehouse_credential::{PassId, SiteSecret};
use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use tempfile::TempDir;

use crate::open::Files;
use crate::settle::compare;
use crate::{
    Actor, Consent, ConsentDraft, Counts, Enrolment, HowGiven, Look, NewPass, NewPassKind, NewPerson, NewTemplate,
    NewerPeople, PassUse, PersonId, Retention, Store, Who, restore,
};

const NOW: WallTime = WallTime::from_unix_nanos(1_790_000_000_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);

/// What the child does, at which step it dies, and where and with which secret it does it.
const OPERATION: &str = "GATEHOUSE_CRASH_OPERATION";
const AT: &str = "GATEHOUSE_CRASH_AT";
const STORE: &str = "GATEHOUSE_CRASH_STORE";
const SECRET: &str = "GATEHOUSE_CRASH_SECRET";
/// The secret to change to, for `CHANGE_KEY`.
const NEW_SECRET: &str = "GATEHOUSE_CRASH_NEW_SECRET";
/// An operation of its own: it closes the store, and another secret opens it afterwards.
const CHANGE_KEY: &str = "change-key";
/// Operations of their own as well: they open their files themselves, and `AT` counts from the first of these on.
const MAKE: &str = "make";
const BACKUP: &str = "backup";
const RESTORE: &str = "restore";
/// For `AT`: right after the store's own commit, before anything is tidied up.
const COMMITTED: &str = "committed";

const OPERATIONS: [&str; 14] = [
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

fn desk() -> Actor {
    Actor::new("desk", "quillon").expect("both are named")
}

fn pass_id(number: u8) -> PassId {
    PassId::from_bytes([number; 16])
}

fn consent() -> Consent {
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

fn enrol(store: &Store, names: &[&str]) -> Vec<PersonId> {
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

fn append(store: &Store) {
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
        capture_time: CaptureTime { at: NOW, source: ClockSource::Rtcp, error_ms: 100 },
        latency_ms: EntryLatency::default(),
        grant: None,
    });
    made.expect("appends");
}

fn new_pass(number: u8, kind: NewPassKind) -> NewPass {
    NewPass { id: pass_id(number), kind, valid_from: NOW, valid_until: NOW + HOUR, max_uses: Some(1) }
}

/// Does what the child is told to, and what the test itself repeats after a crash.
fn operate(operation: &str, store: &Store) {
    let first = || store.people().expect("lists").iter().find(|p| p.face.is_some()).map(|p| p.person).expect("one");
    match operation {
        "enrol" => drop(enrol(store, &["Zachary Quill"])),
        "renew" => drop(store.renew_consent(first(), &consent(), &desk(), NOW).expect("renews")),
        "forget" => drop(store.forget(first(), &desk(), NOW).expect("forgets")),
        "withdraw-face" => drop(store.withdraw_face(first(), &desk(), NOW).expect("withdraws")),
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

/// Counts the statements that write, and ends the process at one of them.
fn die_at(connection: &mut Connection, at: String, steps: Arc<AtomicU64>, is_site: bool) {
    let codes = TraceEventCodes::SQLITE_TRACE_STMT | TraceEventCodes::SQLITE_TRACE_PROFILE;
    let mut writing = false;
    let watch = move |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(_, sql) = &event
            && sql.starts_with("BEGIN")
        {
            writing = sql.contains("IMMEDIATE");
        }
        let committed = matches!(&event, TraceEvent::Profile(statement, _) if statement.sql() == "COMMIT");
        let writes = matches!(&event, TraceEvent::Stmt(_, sql) if !sql.starts_with("SELECT"));
        let now = if at == COMMITTED {
            committed && is_site && writing
        } else {
            (committed || writes) && at == (steps.fetch_add(1, Ordering::Relaxed) + 1).to_string()
        };
        if now {
            std::process::abort();
        }
    };
    connection.trace_v2(codes, Some(watch)).expect("watches");
}

/// Where the child dies whose operation opens its files itself.
static DIES_AT: OnceLock<(String, Arc<AtomicU64>)> = OnceLock::new();

/// To be called for every connection that is opened.
pub(crate) fn watched(mut connection: Connection) -> Connection {
    if let Some((at, steps)) = DIES_AT.get() {
        die_at(&mut connection, at.clone(), Arc::clone(steps), false);
    }
    connection
}

fn backup_of(store: &Path) -> PathBuf {
    store.with_file_name("backup.db")
}

/// Runs in a process of its own; does nothing when it is run as one of the tests.
#[test]
fn child() {
    let Ok(operation) = std::env::var(OPERATION) else { return };
    let given = |name| std::env::var(name).expect("given with the operation");
    let secret = SiteSecret::from_text(&given(SECRET)).expect("a secret");
    let path = PathBuf::from(given(STORE));
    let steps = Arc::new(AtomicU64::new(0));
    let watch_all = || DIES_AT.set((given(AT), Arc::clone(&steps))).expect("once");
    match operation.as_str() {
        MAKE => {
            watch_all();
            drop(Store::open(&path, &secret).expect("makes"));
            return;
        }
        RESTORE => {
            watch_all();
            restore(&backup_of(&path), &path, &secret, NewerPeople::Refuse, &desk(), NOW).expect("restores");
            return;
        }
        _ => {}
    }
    let store = Store::open(&path, &secret).expect("opens");
    {
        let Files { site, keys } = &mut *store.lock();
        die_at(site, given(AT), Arc::clone(&steps), true);
        die_at(keys.connection_mut(), given(AT), Arc::clone(&steps), false);
    }
    match operation.as_str() {
        CHANGE_KEY => {
            let new = SiteSecret::from_text(&given(NEW_SECRET)).expect("a secret");
            store.change_key(&new, &mut |_| Ok(()), &desk(), NOW).expect("changes");
        }
        BACKUP => {
            watch_all();
            store.backup(&backup_of(&path), &desk(), NOW).expect("backs up");
        }
        operation => operate(operation, &store),
    }
}

struct Site {
    folder: TempDir,
    secret: SiteSecret,
}

impl Site {
    /// Two people with a face, one of them with a pass for one use, one for passes only, a child's card, and two entries.
    fn new() -> Self {
        let site =
            Self { folder: tempfile::tempdir().expect("a folder"), secret: SiteSecret::generate().expect("random") };
        let store = site.open();
        let people = enrol(&store, &["Zebedee Quill", "Ottoline Quill"]);
        let pass = new_pass(1, NewPassKind::Pass { person: people[0] });
        store.issue_pass(&pass, &desk(), NOW).expect("issues");
        let card = new_pass(3, NewPassKind::Card { consent: consent() });
        store.issue_pass(&card, &desk(), NOW).expect("issues");
        (0..2).for_each(|_| append(&store));
        drop(store);
        site
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("site.db")
    }

    fn open(&self) -> Store {
        Store::open(&self.path(), &self.secret).expect("opens")
    }

    /// The same files elsewhere, as a power cut leaves them.
    fn copy(&self) -> Self {
        let copy = Self { folder: tempfile::tempdir().expect("a folder"), secret: self.secret.clone() };
        for name in ["site.db", "site.db-wal", "site.keys", "site.keys-wal"] {
            let from = self.folder.path().join(name);
            if from.exists() {
                std::fs::copy(from, copy.folder.path().join(name)).expect("copies");
            }
        }
        copy
    }

    fn run_child(&self, operation: &str, at: &str) -> Output {
        self.run_child_with(operation, at, &self.secret)
    }

    fn run_child_with(&self, operation: &str, at: &str, new_secret: &SiteSecret) -> Output {
        Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "crash::child", "--nocapture"])
            .env(OPERATION, operation)
            .env(AT, at)
            .env(STORE, self.path())
            .env(SECRET, self.secret.to_text().as_str())
            .env(NEW_SECRET, new_secret.to_text().as_str())
            .stdin(Stdio::null())
            .output()
            .expect("starts")
    }

    fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.path().join(name)).unwrap_or_default()
    }
}

/// Whether the child died where it was told to; otherwise it has come to its end.
fn was_killed(output: &Output, what: &str) -> bool {
    let ended = output.status.success();
    assert!(ended || output.status.code().is_none(), "{what}: it failed instead: {output:?}");
    !ended
}

/// What an operation may change.
#[derive(Debug, Clone, PartialEq)]
struct State {
    counts: Counts,
    passes: Vec<(u32, bool)>,
    entries: usize,
    unpublished: usize,
    actions: Vec<String>,
}

/// Opens what a crash left, checks all that must always hold, and says what is in it.
fn state_of(site: &Site, what: &str) -> (Store, State) {
    let store = site.open();
    store
        .write_with_keys("checking", |transaction, keys| {
            let sound: String = transaction.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
            assert_eq!(sound, "ok", "{what}");
            let compared = compare(transaction, keys)?;
            assert!(compared.without_key.is_empty() && compared.orphans.is_empty(), "{what}: keys and rows differ");
            assert!(keys.destroyed()?.is_empty(), "{what}: a withdrawal is not finished");
            let none = |sql: &str| -> rusqlite::Result<()> {
                let found: i64 = transaction.query_row(sql, [], |row| row.get(0))?;
                assert_eq!(found, 0, "{what}: {sql}");
                Ok(())
            };
            none("SELECT count(*) FROM template WHERE person_id NOT IN (SELECT person_id FROM consent)")?;
            none("SELECT count(*) FROM consent WHERE person_id NOT IN (SELECT person_id FROM template)")?;
            none("SELECT count(*) FROM consent WHERE person_id NOT IN (SELECT person_id FROM person)")?;
            none(
                "SELECT count(*) FROM pass WHERE kind = 'card' AND pass_id NOT IN (SELECT pass_id FROM card_consent)",
            )?;
            none("SELECT count(*) FROM card_consent WHERE pass_id NOT IN (SELECT pass_id FROM pass)")?;
            none("SELECT count(*) - (SELECT last_sequence FROM entry_sequence) FROM entry_outbox")?;
            Ok(())
        })
        .expect(what);
    let entries = store.entries_from(&CameraId::new("north"), 1, 100).expect(what);
    assert!(entries.iter().zip(1..).all(|(entry, number)| entry.sequence == number), "{what}: a gap");
    store.verify_audit(None).expect(what);
    let gallery = store.gallery("m", "1", NOW).expect(what);
    let counts = store.count(NOW).expect(what);
    assert_eq!(gallery.templates.len() as u64, counts.templates, "{what}");
    let actions = store.audit_entries(1, 100).expect(what).into_iter().map(|e| e.action).collect();
    let passes = store.passes().expect(what).iter().map(|p| (p.uses, p.revoked_at.is_some())).collect();
    let unpublished = store.unpublished(100).expect(what).len();
    let state = State { counts, passes, entries: entries.len(), unpublished, actions };
    assert_eq!(store.names(&desk(), NOW).expect(what).len() as u64, counts.people, "{what}: a name can't be read");
    (store, state)
}

/// What an operation makes of a sound store.
fn before_and_after(site: &Site, operation: &str) -> (State, State) {
    let copy = site.copy();
    let (_, before) = state_of(&copy, operation);
    let copy = site.copy();
    operate(operation, &copy.open());
    let (_, after) = state_of(&copy, operation);
    assert_ne!(before, after, "{operation} does something");
    (before, after)
}

/// Whether the operation is done, wholly, or not at all.
fn is_done(state: &State, (before, after): &(State, State), what: &str) -> bool {
    // Retention that was interrupted is finished as withdrawals: the same people are gone, under other actions.
    let same = |other: &State| state == other || (what.starts_with("retention") && state.counts == other.counts);
    assert!(same(before) || same(after), "{what}: half done: {state:?}\nbefore: {before:?}\nafter: {after:?}");
    same(after)
}

#[test]
fn a_process_killed_before_any_statement_leaves_a_whole_store() {
    let site = Site::new();
    for operation in OPERATIONS {
        let states = before_and_after(&site, operation);
        let (mut killed, mut undone, mut done) = (0, 0, 0);
        for at in 1.. {
            let copy = site.copy();
            let output = copy.run_child(operation, &at.to_string());
            let what = format!("{operation}, killed at {at}");
            let (store, state) = state_of(&copy, &what);
            if !was_killed(&output, &what) {
                assert_eq!(state, states.1, "{operation}, not killed");
                break;
            }
            killed += 1;
            if is_done(&state, &states, &what) {
                done += 1;
            } else {
                undone += 1;
                // What was interrupted can be done again.
                operate(operation, &store);
                drop(store);
                assert_eq!(state_of(&copy, &what).1.counts, states.1.counts, "{what}, and again");
            }
        }
        assert!(killed >= 3 && undone >= 2 && done >= 1, "{operation}: {killed} kills, {undone} undone, {done} done");
    }
}

#[test]
fn a_process_killed_while_it_changes_the_key_leaves_a_whole_store_under_one_key() {
    let site = Site::new();
    let new = SiteSecret::generate().expect("random");
    let before = state_of(&site.copy(), CHANGE_KEY).1;
    let (mut undone, mut done) = (0, 0);
    for at in 1.. {
        let mut copy = site.copy();
        let output = copy.run_child_with(CHANGE_KEY, &at.to_string(), &new);
        let what = format!("{CHANGE_KEY}, killed at {at}");
        let changed = Store::open(&copy.path(), &new).is_ok();
        if changed {
            assert!(Store::open(&copy.path(), &copy.secret).is_err(), "{what}: it opens with both");
            copy.secret = new.clone();
        }
        let (_, state) = state_of(&copy, &what);
        assert_eq!(state.actions.contains(&"key-change".to_owned()), changed, "{what}");
        assert_eq!((state.entries, state.counts.people), (before.entries, before.counts.people), "{what}");
        assert_eq!(state.counts.passes, if changed { 0 } else { before.counts.passes }, "{what}");
        if !was_killed(&output, &what) {
            assert!(changed, "not killed");
            break;
        }
        if changed {
            done += 1;
        } else {
            assert_eq!(done, 0, "{what}: once done, it stays done");
            undone += 1;
        }
    }
    assert!(undone >= 20 && done >= 1, "{undone} undone, {done} done");
}

#[test]
fn a_process_killed_while_it_makes_a_store_leaves_one_or_none() {
    let secret = SiteSecret::generate().expect("random");
    let mut killed = 0;
    for at in 1.. {
        let site = Site { folder: tempfile::tempdir().expect("a folder"), secret: secret.clone() };
        let output = site.run_child(MAKE, &at.to_string());
        let what = format!("{MAKE}, killed at {at}");
        let store = site.open();
        store.verify_audit(None).expect(&what);
        enrol(&store, &["Zebedee Quill"]);
        drop(store);
        assert_eq!(site.open().count(NOW).expect(&what).people, 2, "{what}");
        if !was_killed(&output, &what) {
            break;
        }
        killed += 1;
    }
    assert!(killed >= 10, "{killed} kills");
}

#[test]
fn a_process_killed_while_it_backs_up_leaves_the_store_and_a_whole_backup_or_none() {
    let site = Site::new();
    let before = state_of(&site.copy(), BACKUP).1;
    let (mut killed, mut none) = (0, 0);
    for at in 1.. {
        let copy = site.copy();
        let output = copy.run_child(BACKUP, &at.to_string());
        let what = format!("{BACKUP}, killed at {at}");
        let backup = backup_of(&copy.path());
        assert_eq!(state_of(&copy, &what).1.counts, before.counts, "{what}");
        if !backup.exists() {
            none += 1;
            copy.open().backup(&backup, &desk(), NOW).expect(&what);
        }
        let restored = Site { folder: tempfile::tempdir().expect("a folder"), secret: copy.secret.clone() };
        std::fs::copy(copy.folder.path().join("site.keys"), restored.folder.path().join("site.keys")).expect("copies");
        restore(&backup, &restored.path(), &copy.secret, NewerPeople::Refuse, &desk(), NOW).expect(&what);
        assert_eq!(state_of(&restored, &what).1.counts, before.counts, "{what}");
        if !was_killed(&output, &what) {
            break;
        }
        killed += 1;
    }
    assert!(killed >= 5 && none >= 3, "{killed} kills, {none} of them without a backup");
}

#[test]
fn a_process_killed_while_it_restores_leaves_a_whole_store_or_none() {
    let site = Site::new();
    let before = state_of(&site.copy(), RESTORE).1;
    let (mut killed, mut none) = (0, 0);
    for at in 1.. {
        let copy = site.copy();
        copy.open().backup(&backup_of(&copy.path()), &desk(), NOW).expect("backs up");
        for name in ["site.db", "site.db-wal", "site.db-shm"] {
            // The journals may be gone already.
            let _ = std::fs::remove_file(copy.folder.path().join(name));
        }
        let output = copy.run_child(RESTORE, &at.to_string());
        let what = format!("{RESTORE}, killed at {at}");
        if !copy.path().exists() {
            none += 1;
            restore(&backup_of(&copy.path()), &copy.path(), &copy.secret, NewerPeople::Refuse, &desk(), NOW)
                .expect(&what);
        }
        let (_, state) = state_of(&copy, &what);
        assert_eq!(state.counts, before.counts, "{what}");
        assert_eq!(state.actions.last().map(String::as_str), Some("restore"), "{what}");
        if !was_killed(&output, &what) {
            break;
        }
        killed += 1;
    }
    assert!(killed >= 10 && none >= 10, "{killed} kills, {none} of them without a store");
}

#[test]
fn journals_cut_off_anywhere_leave_a_whole_store() {
    let site = Site::new();
    for operation in ["enrol", "forget", "use-pass", "append-entry"] {
        let states = before_and_after(&site, operation);
        let crashed = site.copy();
        let output = crashed.run_child(operation, COMMITTED);
        assert!(output.status.code().is_none(), "{operation}: {output:?}");
        let (of_keys, of_site) = (crashed.file("site.keys-wal"), crashed.file("site.db-wal"));
        // The keys are committed before the store begins to write.
        let mut cuts: Vec<(usize, usize)> = (0..of_keys.len()).step_by(1021).map(|length| (length, 0)).collect();
        cuts.extend((0..of_site.len()).step_by(1021).map(|length| (of_keys.len(), length)));
        let whole = (of_keys.len(), of_site.len());
        cuts.push(whole);
        let mut done = Vec::new();
        for cut in cuts {
            let copy = crashed.copy();
            std::fs::write(copy.folder.path().join("site.keys-wal"), &of_keys[..cut.0]).expect("cuts");
            std::fs::write(copy.folder.path().join("site.db-wal"), &of_site[..cut.1]).expect("cuts");
            let what = format!("{operation}, journals cut at {cut:?} of {whole:?}");
            let (_, state) = state_of(&copy, &what);
            done.push(is_done(&state, &states, &what));
        }
        assert!(!done[0] && done[done.len() - 1], "{operation}");
        assert!(done.is_sorted(), "{operation}: once done, it stays done: {done:?}");
    }
}
