//! The audit log: each action with its actor, each row chained to the row before it.

use std::fmt;
use std::str::FromStr;

use gatehouse_core::CameraId;
use gatehouse_core::time::WallTime;
use gatehouse_credential::{PassId, PersonId};
use hmac::{Hmac, KeyInit, Mac};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde_json::{Value, json};
use sha2::Sha256;
use strum::Display;

use crate::actor::Actor;
use crate::audit_verify::AuditFault;
use crate::error::{Abort, StoreError};
use crate::open::{Base, Store};
use crate::seal::{Key, Place};

/// An audited action. The log has its name in small letters with hyphens, such as `renew-consent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display)]
#[strum(serialize_all = "kebab-case")]
pub enum Action {
    /// Someone was enrolled.
    Enrol,
    /// Someone's consent was renewed.
    RenewConsent,
    /// A name, or all names, were shown.
    ViewNames,
    /// The store was backed up.
    Backup,
    /// A backup was restored.
    Restore,
    /// Someone withdrew their face and stays for passes; or this was finished after a crash.
    WithdrawFace,
    /// Someone was forgotten; or this was finished after a crash.
    Forget,
    /// Someone, or only their face, was forgotten because their consent had ended.
    Expire,
    /// The site's key was changed.
    KeyChange,
    /// Old records were removed.
    Retention,
    /// A gate's thresholds or its liveness policy were set or changed.
    ThresholdChange,
    /// A pass was issued.
    IssuePass,
    /// A pass was revoked.
    RevokePass,
    /// A card was issued.
    IssueCard,
    /// A card was revoked.
    RevokeCard,
    /// Somebody read the entry log.
    LookUpEntries,
    /// All data stored about somebody was exported.
    Export,
    /// Somebody tried to read the entry log or to export in a role that may not.
    Refused,
}

/// The person or pass that an action concerned. Written as `person:` or `pass:` and the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A person.
    Person(PersonId),
    /// A pass or a card.
    Pass(PassId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(id) => write!(f, "person:{id}"),
            Self::Pass(id) => write!(f, "pass:{id}"),
        }
    }
}

/// One row of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Counts from 1 without a gap.
    pub sequence: u64,
    /// When.
    pub at: WallTime,
    /// The actor, as `role/user`.
    pub actor: String,
    /// The action, as [`Action`] is written.
    pub action: String,
    /// The subject, as [`Subject`] is written.
    pub subject: Option<String>,
    /// Details as JSON; no name in it.
    pub details: String,
    /// The hash of the row before.
    pub previous_hash: [u8; 32],
    /// The hash of this row, and through it of all rows before.
    pub hash: [u8; 32],
}

/// A row's place in the chain. Kept outside the store, it proves later that the log up to this row
/// is unchanged. Written as `sequence:hash`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditHead {
    /// The row's number; 0 before the first row.
    pub sequence: u64,
    /// Its hash.
    pub hash: [u8; 32],
}

/// The error for a text that is not an [`AuditHead`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the number of an audit row, a colon, and its hash in 64 hexadecimal digits")]
pub struct AuditHeadError;

impl fmt::Display for AuditHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence, base16ct::lower::encode_string(&self.hash))
    }
}

impl FromStr for AuditHead {
    type Err = AuditHeadError;

    fn from_str(text: &str) -> Result<Self, AuditHeadError> {
        let (sequence, digits) = text.trim().split_once(':').ok_or(AuditHeadError)?;
        let sequence = sequence.parse().map_err(|_| AuditHeadError)?;
        let mut hash = [0; 32];
        match base16ct::mixed::decode(digits, &mut hash) {
            Ok(read) if read.len() == 32 => Ok(Self { sequence, hash }),
            _ => Err(AuditHeadError),
        }
    }
}

pub(crate) struct Record<'a> {
    pub(crate) action: Action,
    pub(crate) subject: Option<Subject>,
    pub(crate) details: Value,
    pub(crate) actor: &'a Actor,
    pub(crate) at: WallTime,
}

pub(crate) struct AuditKey(pub(crate) Key);

impl AuditKey {
    /// Each part after its length, so that no two rows have the same bytes.
    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice())
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// The start of a store's chain. Two stores with one secret have different starts.
    pub(crate) fn start(&self, store_id: &[u8]) -> AuditHead {
        AuditHead { sequence: 0, hash: self.mac(&[b"gatehouse audit log", store_id]) }
    }

    pub(crate) fn hash(&self, entry: &AuditEntry, sequence: u64) -> [u8; 32] {
        let subject = entry.subject.as_deref();
        self.mac(&[
            &entry.previous_hash,
            &sequence.to_le_bytes(),
            &entry.at.unix_nanos().to_le_bytes(),
            entry.actor.as_bytes(),
            entry.action.as_bytes(),
            &[u8::from(subject.is_some())],
            subject.unwrap_or_default().as_bytes(),
            entry.details.as_bytes(),
        ])
    }
}

