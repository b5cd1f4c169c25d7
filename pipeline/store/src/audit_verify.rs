//! Verifies the audit log: every row is as it was written, and none is missing.

use rusqlite::{Transaction, params};

use crate::audit::{AuditEntry, AuditHead, AuditKeys, entry_of};
use crate::error::{Abort, StoreError};
use crate::open::{Base, Store};

/// A fault of the audit log, and the row where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuditFault {
    /// A row was altered.
    #[error("row {sequence} was altered")]
    Altered {
        /// The first bad row.
        sequence: u64,
    },
    /// Rows were removed; those after may have been renumbered.
    #[error("row {sequence} is missing")]
    Missing {
        /// The first missing row.
        sequence: u64,
    },
    /// A row was inserted that gatehouse did not write.
    #[error("row {sequence} was put in by somebody else")]
    Inserted {
        /// The first such row.
        sequence: u64,
    },
    /// The newest rows were removed.
    #[error("the log ends with row {last}, and {newest} rows were written: its end was cut off")]
    CutOff {
        /// The last row there is; 0 if there is none.
        last: u64,
        /// The newest row that was written.
        newest: u64,
    },
    /// The note of the newest row is unreadable, or older than the log.
    #[error("the sealed note of the newest row was altered or put back from an older store")]
    Head,
    /// The note of the rows that retention removed is unreadable.
    #[error("the sealed note of the oldest row was altered")]
    Anchor,
    /// The log is older than the head that was kept elsewhere, or is another log.
    #[error(
        "row {known} was noted elsewhere with another hash or isn't there (the log ends with row {newest}): the whole \
         store was put back to an earlier state"
    )]
    RolledBack {
        /// The row that was noted elsewhere.
        known: u64,
        /// The newest row here.
        newest: u64,
    },
}

/// A sound audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditReport {
    /// How many rows there are, all of them sound.
    pub rows: u64,
    /// The last row that retention removed; number 0 if it removed none.
    pub removed_until: u64,
    /// The newest row. Note it elsewhere, and give it to the next verification.
    pub head: AuditHead,
    /// False if no head noted elsewhere was given, or retention has removed its row.
    pub compared_with_known: bool,
}

impl Store {
    /// Checks every row of the audit log, the chain, its beginning and its end. `known`, a head
    /// noted elsewhere earlier, also detects a whole store that was put back to an earlier state.
    ///
    /// # Errors
    /// [`StoreError::Audit`] with the first fault, or if the store can't be read.
    pub fn verify_audit(&self, known: Option<AuditHead>) -> Result<AuditReport, StoreError> {
        self.read("verifying the audit log", |transaction| self.base.verify_audit(transaction, known))
    }
}

impl Base {
    pub(crate) fn verify_audit(&self, site: &Transaction<'_>, known: Option<AuditHead>) -> Result<AuditReport, Abort> {
        let head = self.audit_head(site)?;
        let anchor = self.audit_anchor(site)?;
        let mut seen = known.filter(|known| *known == anchor);
        let checked = self.walk(site, anchor, i64::MAX.cast_unsigned(), head.sequence, |row| {
            if known.is_some_and(|known| known.sequence == row.sequence && known.hash == row.hash) {
                seen = known;
            }
        });
        let last = checked?;
        let fault = |fault| Err(self.audit_fault(fault).into());
        if last.sequence < head.sequence {
            return fault(AuditFault::CutOff { last: last.sequence, newest: head.sequence });
        }
        if last != head {
            return fault(AuditFault::Head);
        }
        if let Some(known) = known
            && seen.is_none()
            && known.sequence >= anchor.sequence
        {
            return fault(AuditFault::RolledBack { known: known.sequence, newest: head.sequence });
        }
        Ok(AuditReport {
            rows: last.sequence - anchor.sequence,
            removed_until: anchor.sequence,
            head,
            compared_with_known: seen.is_some(),
        })
    }

    /// Checks the rows after `anchor` up to number `until`, gives each to `each`, and returns the
    /// last one's place. `newest`: the highest number that was ever written.
    pub(crate) fn walk(
        &self,
        site: &Transaction<'_>,
        anchor: AuditHead,
        until: u64,
        newest: u64,
        mut each: impl FnMut(&AuditEntry),
    ) -> Result<AuditHead, Abort> {
        let keys = self.audit_keys(site)?;
        let mut statement = site.prepare(
            "SELECT sequence, at_unix_ns, actor, action, subject, details_json, previous_hash, hash
             FROM audit_log WHERE sequence <= ?1 ORDER BY sequence",
        )?;
        let mut rows = statement.query_map(params![until.cast_signed()], entry_of)?;
        let mut last = anchor;
        while let Some(row) = rows.next().transpose()? {
            let expected = last.sequence + 1;
            let sound =
                row.sequence == expected && row.previous_hash == last.hash && row.hash == keys.hash(&row, row.sequence);
            if !sound {
                let after = rows.next().transpose()?;
                return Err(self.audit_fault(diagnose(&keys, &last, &row, after.as_ref(), newest)).into());
            }
            each(&row);
            last = AuditHead { sequence: row.sequence, hash: row.hash };
        }
        Ok(last)
    }
}

/// Finds the fault when a row does not fit the one before it.
fn diagnose(
    keys: &AuditKeys<'_>,
    last: &AuditHead,
    row: &AuditEntry,
    after: Option<&AuditEntry>,
    newest: u64,
) -> AuditFault {
    let expected = last.sequence + 1;
    let sequence = row.sequence;
    if sequence < expected || sequence > newest {
        // In front of the oldest row, or behind the newest that was ever written.
        return AuditFault::Inserted { sequence };
    }
    let genuine_as = |row: &AuditEntry, sequence| row.hash == keys.hash(row, sequence);
    if (expected + 1..=newest).any(|number| genuine_as(row, number)) {
        // A row of ours from further on: it stands here because rows before it are gone.
        return AuditFault::Missing { sequence: expected };
    }
    // A row of ours stands behind this one that follows the one before it.
    let follows = |row: &AuditEntry| row.previous_hash == last.hash && genuine_as(row, expected);
    if after.is_some_and(follows) {
        return AuditFault::Inserted { sequence };
    }
    AuditFault::Altered { sequence: expected }
}
