//! The process that dies: what it is asked to do, and where it ends.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use gatehouse_credential::SiteSecret;
use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};

use super::operations::{NOW, desk, operate};
use crate::open::Files;
use crate::{NewerPeople, Store, restore};

/// What the child does, at which step it dies, and where and with which secret it does it.
pub(super) const OPERATION: &str = "GATEHOUSE_CRASH_OPERATION";
pub(super) const AT: &str = "GATEHOUSE_CRASH_AT";
pub(super) const STORE: &str = "GATEHOUSE_CRASH_STORE";
pub(super) const SECRET: &str = "GATEHOUSE_CRASH_SECRET";
/// The secret to change to, for `CHANGE_KEY`.
pub(super) const NEW_SECRET: &str = "GATEHOUSE_CRASH_NEW_SECRET";
/// An operation of its own: it closes the store, and another secret opens it afterwards.
pub(super) const CHANGE_KEY: &str = "change-key";
/// Operations of their own as well: they open their files themselves, and `AT` counts from the
/// first of these on.
pub(super) const MAKE: &str = "make";
pub(super) const BACKUP: &str = "backup";
pub(super) const RESTORE: &str = "restore";
/// For `AT`: right after the store's own commit, before anything is tidied up.
pub(super) const COMMITTED: &str = "committed";

/// Counts the statements that write, and ends the process at one of them.
pub(super) fn die_at(connection: &mut Connection, at: String, steps: Arc<AtomicU64>, is_site: bool) {
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
pub(super) static DIES_AT: OnceLock<(String, Arc<AtomicU64>)> = OnceLock::new();

/// To be called for every connection that is opened.
pub(crate) fn watched(mut connection: Connection) -> Connection {
    if let Some((at, steps)) = DIES_AT.get() {
        die_at(&mut connection, at.clone(), Arc::clone(steps), false);
    }
    connection
}

pub(super) fn backup_of(store: &Path) -> PathBuf {
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
        let Files { site, keys } = &mut *store.files.lock();
        die_at(site, given(AT), Arc::clone(&steps), true);
        die_at(&mut keys.connection, given(AT), Arc::clone(&steps), false);
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
