//! The site's own log of who came in, sealed. Reading needs a role and a reason, and is audited.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

use gatehouse_core::CameraId;
use gatehouse_core::event::{Decision, Direction, EntryEvent, EventId, Method};
use gatehouse_core::time::WallTime;
use gatehouse_credential::{PassId, PersonId};
use rusqlite::{Row, Transaction, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::actor::Actor;
use crate::audit::{Action, Record};
use crate::error::{Abort, StoreError};
use crate::open::{Base, Store};
use crate::seal::Place;

/// Longest reason, in characters.
const LONGEST_REASON: usize = 500;
/// The rows that a look asks for.
const FROM_ASKED: &str = "FROM entry_log WHERE captured_at_unix_ns >= ?1 AND captured_at_unix_ns < ?2
     AND (?3 IS NULL OR gate = ?3)";
/// Bytes of a person and a pass, each after a byte that says whether there is one.
const WHO: usize = 2 * 17;

/// Whom an entry is about: stays at the site, sealed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Who {
    /// The enrolled person, if the gate knows.
    pub person: Option<PersonId>,
    /// The pass or card that was shown, if one was.
    pub pass: Option<PassId>,
}

/// A look into the entry log. Who looks and in which role is the [`Actor`]'s.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// Why; stands in the audit log. No names in it.
    pub reason: &'a str,
    /// Entries captured from this moment on,
    pub from: WallTime,
    /// and before this one.
    pub until: WallTime,
    /// Of this gate only.
    pub gate: Option<&'a CameraId>,
}

/// One entry, with whom it is about.
#[derive(Clone)]
pub struct LoggedEntry {
    /// The event, as it stands on the bus.
    pub event_id: EventId,
    /// The gate.
    pub gate: CameraId,
    /// Where it leads.
    pub direction: Direction,
    /// When the frame that settled it was captured.
    pub captured_at: WallTime,
    /// What was decided.
    pub decision: Decision,
    /// What was presented.
    pub method: Method,
    /// Who, and by which pass.
    pub who: Who,
    /// Their name, if they are still enrolled. Overwritten in memory when dropped.
    pub name: Option<Zeroizing<String>>,
}

impl fmt::Debug for LoggedEntry {
    /// Without anything that says who.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggedEntry")
            .field("event_id", &self.event_id)
            .field("gate", &self.gate)
            .field("decision", &self.decision)
            .finish_non_exhaustive()
    }
}

impl Base {
    /// Writes an entry into the log, in the transaction that puts it into the outbox.
    pub(crate) fn log_entry(&self, site: &Transaction<'_>, entry: &EntryEvent, who: Who) -> Result<(), Abort> {
        let id = entry.event_id.to_string();
        let sealed = self.seal.seal(who_place(&[&id]), &who.to_bytes())?;
        site.prepare_cached(
            "INSERT INTO entry_log (event_id, gate, direction, captured_at_unix_ns, decision, method, who_sealed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            id,
            entry.gate.as_str(),
            text_of(&entry.direction),
            entry.capture_time.at.unix_nanos(),
            text_of(&entry.decision),
            text_of(&entry.method),
            sealed
        ])?;
        Ok(())
    }

    /// An entry, but for the name, of a row of `event_id, gate, direction, captured_at_unix_ns,
    /// decision, method, who_sealed`.
    pub(crate) fn logged(&self, row: &Row<'_>) -> Result<LoggedEntry, Abort> {
        let id: String = row.get(0)?;
        let who = self.open_who(&id, row.get_ref(6)?.as_blob().map_err(rusqlite::Error::from)?)?;
        let event_id = id.parse().map_err(|_| self.tampered("entry_log", "event_id", &id))?;
        Ok(LoggedEntry {
            event_id: EventId(event_id),
            gate: CameraId::new(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?),
            direction: of_text(row, 2)?,
            captured_at: WallTime::from_unix_nanos(row.get(3)?),
            decision: of_text(row, 4)?,
            method: of_text(row, 5)?,
            who,
            name: None,
        })
    }

    fn open_who(&self, event_id: &str, sealed: &[u8]) -> Result<Who, StoreError> {
        let opened = self.seal.open(who_place(&[event_id]), sealed).and_then(|bytes| Who::from_bytes(&bytes));
        opened.ok_or_else(|| self.tampered("entry_log", "who_sealed", event_id))
    }
}

/// A reason as it will stand in the audit log.
pub(crate) fn sound_reason(reason: &str) -> Result<&str, StoreError> {
    let reason = reason.trim();
    let found = reason.chars().count();
    if found == 0 || found > LONGEST_REASON {
        return Err(StoreError::NoReason { found, longest: LONGEST_REASON });
    }
    Ok(reason)
}

