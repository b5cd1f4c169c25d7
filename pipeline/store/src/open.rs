//! Opens a store: its two files and their mode, the connections' settings, the schema, the key.

use std::fmt;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gatehouse_credential::{Purpose, SiteSecret};
use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, params};

use crate::audit::{ANCHOR, AuditKey, HEAD};
use crate::error::{Abort, StoreError};
use crate::forget::{Unfinished, finish_destroyed};
use crate::keys::{Keys, empty_journal, holds_something, keys_path};
use crate::migration::{Found, STORE};
use crate::seal::{Place, Seal, random_bytes};
use crate::settle;

/// How long to wait for another process that is writing. Ours hold the store for milliseconds.
const BUSY: Duration = Duration::from_secs(5);
const MODE: u32 = 0o600;
/// The plain text that store and keys file both hold sealed, to notice a wrong key.
pub(crate) const KEY_CHECK: &[u8] = b"gatehouse store";
pub(crate) const KEY_CHECK_PLACE: Place<'static> = Place { table: "meta", column: "key_check_sealed", row: &[] };

/// The store of one site. See the crate's documentation for its rules and its lock.
pub struct Store {
    pub(crate) base: Base,
    /// A panic under the lock rolls its transaction back, so the connections stay usable.
    pub(crate) files: Mutex<Files>,
}

/// Where a store lies, and what is derived from the site's secret.
pub(crate) struct Base {
    pub(crate) path: PathBuf,
    pub(crate) keys_path: PathBuf,
    pub(crate) seal: Seal,
    pub(crate) audit: AuditKey,
}

pub(crate) struct Files {
    pub(crate) site: Connection,
    pub(crate) keys: Keys,
}

impl Store {
    /// Opens the store at `path`, or makes it with this secret; its keys lie beside it (`site.db`,
    /// `site.keys`). Several processes may open it. What a crash left half-done is finished.
    ///
    /// Both files belong to their owner alone (mode 0600). The journal is a write-ahead log
    /// synchronised at every commit, so what a call has returned survives a power cut.
    ///
    /// # Errors
    /// If a file can't be made or opened, is damaged or no store, has a schema that this program
    /// doesn't know, or was made with another secret; or if the keys file is missing, older than
    /// the store, or another store's. In all of these cases existing files are left as they were.
    pub fn open(path: &Path, secret: &SiteSecret) -> Result<Self, StoreError> {
        let base = Base::new(path, secret);
        let _alone = lock_folder_of(path)?;
        if holds_something(&base.keys_path) && !path.exists() {
            return Err(base.keys_without_store());
        }
        make_file(path)?;
        let mut site = connect(path)?;
        // Before the first write, since even the choice of a journal changes the file.
        let found = STORE.find(&site).map_err(|e| base.opening_error(e))?;
        base.accept(found)?;
        if !is_whole(path, &site).map_err(|e| base.opening_error(e))? {
            return Err(StoreError::Damaged { path: path.to_owned() });
        }
        if found != Found::Nothing {
            base.check_key(&site)?;
        }
        set_up(&site).map_err(|e| base.opening_error(e))?;

        if found == Found::Nothing {
            base.write(&mut site, "making the store", |transaction| base.make(transaction))?;
        }
        let (keys, unfinished) = base.write(&mut site, "opening the store", |transaction| {
            STORE.migrate(transaction, STORE.find(transaction)?)?;
            let keys = settle::keys_of(&base, transaction)?;
            let unfinished = finish_destroyed(&base, transaction, &keys)?;
            settle::settle(&base, transaction, &keys)?;
            Ok((keys, unfinished))
        })?;
        for file in [&base.path, &base.keys_path] {
            close_to_others(file)?;
        }
        let store = Self { base, files: Mutex::new(Files { site, keys }) };
        if !unfinished.people.is_empty() {
            tracing::warn!(path = %path.display(), "a withdrawal that was interrupted has been finished");
        }
        store.finish(&unfinished)?;
        Ok(store)
    }

