//! The keys file: one key for each person's name, one for each face, one for each card with a
//! guardian. What is destroyed here can't be read any more, in the store or in any backup of it.
//!
//! Every writer holds the store's write lock, so that processes never disagree about which keys
//! belong to someone. Each write is committed before the store's: keys come and go before rows.

use std::path::{Path, PathBuf};

use gatehouse_core::time::WallTime;
use gatehouse_credential::PassId;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params};
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::from_column::from_column;
use crate::migration::{Found, KEYS};
use crate::open::{KEY_CHECK, connect, is_whole, make_file, set_up};
use crate::seal::{Key, Place, Seal};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Name,
    /// A person's templates, and their guardian.
    Face,
    /// The guardian of a card's holder.
    Card,
}

impl Part {
    pub(crate) const ALL: [Self; 3] = [Self::Name, Self::Face, Self::Card];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Face => "face",
            Self::Card => "card",
        }
    }
}

/// Whose key, by the text of the person's or the card's id, and for what.
pub(crate) type Owner = (Part, String);

/// A key to be written, sealed already.
pub(crate) struct NewKey {
    pub(crate) part: Part,
    pub(crate) owner: String,
    pub(crate) sealed: Vec<u8>,
}

pub(crate) struct Keys {
    path: PathBuf,
    pub(crate) connection: Connection,
}

pub(crate) const CHECK_PLACE: Place<'static> = Place { table: "keys", column: "key_check_sealed", row: &[] };

fn key_place<'a>(row: &'a [&'a str]) -> Place<'a> {
    Place { table: "data_key", column: "key_sealed", row }
}

pub(crate) fn seal_key(seal: &Seal, part: Part, owner: &str, key: &Key) -> Result<NewKey, StoreError> {
    let sealed = seal.seal(key_place(&[part.as_str(), owner]), key.as_slice())?;
    Ok(NewKey { part, owner: owner.to_owned(), sealed })
}

/// Opens a sealed key; fails if it was altered.
pub(crate) fn open_key(keys: &Path, seal: &Seal, part: Part, owner: &str, sealed: &[u8]) -> Result<Key, StoreError> {
    let opened = seal.open(key_place(&[part.as_str(), owner]), sealed);
    let key = opened.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new));
    let (path, owner) = (keys.to_owned(), owner.to_owned());
    key.ok_or(StoreError::KeyTampered { path, part: part.as_str(), owner })
}

/// `site.db` has its keys in `site.keys`.
pub(crate) fn keys_path(store: &Path) -> PathBuf {
    if store.extension().is_some_and(|extension| extension == "keys") {
        let mut name = store.as_os_str().to_owned();
        name.push(".keys");
        return name.into();
    }
    store.with_extension("keys")
}

impl Keys {
    /// Opens the keys file of a store, if there is one, and changes nothing. Fails if it is no keys
    /// file, another store's, sealed with another key, or damaged.
    pub(crate) fn open(path: &Path, seal: &Seal, store_id: &[u8]) -> Result<Option<Self>, StoreError> {
        if !holds_something(path) {
            return Ok(None);
        }
        let connection = connect(path)?;
        let keys = Self { path: path.to_owned(), connection };
        let found = keys.query("opening the keys file", |connection| KEYS.find(connection))?;
        let path = path.to_owned();
        if !keys.query("opening the keys file", |connection| is_whole(&path, connection))? {
            return Err(StoreError::KeysDamaged { path });
        }
        match found {
            Found::Nothing => return Ok(None),
            Found::Ours(_) => {}
            Found::Foreign => return Err(StoreError::Foreign { path }),
            Found::Older(found) | Found::Newer(found) => {
                return Err(StoreError::Newer { path, found, known: KEYS.known() });
            }
        }
        let (id, check): (Vec<u8>, Vec<u8>) = keys.query("opening the keys file", |connection| {
            connection
                .query_row("SELECT store_id, key_check_sealed FROM meta", [], |row| Ok((row.get(0)?, row.get(1)?)))
        })?;
        if id != store_id {
            return Err(StoreError::KeysOfAnother { path });
        }
        if seal.open(CHECK_PLACE, &check).is_none_or(|text| text.as_slice() != KEY_CHECK) {
            return Err(StoreError::WrongKey { path });
        }
        set_up(&keys.connection).map_err(|e| keys.error("opening the keys file", e))?;
        Ok(Some(keys))
    }