impl Store {
    /// The entries that a look asks for, in the order they were captured. The audit log says who
    /// looked, in which role, why, and how many entries they got, before they get them.
    ///
    /// # Errors
    /// If no reason is given, the log was altered, or the audit log can't be written.
    pub fn look_up_entries(
        &self,
        look: &Look<'_>,
        actor: &Actor,
        now: WallTime,
    ) -> Result<Vec<LoggedEntry>, StoreError> {
        let reason = sound_reason(look.reason)?;
        let gate = look.gate.map(CameraId::as_str);
        let asked = params![look.from.unix_nanos(), look.until.unix_nanos(), gate];
        self.write("recording a look into the entry log", |site| {
            let entries: i64 = site.query_row(&format!("SELECT count(*) {FROM_ASKED}"), asked, |row| row.get(0))?;
            let details = json!({
                "reason": reason, "from": look.from, "until": look.until, "gate": gate, "entries": entries,
            });
            self.base.audit(site, Record { action: Action::LookUpEntries, subject: None, details, actor, at: now })
        })?;
        self.read_with_keys("looking into the entry log", |site, keys| {
            let mut statement = site.prepare_cached(&format!(
                "SELECT event_id, gate, direction, captured_at_unix_ns, decision, method, who_sealed {FROM_ASKED}
                 ORDER BY captured_at_unix_ns, append_order",
            ))?;
            let mut rows = statement.query(asked)?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                let mut entry = self.base.logged(row)?;
                entry.name = entry.who.person.map(|person| self.base.name(site, keys, person)).transpose()?.flatten();
                entries.push(entry);
            }
            Ok(entries)
        })
    }

    /// The greatest id of all logged entries.
    ///
    /// # Errors
    /// If the store can't be read, or the log was altered.
    pub fn newest_entry_id(&self) -> Result<Option<EventId>, StoreError> {
        self.read("reading the newest entry's id", |site| {
            let newest: Option<String> = site.query_row("SELECT max(event_id) FROM entry_log", [], |row| row.get(0))?;
            let id = |text: String| {
                text.parse().map(EventId).map_err(|_| self.base.tampered("entry_log", "event_id", &text))
            };
            Ok(newest.map(id).transpose()?)
        })
    }

    /// How many people are inside: their last way through a gate since `since` led in. The order is
    /// that of the decisions, so a clock that was set in between changes nothing. A card's holder
    /// counts by their card. Not audited, because it names nobody.
    ///
    /// # Errors
    /// If the store can't be read, or the log was altered.
    pub fn present(&self, since: WallTime) -> Result<u64, StoreError> {
        self.read("counting who is inside", |site| {
            let mut statement = site.prepare_cached(
                "SELECT event_id, direction, who_sealed FROM entry_log
                 WHERE decision = 'admit' AND captured_at_unix_ns >= ?1
                 ORDER BY append_order",
            )?;
            let mut rows = statement.query([since.unix_nanos()])?;
            let (mut people, mut cards) = (HashMap::new(), HashMap::new());
            while let Some(row) = rows.next()? {
                let id: String = row.get(0)?;
                let who = self.base.open_who(&id, row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?)?;
                let direction: Direction = of_text(row, 1)?;
                match who {
                    Who { person: Some(person), .. } => drop(people.insert(person, direction)),
                    Who { pass: Some(card), .. } => drop(cards.insert(card.to_bytes(), direction)),
                    Who { person: None, pass: None } => {}
                }
            }
            Ok(inside(&people) + inside(&cards))
        })
    }
}

fn inside<K: Eq + Hash>(last: &HashMap<K, Direction>) -> u64 {
    last.values().filter(|direction| **direction == Direction::In).count() as u64
}

impl Who {
    fn to_bytes(self) -> [u8; WHO] {
        let mut bytes = [0; WHO];
        for (at, id) in [(0, self.person.map(PersonId::to_bytes)), (17, self.pass.map(PassId::to_bytes))] {
            if let Some(id) = id {
                bytes[at] = 1;
                bytes[at + 1..at + 17].copy_from_slice(&id);
            }
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (person, pass) = bytes.split_first_chunk::<17>()?;
        let id = |bytes: &[u8; 17]| {
            let (there, id) = bytes.split_first_chunk::<1>()?;
            (there[0] == 1).then(|| id.try_into().ok())?
        };
        let pass: &[u8; 17] = pass.try_into().ok()?;
        Some(Self { person: id(person).map(PersonId::from_bytes), pass: id(pass).map(PassId::from_bytes) })
    }
}

pub(crate) fn who_place<'a>(row: &'a [&'a str]) -> Place<'a> {
    Place { table: "entry_log", column: "who_sealed", row }
}

/// The text of a plain enum, as it stands in events.
fn text_of(value: &impl Serialize) -> Option<String> {
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// What [`text_of`] wrote.
fn of_text<T: DeserializeOwned>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    let text: String = row.get(index)?;
    serde_json::from_value(Value::String(text))
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, Box::new(e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_identity_round_trips_at_constant_length() {
        let person = PersonId::from_bytes([7; 16]);
        let pass = PassId::from_bytes([0; 16]);
        for who in [
            Who::default(),
            Who { person: Some(person), pass: None },
            Who { person: None, pass: Some(pass) },
            Who { person: Some(person), pass: Some(pass) },
        ] {
            assert_eq!(Who::from_bytes(&who.to_bytes()), Some(who));
        }
        assert_eq!(Who::from_bytes(&[0; WHO - 1]), None);
    }
}