/// The keys that chain the rows of a log: the site's key may have changed since the first row.
pub(crate) struct AuditKeys<'a> {
    current: &'a AuditKey,
    /// Earlier keys, each with the last row that it chained, in ascending order.
    pub(crate) before: Vec<(u64, AuditKey)>,
}

impl AuditKeys<'_> {
    pub(crate) fn hash(&self, entry: &AuditEntry, sequence: u64) -> [u8; 32] {
        let key = self.before.iter().find(|(last, _)| sequence <= *last).map_or(self.current, |(_, key)| key);
        key.hash(entry, sequence)
    }
}

pub(crate) const HEAD: &str = "audit_head_sealed";
pub(crate) const ANCHOR: &str = "audit_anchor_sealed";

impl Base {
    /// Writes a row, in the transaction of what it records.
    pub(crate) fn audit(&self, transaction: &Transaction<'_>, record: Record<'_>) -> Result<AuditHead, Abort> {
        let last = self.audit_head(transaction)?;
        let sequence = last.sequence + 1;
        let mut entry = AuditEntry {
            sequence,
            at: record.at,
            actor: record.actor.to_string(),
            action: record.action.to_string(),
            subject: record.subject.map(|s| s.to_string()),
            details: record.details.to_string(),
            previous_hash: last.hash,
            hash: [0; 32],
        };
        entry.hash = self.audit.hash(&entry, sequence);
        transaction
            .prepare_cached(
                "INSERT INTO audit_log (sequence, at_unix_ns, actor, action, subject, details_json, previous_hash, hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                sequence.cast_signed(),
                entry.at.unix_nanos(),
                entry.actor,
                entry.action,
                entry.subject,
                entry.details,
                entry.previous_hash,
                entry.hash
            ])?;
        let head = AuditHead { sequence, hash: entry.hash };
        transaction
            .prepare_cached("UPDATE meta SET audit_head_sealed = ?1")?
            .execute([self.seal_mark(HEAD, &head)?])?;
        Ok(head)
    }

    pub(crate) fn audit_keys(&self, site: &Transaction<'_>) -> Result<AuditKeys<'_>, Abort> {
        let mut statement = site.prepare("SELECT last_sequence, key_sealed FROM audit_key ORDER BY last_sequence")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
        let mut before = Vec::new();
        for row in rows {
            let (last, sealed) = row?;
            let opened = self.seal.open(audit_key_place(&[&last.to_string()]), &sealed);
            let key = opened.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok()).map(Key::new);
            let key = key.ok_or_else(|| self.tampered("audit_key", "key_sealed", last))?;
            before.push((last.unsigned_abs(), AuditKey(key)));
        }
        Ok(AuditKeys { current: &self.audit, before })
    }

    /// Seals a key of earlier rows, bound to the number of the last of them.
    pub(crate) fn seal_audit_key(&self, last: u64, key: &AuditKey) -> Result<Vec<u8>, StoreError> {
        self.seal.seal(audit_key_place(&[&last.to_string()]), key.0.as_slice())
    }

    /// The newest row, as `meta` says.
    pub(crate) fn audit_head(&self, transaction: &Transaction<'_>) -> Result<AuditHead, Abort> {
        let sealed: Vec<u8> =
            transaction.prepare_cached("SELECT audit_head_sealed FROM meta")?.query_row([], |row| row.get(0))?;
        self.open_mark(HEAD, &sealed).ok_or_else(|| self.audit_fault(AuditFault::Head).into())
    }

    /// The last row that retention removed, as `meta` says.
    pub(crate) fn audit_anchor(&self, transaction: &Transaction<'_>) -> Result<AuditHead, Abort> {
        let sql = "SELECT audit_anchor_sealed, audit_removed_until FROM meta";
        let (sealed, until): (Vec<u8>, i64) = transaction.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let anchor = self.open_mark(ANCHOR, &sealed).filter(|anchor| anchor.sequence == until.cast_unsigned());
        anchor.ok_or_else(|| self.audit_fault(AuditFault::Anchor).into())
    }

    pub(crate) fn seal_mark(&self, column: &'static str, mark: &AuditHead) -> Result<Vec<u8>, StoreError> {
        let bytes = [&mark.sequence.to_le_bytes()[..], &mark.hash].concat();
        self.seal.seal(Place { table: "meta", column, row: &[] }, &bytes)
    }

    fn open_mark(&self, column: &'static str, sealed: &[u8]) -> Option<AuditHead> {
        let bytes = self.seal.open(Place { table: "meta", column, row: &[] }, sealed)?;
        let (sequence, hash) = bytes.split_first_chunk::<8>()?;
        Some(AuditHead { sequence: u64::from_le_bytes(*sequence), hash: hash.try_into().ok()? })
    }

    pub(crate) fn audit_fault(&self, fault: AuditFault) -> StoreError {
        StoreError::Audit { path: self.path.clone(), fault }
    }
}