    pub(crate) fn make(path: &Path, seal: &Seal, store_id: &[u8]) -> Result<Self, StoreError> {
        make_file(path)?;
        let keys = Self { path: path.to_owned(), connection: connect(path)? };
        set_up(&keys.connection).map_err(|e| keys.error("making the keys file", e))?;
        let check = seal.seal(CHECK_PLACE, KEY_CHECK)?;
        keys.write("making the keys file", |transaction| {
            KEYS.migrate(transaction, Found::Nothing)?;
            transaction
                .execute(
                    "INSERT INTO meta (meta_id, store_id, key_check_sealed) VALUES (1, ?1, ?2)",
                    params![store_id, check],
                )
                .map(drop)
        })?;
        Ok(keys)
    }

    /// The cipher of an owner; none if their key was destroyed. Fails if the key was altered.
    pub(crate) fn get(&self, seal: &Seal, part: Part, owner: &str) -> Result<Option<Seal>, StoreError> {
        let sealed: Option<Vec<u8>> = self.query("reading a key", |connection| {
            connection
                .prepare_cached("SELECT key_sealed FROM data_key WHERE part = ?1 AND owner = ?2")?
                .query_row([part.as_str(), owner], |row| row.get(0))
                .optional()
        })?;
        sealed.map(|sealed| self.unseal(seal, part, owner, &sealed)).transpose()
    }

    fn unseal(&self, seal: &Seal, part: Part, owner: &str, sealed: &[u8]) -> Result<Seal, StoreError> {
        open_key(&self.path, seal, part, owner, sealed).map(|key| Seal::new(&key))
    }

    /// Gives `each` every key of a part, by owner in ascending order.
    pub(crate) fn each(
        &self,
        seal: &Seal,
        part: Part,
        mut each: impl FnMut(&str, Seal) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let doing = "reading keys";
        let fail = |e| self.error(doing, e);
        let sql = "SELECT owner, key_sealed FROM data_key WHERE part = ?1 ORDER BY owner";
        let mut statement = self.connection.prepare_cached(sql).map_err(fail)?;
        let mut rows = statement.query([part.as_str()]).map_err(fail)?;
        while let Some(row) = rows.next().map_err(fail)? {
            let owner = row.get_ref(0).and_then(|v| Ok(v.as_str()?)).map_err(fail)?;
            let sealed = row.get_ref(1).and_then(|v| Ok(v.as_blob()?)).map_err(fail)?;
            each(owner, self.unseal(seal, part, owner, sealed)?)?;
        }
        Ok(())
    }

    /// The owners of all keys of a part, in ascending order.
    pub(crate) fn owners(&self, part: Part) -> Result<Vec<String>, StoreError> {
        self.query("listing keys", |connection| {
            let mut statement = connection.prepare("SELECT owner FROM data_key WHERE part = ?1 ORDER BY owner")?;
            statement.query_map([part.as_str()], |row| row.get(0))?.collect()
        })
    }

    /// Writes keys, all or none.
    pub(crate) fn add(&self, keys: &[NewKey]) -> Result<(), StoreError> {
        self.write("writing keys", |transaction| {
            let sql = "INSERT INTO data_key (part, owner, key_sealed) VALUES (?1, ?2, ?3)";
            let mut statement = transaction.prepare_cached(sql)?;
            keys.iter()
                .try_for_each(|key| statement.execute(params![key.part.as_str(), key.owner, key.sealed]).map(drop))
        })
    }

    /// Destroys keys for good, and notes that their rows are to go.
    pub(crate) fn destroy(&self, owners: &[Owner], now: WallTime) -> Result<(), StoreError> {
        self.write("destroying keys", |transaction| {
            let sql = "INSERT OR IGNORE INTO destroyed (part, owner, destroyed_at_unix_ns) VALUES (?1, ?2, ?3)";
            let mut note = transaction.prepare_cached(sql)?;
            let mut delete = transaction.prepare_cached("DELETE FROM data_key WHERE part = ?1 AND owner = ?2")?;
            for (part, owner) in owners {
                note.execute(params![part.as_str(), owner, now.unix_nanos()])?;
                delete.execute([part.as_str(), owner])?;
            }
            Ok(())
        })
    }

