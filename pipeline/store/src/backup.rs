//! Backs the store up, and restores it. A backup copies the store's file, never the keys: a person
//! who is forgotten later can't be read from it, and is left out when it is restored.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gatehouse_core::time::WallTime;
use gatehouse_credential::{PersonId, SiteSecret};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, Transaction};
use serde_json::json;
use ulid::Ulid;

use crate::actor::Actor;
use crate::audit::{Action, Record};
use crate::error::{Abort, StoreError};
use crate::forget::{remove_card, remove_rows};
use crate::gallery_change;
use crate::keys::{Keys, Part};
use crate::migration::{Found, STORE};
use crate::open::{Base, Store, connect, is_whole, make_file, set_up};
use crate::seal::random_bytes;
use crate::settle::{Compared, compare, find_keys, revoke_again};

/// How often and how long to wait for a writer that holds the store while it is copied.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);

/// How to treat people who were enrolled after the backup was made and are not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewerPeople {
    /// Refuse to restore, and report their number: a newer backup may have them.
    Refuse,
    /// Restore without them: opening the store destroys their keys, and they must enrol again.
    Drop,
}

/// The contents of a restored store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    /// People in it.
    pub people: u64,
    /// People of the backup who were left out: they have withdrawn since, or their keys are gone.
    pub dropped: u64,
    /// People who withdrew their face since: they stay for their passes.
    pub faces_dropped: u64,
    /// Passes and cards revoked since; the restored store revokes them again.
    pub revoked_again: u64,
    /// People who were enrolled after the backup was made: not in it.
    pub newer: u64,
}

impl Store {
    /// Copies the store to a new file that only its owner can read, while the store stays in use.
    /// The copy has no keys. The audit logs of store and copy both record it.
    ///
    /// # Errors
    /// If the file exists or cannot be written; no partial file stays.
    pub fn backup(&self, to: &Path, actor: &Actor, now: WallTime) -> Result<(), StoreError> {
        refuse_existing(to)?;
        let partial = Partial::beside(to)?;
        let details = json!({ "file": to.file_name().map(|name| name.to_string_lossy()) });
        self.record(Action::Backup, None, details, actor, now)?;
        // A separate connection, so that no gate waits for the copy.
        let source = connect(&self.base.path)?;
        copy(&source, &mut connect(&partial.path)?).map_err(|source| StoreError::Sql {
            path: to.to_owned(),
            doing: "writing the backup",
            source,
        })?;
        partial.become_file(to)
    }
}

/// Makes a store from a backup, for the keys file that lies next to `store`. No store may exist
/// there yet. The keys file has precedence over the backup:
///
/// - people whose keys are gone are dropped, and a face whose key is gone is;
/// - passes and cards that were revoked since are revoked again;
/// - people who were enrolled since are not in the backup: see [`NewerPeople`].
///
/// Uses of passes, entries and audit rows since the backup are lost. The restored audit log ends
/// with a row about it. Entry numbers continue from those of the backup.
///
/// # Errors
/// If there is a store already, the backup is damaged or no store or another secret's, the keys
/// file is missing or another store's, or the new file can't be written; then nothing is changed.
pub fn restore(
    backup: &Path,
    store: &Path,
    secret: &SiteSecret,
    newer: NewerPeople,
    actor: &Actor,
    now: WallTime,
) -> Result<Restored, StoreError> {
    refuse_existing(store)?;
    let mut journal = store.as_os_str().to_owned();
    journal.push("-wal");
    refuse_existing(Path::new(&journal))?;

    // Errors about the keys name those of the store to come.
    let base = Base { path: backup.to_owned(), ..Base::new(store, secret) };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(backup, flags).map_err(|e| base.opening_error(e))?;
    let found = STORE.find(&source).map_err(|e| base.opening_error(e))?;
    base.accept(found)?;
    if found == Found::Nothing {
        return Err(StoreError::Foreign { path: backup.to_owned() });
    }
    if !is_whole(backup, &source).map_err(|e| base.opening_error(e))? {
        return Err(StoreError::Damaged { path: backup.to_owned() });
    }
    let partial = Partial::beside(store)?;
    let mut site = connect(&partial.path)?;
    copy(&source, &mut site).map_err(|e| base.opening_error(e))?;
    // Deleted rows are overwritten here too.
    set_up(&site).map_err(|e| base.opening_error(e))?;

    let restored = base.write(&mut site, "restoring a backup", |transaction| {
        let sound: String = transaction.query_row("PRAGMA integrity_check (1)", [], |row| row.get(0))?;
        if sound != "ok" {
            return Err(StoreError::Damaged { path: backup.to_owned() }.into());
        }
        base.check_key(transaction)?;
        STORE.migrate(transaction, found)?;
        base.follow_keys(transaction, newer, actor, now)
    })?;
    // Its last connection empties and removes the journal.
    site.close().map_err(|(_, e)| base.error("restoring a backup", e))?;
    partial.become_file(store)?;
    Ok(restored)
}

