//! The outbox: entries are stored here, numbered without a gap, before they go onto the bus.

use gatehouse_core::CameraId;
use gatehouse_core::event::EntryEvent;
use gatehouse_core::time::WallTime;
use rusqlite::{Params, Transaction, params};

use crate::entry_log::Who;
use crate::error::{Abort, StoreError};
use crate::open::Store;

impl Store {
    /// Draws the gate's next number, has `make` make the entry, and stores that in the outbox and,
    /// with whom it is about, in the site's own log, all or nothing; it then survives a power cut.
    /// `make` runs under the store's lock: it must be quick, and must not use the store.
    ///
    /// # Errors
    /// If `make` names another gate or number, or writing fails; then the number stays unused.
    pub fn append_entry(
        &self,
        gate: &CameraId,
        who: Who,
        make: impl FnOnce(u64) -> EntryEvent,
    ) -> Result<EntryEvent, StoreError> {
        self.write("appending an entry", |transaction| {
            let mut statement = transaction.prepare_cached(
                "INSERT INTO entry_sequence (gate, last_sequence) VALUES (?1, 1)
                 ON CONFLICT (gate) DO UPDATE SET last_sequence = last_sequence + 1 RETURNING last_sequence",
            )?;
            let number: i64 = statement.query_row([gate.as_str()], |row| row.get(0))?;
            let sequence = number.unsigned_abs();
            let entry = make(sequence);
            if entry.sequence != sequence || entry.gate != *gate {
                let (gate, made_gate, made_sequence) = (gate.clone(), entry.gate, entry.sequence);
                return Err(StoreError::EntryMismatch { gate, sequence, made_gate, made_sequence }.into());
            }
            let json = serde_json::to_string(&entry).map_err(|source| self.unfit(gate.as_str(), sequence, source))?;
            transaction
                .prepare_cached(
                    "INSERT INTO entry_outbox (gate, sequence, event_json, captured_at_unix_ns) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![gate.as_str(), number, json, entry.capture_time.at.unix_nanos()])?;
            self.base.log_entry(transaction, &entry, who)?;
            Ok(entry)
        })
    }

    /// Marks an entry as published. Doing it twice is no error.
    ///
    /// # Errors
    /// If there is no such entry, or the store can't be written.
    pub fn mark_published(&self, gate: &CameraId, sequence: u64) -> Result<(), StoreError> {
        self.write("marking an entry as published", |transaction| {
            let changed = transaction
                .prepare_cached("UPDATE entry_outbox SET published = 1 WHERE gate = ?1 AND sequence = ?2")?
                .execute(params![gate.as_str(), number(sequence)])?;
            if changed == 0 {
                let (path, gate) = (self.base.path.clone(), gate.clone());
                return Err(StoreError::NoSuchEntry { path, gate, sequence }.into());
            }
            Ok(())
        })
    }

    /// The oldest `limit` unpublished entries, in order; asked at start until there are none.
    ///
    /// # Errors
    /// If the store can't be read.
    pub fn unpublished(&self, limit: usize) -> Result<Vec<EntryEvent>, StoreError> {
        self.read("reading unpublished entries", |transaction| {
            self.entries(
                transaction,
                "SELECT gate, sequence, event_json FROM entry_outbox WHERE published = 0
                 ORDER BY append_order LIMIT ?1",
                [number(limit as u64)],
            )
        })
    }

    /// Up to `limit` entries of a gate, in order, from number `from` or the oldest one still kept.
    /// Unpublished entries are included, since the caller has missed them too.
    ///
    /// # Errors
    /// If the store can't be read.
    pub fn entries_from(&self, gate: &CameraId, from: u64, limit: usize) -> Result<Vec<EntryEvent>, StoreError> {
        self.read("reading entries", |transaction| {
            self.entries(
                transaction,
                "SELECT gate, sequence, event_json FROM entry_outbox WHERE gate = ?1 AND sequence >= ?2
                 ORDER BY sequence LIMIT ?3",
                params![gate.as_str(), number(from), number(limit as u64)],
            )
        })
    }

    fn entries(&self, transaction: &Transaction<'_>, sql: &str, params: impl Params) -> Result<Vec<EntryEvent>, Abort> {
        let mut statement = transaction.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            let (gate, sequence, json): (String, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let entry = serde_json::from_str(&json);
            entries.push(entry.map_err(|source| self.unfit(&gate, sequence.unsigned_abs(), source))?);
        }
        Ok(entries)
    }

    fn unfit(&self, gate: &str, sequence: u64, source: serde_json::Error) -> StoreError {
        StoreError::Entry { path: self.base.path.clone(), gate: gate.to_owned(), sequence, source }
    }
}

/// Deletes published entries captured before `older_than` from the outbox, and says how many. Those
/// not published yet stay, however old, and numbers are not given again.
pub(crate) fn prune(transaction: &Transaction<'_>, older_than: WallTime) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM entry_outbox WHERE published = 1 AND captured_at_unix_ns < ?1";
    transaction.prepare_cached(sql)?.execute([older_than.unix_nanos()])
}

/// SQLite's integers are signed; no gate ever counts beyond them.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