    /// The keys file beside it, not in [`Store::backup`]: keep a copy and overwrite it each time,
    /// or anyone with an older copy can read names and faces of people who have withdrawn.
    pub fn keys_path(&self) -> &Path {
        &self.base.keys_path
    }

    /// Runs `work` on one unchanging state of the store.
    pub(crate) fn read<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Abort>,
    ) -> Result<T, StoreError> {
        self.base.transact(&mut self.files.lock().site, TransactionBehavior::Deferred, doing, work)
    }

    /// As [`Self::read`], with the keys. The store's state begins with `work`'s first query of it:
    /// ask it before the keys, or someone enrolled in between has a row without a key.
    pub(crate) fn read_with_keys<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>, &Keys) -> Result<T, Abort>,
    ) -> Result<T, StoreError> {
        let Files { site, keys } = &mut *self.files.lock();
        self.base.transact(site, TransactionBehavior::Deferred, doing, |transaction| work(transaction, keys))
    }

    /// Runs `work` and commits it, or rolls it back if it fails. Takes the write lock at once, or
    /// another process could write between a read and a later write.
    pub(crate) fn write<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Abort>,
    ) -> Result<T, StoreError> {
        self.base.write(&mut self.files.lock().site, doing, work)
    }

    /// As [`Self::write`], with the keys, whose changes are committed before the store's own.
    pub(crate) fn write_with_keys<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>, &Keys) -> Result<T, Abort>,
    ) -> Result<T, StoreError> {
        let Files { site, keys } = &mut *self.files.lock();
        self.base.write(site, doing, |transaction| work(transaction, keys))
    }

    /// Drops the notes of destroyed keys whose rows are deleted, and empties both journals of them.
    pub(crate) fn finish(&self, unfinished: &Unfinished) -> Result<(), StoreError> {
        if unfinished.owners.is_empty() {
            return Ok(());
        }
        let files = self.files.lock();
        files.keys.clear_destroyed(&unfinished.owners)?;
        empty_journal(&files.site).map_err(|e| self.base.error("emptying the journal", e))
    }
}

impl Base {
    pub(crate) fn new(path: &Path, secret: &SiteSecret) -> Self {
        Self {
            path: path.to_owned(),
            keys_path: keys_path(path),
            seal: Seal::new(&secret.derive(Purpose::Store)),
            audit: AuditKey(secret.derive(Purpose::Audit)),
        }
    }

    /// Why a file that is none of ours, or none of this program's time, can't be used.
    pub(crate) fn accept(&self, found: Found) -> Result<(), StoreError> {
        let path = self.path.clone();
        match found {
            Found::Nothing | Found::Ours(_) => Ok(()),
            Found::Older(found) => Err(StoreError::Outdated { path, found }),
            Found::Newer(found) => Err(StoreError::Newer { path, found, known: STORE.known() }),
            Found::Foreign => Err(StoreError::Foreign { path }),
        }
    }

    /// Writes the schema and what the store says of itself into an empty file.
    fn make(&self, transaction: &Transaction<'_>) -> Result<(), Abort> {
        if holds_something(&self.keys_path) {
            return Err(self.keys_without_store().into());
        }
        STORE.migrate(transaction, Found::Nothing)?;
        let mut store_id = [0; 16];
        random_bytes(&mut store_id)?;
        let start = self.audit.start(&store_id);
        transaction.execute(
            "INSERT INTO meta (meta_id, store_id, key_check_sealed, audit_head_sealed, audit_anchor_sealed)
             VALUES (1, ?1, ?2, ?3, ?4)",
            params![
                store_id,
                self.seal.seal(KEY_CHECK_PLACE, KEY_CHECK)?,
                self.seal_mark(HEAD, &start)?,
                self.seal_mark(ANCHOR, &start)?
            ],
        )?;
        Ok(())
    }