impl Base {
    /// Makes a restored store agree with the keys that are there.
    fn follow_keys(
        &self,
        site: &Transaction<'_>,
        newer: NewerPeople,
        actor: &Actor,
        now: WallTime,
    ) -> Result<Restored, Abort> {
        let mut restored = match find_keys(self, site)? {
            Some(keys) => self.follow_keys_of(site, &keys, newer, now)?,
            None => Restored::default(),
        };
        let people: i64 = site.query_row("SELECT count(*) FROM person", [], |row| row.get(0))?;
        restored.people = people.unsigned_abs();
        gallery_change::trim(site)?;
        let details = json!({
            "people": restored.people, "dropped": restored.dropped, "faces_dropped": restored.faces_dropped,
            "revoked_again": restored.revoked_again, "enrolled_since_and_dropped": restored.newer,
        });
        self.audit(site, Record { action: Action::Restore, subject: None, details, actor, at: now })?;
        Ok(restored)
    }

    fn follow_keys_of(
        &self,
        site: &Transaction<'_>,
        keys: &Keys,
        newer: NewerPeople,
        now: WallTime,
    ) -> Result<Restored, Abort> {
        let Compared { without_key, orphans } = compare(site, keys)?;
        let newer_people = orphans.iter().filter(|(part, _)| *part == Part::Name).count() as u64;
        if newer_people > 0 && newer == NewerPeople::Refuse {
            return Err(StoreError::NewerPeople { path: self.path.clone(), people: newer_people }.into());
        }
        let mut restored = Restored { newer: newer_people, ..Restored::default() };
        for (part, owner) in without_key {
            let person = || owner.parse::<PersonId>().map_err(|_| self.tampered("person", "person_id", &owner));
            match part {
                Part::Name => restored.dropped += u64::from(remove_rows(site, part, person()?, now)?.is_some()),
                Part::Face => restored.faces_dropped += u64::from(remove_rows(site, part, person()?, now)?.is_some()),
                Part::Card => remove_card(site, &owner)?,
            }
        }
        restored.revoked_again = revoke_again(self, site, keys)?;
        Ok(restored)
    }
}

fn refuse_existing(path: &Path) -> Result<(), StoreError> {
    // A dangling link counts as a file.
    if path.symlink_metadata().is_ok() { Err(StoreError::Exists { path: path.to_owned() }) } else { Ok(()) }
}

/// Copies a whole database, as of one moment, into an empty one.
fn copy(from: &Connection, to: &mut Connection) -> rusqlite::Result<()> {
    {
        let backup = Backup::new(from, to)?;
        let mut tries = 0;
        loop {
            match backup.step(-1)? {
                StepResult::Done => break,
                _ if tries < TRIES => std::thread::sleep(PAUSE),
                _ => {
                    let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
                    return Err(rusqlite::Error::SqliteFailure(busy, None));
                }
            }
            tries += 1;
        }
    }
    // Removes the journal files.
    to.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
}

/// A file under a temporary name; removed unless it takes its final name.
struct Partial {
    path: PathBuf,
}

impl Partial {
    fn beside(target: &Path) -> Result<Self, StoreError> {
        let mut random = [0; 16];
        random_bytes(&mut random)?;
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.partial", Ulid::from_bytes(random)));
        let path = target.with_file_name(name);
        make_file(&path)?;
        Ok(Self { path })
    }

    /// Takes its final name, if nobody else has taken that.
    fn become_file(self, target: &Path) -> Result<(), StoreError> {
        let error = |source| StoreError::File { path: target.to_owned(), source };
        File::open(&self.path).and_then(|file| file.sync_all()).map_err(error)?;
        match std::fs::hard_link(&self.path, target) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                return Err(StoreError::Exists { path: target.to_owned() });
            }
            // Some file systems have no links, such as those of memory sticks.
            Err(_) => {
                refuse_existing(target)?;
                std::fs::rename(&self.path, target).map_err(error)?;
            }
        }
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(error)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        for end in ["", "-journal", "-wal", "-shm"] {
            let mut path = self.path.as_os_str().to_owned();
            path.push(end);
            // Most of them do not exist.
            let _ = std::fs::remove_file(path);
        }
    }
}