fn audit_key_place<'a>(row: &'a [&'a str]) -> Place<'a> {
    Place { table: "audit_key", column: "key_sealed", row }
}

impl Store {
    /// Records an action outside the store; no name in `details`. Returns the row's place.
    ///
    /// # Errors
    /// If the store can't be written.
    pub fn record(
        &self,
        action: Action,
        subject: Option<Subject>,
        details: Value,
        actor: &Actor,
        now: WallTime,
    ) -> Result<AuditHead, StoreError> {
        self.write("writing the audit log", |transaction| {
            self.base.audit(transaction, Record { action, subject, details, actor, at: now })
        })
    }

    /// Records a gate's new rules and its previous ones, unless the log's last ones are the same.
    /// `rules` must contain no name. Returns true if a row was written.
    ///
    /// # Errors
    /// If the store can't be read or written.
    pub fn note_gate_rules(
        &self,
        gate: &CameraId,
        rules: &Value,
        actor: &Actor,
        now: WallTime,
    ) -> Result<bool, StoreError> {
        self.write("writing the audit log", |transaction| {
            let action = Action::ThresholdChange;
            let mut statement = transaction.prepare_cached(
                "SELECT json_extract(details_json, '$.rules') FROM audit_log
                 WHERE action = ?1 AND json_extract(details_json, '$.gate') = ?2 ORDER BY sequence DESC LIMIT 1",
            )?;
            let of_gate = params![action.to_string(), gate.as_str()];
            let noted = statement.query_row(of_gate, |row| row.get::<_, String>(0)).optional()?;
            let before: Value = noted.and_then(|rules| serde_json::from_str(&rules).ok()).unwrap_or_default();
            if before == *rules {
                return Ok(false);
            }
            let details = json!({ "gate": gate, "rules": rules, "before": before });
            self.base.audit(transaction, Record { action, subject: None, details, actor, at: now })?;
            Ok(true)
        })
    }

    /// Up to `limit` rows from `from` or the oldest on, unverified: see [`Store::verify_audit`].
    ///
    /// # Errors
    /// If the store can't be read.
    pub fn audit_entries(&self, from: u64, limit: usize) -> Result<Vec<AuditEntry>, StoreError> {
        self.read("reading the audit log", |transaction| {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let from = i64::try_from(from).unwrap_or(i64::MAX);
            let mut statement = transaction.prepare_cached(
                "SELECT sequence, at_unix_ns, actor, action, subject, details_json, previous_hash, hash
                 FROM audit_log WHERE sequence >= ?1 ORDER BY sequence LIMIT ?2",
            )?;
            let entries = statement.query_map(params![from, limit], entry_of)?;
            Ok(entries.collect::<Result<_, _>>()?)
        })
    }
}

pub(crate) fn entry_of(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    Ok(AuditEntry {
        sequence: row.get::<_, i64>(0)?.unsigned_abs(),
        at: WallTime::from_unix_nanos(row.get(1)?),
        actor: row.get(2)?,
        action: row.get(3)?,
        subject: row.get(4)?,
        details: row.get(5)?,
        previous_hash: row.get(6)?,
        hash: row.get(7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_survives_its_text() {
        let head = AuditHead { sequence: 17, hash: std::array::from_fn(|i| i as u8 * 7) };
        assert_eq!(head.to_string().parse(), Ok(head));
        for text in ["", "17", "x:00", "17:abcd", &format!("17:{}", "é".repeat(32)), &format!("-1:{}", "0".repeat(64))]
        {
            assert_eq!(text.parse::<AuditHead>(), Err(AuditHeadError), "{text}");
        }
    }

    #[test]
    fn rows_of_an_earlier_version_keep_their_hash() {
        // As Python's `hmac` computes them.
        let hex = |hash: [u8; 32]| base16ct::lower::encode_string(&hash);
        let key = AuditKey(Key::new([0x42; 32]));
        let start = key.start(b"store");
        assert_eq!(hex(start.hash), "6b1a01c5fbe14b29e66e3a6ce83722a61c8dae82597efad6f242c2b837628ab6");
        let entry = AuditEntry {
            sequence: 1,
            at: WallTime::from_unix_nanos(1_790_000_000_000_000_000),
            actor: "desk/quill".to_owned(),
            action: Action::Enrol.to_string(),
            subject: Some("person:01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned()),
            details: "{}".to_owned(),
            previous_hash: start.hash,
            hash: [0; 32],
        };
        assert_eq!(hex(key.hash(&entry, 1)), "8499992796a36414928d6f97d282874004818187d226ef34ed11fdc1578560fe");
    }
}