    pub(crate) fn check_key(&self, site: &Connection) -> Result<(), StoreError> {
        let check = site.query_row("SELECT key_check_sealed FROM meta", [], |row| row.get::<_, Vec<u8>>(0));
        let check = check.map_err(|e| self.opening_error(e))?;
        if self.seal.open(KEY_CHECK_PLACE, &check).is_none_or(|text| text.as_slice() != KEY_CHECK) {
            return Err(StoreError::WrongKey { path: self.path.clone() });
        }
        Ok(())
    }

    fn keys_without_store(&self) -> StoreError {
        StoreError::KeysWithoutStore { path: self.keys_path.clone(), store: self.path.clone() }
    }

    pub(crate) fn write<T>(
        &self,
        connection: &mut Connection,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Abort>,
    ) -> Result<T, StoreError> {
        self.transact(connection, TransactionBehavior::Immediate, doing, work)
    }

    pub(crate) fn transact<T>(
        &self,
        connection: &mut Connection,
        behavior: TransactionBehavior,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Abort>,
    ) -> Result<T, StoreError> {
        let run = || {
            let transaction = connection.transaction_with_behavior(behavior)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        run().map_err(|abort| match abort {
            Abort::Rule(error) => error,
            Abort::Sql(source) => self.error(doing, source),
        })
    }

    pub(crate) fn error(&self, doing: &'static str, source: rusqlite::Error) -> StoreError {
        let path = self.path.clone();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged { path },
            _ => StoreError::Sql { path, doing, source },
        }
    }

    pub(crate) fn opening_error(&self, source: rusqlite::Error) -> StoreError {
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => StoreError::Foreign { path: self.path.clone() },
            _ => self.error("opening the store", source),
        }
    }

    pub(crate) fn tampered(&self, table: &'static str, column: &'static str, row: impl fmt::Display) -> StoreError {
        StoreError::Tampered { path: self.path.clone(), table, column, row: row.to_string() }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.base.path).finish_non_exhaustive()
    }
}

/// Makes a file for its owner alone, if there is none. SQLite would first make it with a wider
/// mode, and gives the journal the same. An existing file isn't even opened: closing it would drop
/// this process's other locks on it (POSIX; "How To Corrupt An SQLite Database File", 2.2).
pub(crate) fn make_file(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(MODE).open(path) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            Err(StoreError::File { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Waits until nobody else is opening a store in this folder, and keeps others waiting until the
/// value is dropped. SQLite's own locks don't cover the choice of a journal, nor two files.
pub(crate) fn lock_folder_of(path: &Path) -> Result<File, StoreError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let locked = File::open(folder).and_then(|folder| folder.lock().map(|()| folder));
    locked.map_err(|source| StoreError::File { path: path.to_owned(), source })
}

fn close_to_others(path: &Path) -> Result<(), StoreError> {
    let error = |source| StoreError::File { path: path.to_owned(), source };
    let mode = std::fs::metadata(path).map_err(error)?.permissions().mode() & 0o777;
    if mode != MODE {
        tracing::warn!(path = %path.display(), found = format!("{mode:o}"), "other users could read this file; its mode is now 600");
        std::fs::set_permissions(path, Permissions::from_mode(MODE)).map_err(error)?;
    }
    Ok(())
}

pub(crate) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connected = Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.busy_timeout(BUSY)?;
        #[cfg(test)]
        let connection = crate::crash::watched(connection);
        Ok(connection)
    });
    connected.map_err(|source| StoreError::Sql { path: path.to_owned(), doing: "opening the file", source })
}

/// Whether a file ends with a whole page. SQLite itself notices a file that lacks pages, but fills
/// up the last one with zeros. While there is a journal, that may still hold the page.
pub(crate) fn is_whole(path: &Path, connection: &Connection) -> rusqlite::Result<bool> {
    let page: u64 = connection.pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0))?.unsigned_abs();
    let mut journal = path.as_os_str().to_owned();
    journal.push("-wal");
    let length = std::fs::metadata(path).map_or(0, |file| file.len());
    Ok(holds_something(Path::new(&journal)) || length.is_multiple_of(page))
}

pub(crate) fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Deleted data is overwritten with zeros.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "trusted_schema", false)
}
