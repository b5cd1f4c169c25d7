//! Opening a store: the file and its mode, the connection's settings, the schema, the key.

use std::fmt;
use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use crate::error::{Abort, StoreError};
use crate::key::SiteEncryptionKey;
use crate::migration::{self, Found, KNOWN};
use crate::seal::{Place, Seal};

/// How long to wait for another process that is writing. Ours hold the store for milliseconds.
const BUSY: Duration = Duration::from_secs(5);
/// Read and write for the owner, nothing for others.
const MODE: u32 = 0o600;

const KEY_CHECK: &[u8] = b"gatehouse store";
const KEY_CHECK_PLACE: Place<'static> = Place { table: "meta", column: "key_check_sealed", row: &[] };

/// The store of one site. See the crate's documentation for its rules and its lock.
pub struct Store {
    path: PathBuf,
    seal: Seal,
    connection: Mutex<Connection>,
}

impl Store {
    /// Opens the store at `path`, or makes it with this key. Several processes may have it open at once.
    ///
    /// The file belongs to its owner alone (mode 0600). The journal is a write-ahead log synchronised at every commit,
    /// so what a call has returned survives a power cut.
    ///
    /// # Errors
    /// If the file can't be made or opened, is no store, has a newer schema, or was made with another key. In all of
    /// these cases an existing file is left as it was.
    pub fn open(path: &Path, key: &SiteEncryptionKey) -> Result<Self, StoreError> {
        let file_error = |source| StoreError::File { path: path.to_owned(), source };
        // Made here rather than by SQLite, so that it never exists with a wider mode. SQLite gives the journal the same.
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(MODE).open(path);
        let file = file.map_err(file_error)?;
        let mode = file.metadata().map_err(file_error)?.permissions().mode() & 0o777;

        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let sql = |source: rusqlite::Error| match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => StoreError::Foreign { path: path.to_owned() },
            _ => StoreError::Sql { path: path.to_owned(), doing: "opening the store", source },
        };
        let connection = Connection::open_with_flags(path, flags).map_err(sql)?;
        connection.busy_timeout(BUSY).map_err(sql)?;
        // Before the first write, since even the choice of a journal changes the file.
        accept(migration::find(&connection).map_err(sql)?, path)?;
        set_up(&connection).map_err(sql)?;

        let store = Self { path: path.to_owned(), seal: Seal::new(key), connection: Mutex::new(connection) };
        store.write("opening the store", |transaction| store.check_or_make(transaction))?;
        if mode != MODE {
            tracing::warn!(path = %path.display(), found = format!("{mode:o}"), "the store was open to others; closed it");
            file.set_permissions(Permissions::from_mode(MODE)).map_err(file_error)?;
        }
        Ok(store)
    }

    /// Checks the key, or writes schema and key check into an empty file. Looks again at what the file is, since another
    /// process may have made it just now.
    fn check_or_make(&self, transaction: &Transaction<'_>) -> Result<(), Abort> {
        let version = accept(migration::find(transaction)?, &self.path)?;
        if version > 0 {
            let check: Vec<u8> = transaction.query_row("SELECT key_check_sealed FROM meta", [], |row| row.get(0))?;
            if self.seal.open(KEY_CHECK_PLACE, &check).is_none_or(|text| text.as_slice() != KEY_CHECK) {
                return Err(StoreError::WrongKey { path: self.path.clone() }.into());
            }
        }
        if version < KNOWN {
            migration::migrate(transaction, version)?;
        }
        if version == 0 {
            let check = self.seal(KEY_CHECK_PLACE, KEY_CHECK)?;
            transaction.execute("INSERT INTO meta (meta_id, key_check_sealed) VALUES (1, ?1)", [check])?;
        }
        Ok(())
    }

    /// The store's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.seal.seal(place, plain).map_err(StoreError::Random)
    }

    pub(crate) fn unsealer(&self) -> &Seal {
        &self.seal
    }

    /// Runs `work` on one unchanging state of the store.
    pub(crate) fn read<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Abort>,
    ) -> Result<T, StoreError> {
        self.transact(TransactionBehavior::Deferred, doing, work)
    }

    /// Runs `work` and commits it, or nothing of it if it fails. Takes the write lock at once: a transaction that reads
    /// first and writes later could find that another process wrote in between.
    pub(crate) fn write<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Abort>,
    ) -> Result<T, StoreError> {
        self.transact(TransactionBehavior::Immediate, doing, work)
    }

    fn transact<T>(
        &self,
        behavior: TransactionBehavior,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Abort>,
    ) -> Result<T, StoreError> {
        // A panic under the lock has rolled its transaction back: the connection is as good as before.
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let run = || {
            let transaction = connection.transaction_with_behavior(behavior)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        run().map_err(|abort| match abort {
            Abort::Rule(error) => error,
            Abort::Sql(source) => StoreError::Sql { path: self.path.clone(), doing, source },
        })
    }

    /// Empties the write-ahead log into the file, so that deleted pages don't stay in it. If another process is reading
    /// just then, its last connection does it on closing.
    pub(crate) fn empty_journal(&self) -> Result<(), StoreError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let emptied = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        emptied.map_err(|source| StoreError::Sql { path: self.path.clone(), doing: "emptying the journal", source })
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The version to start from, or why the file can't be used.
fn accept(found: Found, path: &Path) -> Result<i64, StoreError> {
    match found {
        Found::Nothing => Ok(0),
        Found::Store(version @ 1..=KNOWN) => Ok(version),
        Found::Store(found) => Err(StoreError::Newer { path: path.to_owned(), found, known: KNOWN }),
        Found::Foreign => Err(StoreError::Foreign { path: path.to_owned() }),
    }
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is deleted is overwritten with zeros.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "trusted_schema", false)
}