    pub(crate) fn remove(&self, orphans: &[Owner]) -> Result<(), StoreError> {
        self.write("removing keys that belong to nobody", |transaction| {
            let mut delete = transaction.prepare_cached("DELETE FROM data_key WHERE part = ?1 AND owner = ?2")?;
            orphans.iter().try_for_each(|(part, owner)| delete.execute([part.as_str(), owner]).map(drop))
        })
    }

    /// Destroyed keys that may still have rows; names first, since faces go with them.
    pub(crate) fn destroyed(&self) -> Result<Vec<(Owner, WallTime)>, StoreError> {
        self.query("reading which keys were destroyed", |connection| {
            let sql =
                "SELECT part, owner, destroyed_at_unix_ns FROM destroyed ORDER BY part = 'name' DESC, part, owner";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| {
                let part = row.get_ref(0)?.as_str()?;
                let part = Part::ALL.into_iter().find(|p| p.as_str() == part).unwrap_or(Part::Name);
                Ok(((part, row.get(1)?), WallTime::from_unix_nanos(row.get(2)?)))
            })?;
            rows.collect()
        })
    }

    /// Forgets which keys were destroyed, once their rows are gone, and empties the journal.
    pub(crate) fn clear_destroyed(&self, owners: &[Owner]) -> Result<(), StoreError> {
        self.write("finishing the destruction of keys", |transaction| {
            let mut delete = transaction.prepare_cached("DELETE FROM destroyed WHERE part = ?1 AND owner = ?2")?;
            owners.iter().try_for_each(|(part, owner)| delete.execute([part.as_str(), owner]).map(drop))
        })?;
        self.query("emptying the journal of the keys file", empty_journal)
    }

    pub(crate) fn add_revocation(&self, pass: PassId, until: WallTime, now: WallTime) -> Result<(), StoreError> {
        self.write("noting that a pass was taken back", |transaction| {
            let sql = "INSERT OR IGNORE INTO revocation (pass_id, revoked_at_unix_ns, valid_until_unix_ns)
                       VALUES (?1, ?2, ?3)";
            let row = params![pass.to_string(), now.unix_nanos(), until.unix_nanos()];
            transaction.execute(sql, row).map(drop)
        })
    }

    pub(crate) fn revocations(&self) -> Result<Vec<(PassId, WallTime)>, StoreError> {
        self.query("reading which passes were taken back", |connection| {
            let mut statement = connection.prepare("SELECT pass_id, revoked_at_unix_ns FROM revocation")?;
            let rows =
                statement.query_map([], |row| Ok((from_column(row, 0)?, WallTime::from_unix_nanos(row.get(1)?))))?;
            rows.collect()
        })
    }

    /// Drops the notes of passes that have ended by themselves.
    pub(crate) fn prune_revocations(&self, now: WallTime) -> Result<(), StoreError> {
        self.write("pruning the passes that were taken back", |transaction| {
            let sql = "DELETE FROM revocation WHERE valid_until_unix_ns <= ?1";
            transaction.execute(sql, [now.unix_nanos()]).map(drop)
        })
    }

    fn query<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        work(&self.connection).map_err(|e| self.error(doing, e))
    }

    fn write(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        self.query(doing, |connection| {
            let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
            work(&transaction)?;
            transaction.commit()
        })
    }

    fn error(&self, doing: &'static str, source: rusqlite::Error) -> StoreError {
        let path = self.path.clone();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::KeysDamaged { path },
            _ => StoreError::Sql { path, doing, source },
        }
    }
}

pub(crate) fn holds_something(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.len() > 0)
}

/// Empties a write-ahead log into its file, so that deleted pages don't stay in it. If another
/// process is reading just then, its last connection does it on closing.
pub(crate) fn empty_journal(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}
