//! Changes the site's key: all sealed, chained and protected data moves to it, or none does.

use std::path::Path;

use gatehouse_core::time::WallTime;
use gatehouse_credential::{PersonId, SiteSecret};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params};
use serde_json::json;
use zeroize::Zeroizing;

use crate::actor::Actor;
use crate::audit::{ANCHOR, Action, HEAD, Record};
use crate::enrol::template_place;
use crate::entry_log::who_place;
use crate::error::{Abort, StoreError};
use crate::from_column::from_column;
use crate::keys::{CHECK_PLACE, Part, open_key, seal_key};
use crate::open::{Base, Files, KEY_CHECK, KEY_CHECK_PLACE, Store, lock_folder_of};
use crate::seal::Seal;

/// How many rows are read before they are written again.
const PAGE: i64 = 4096;

/// Replaces the old key's protection of a template by the new key's, or returns why not.
pub type Reprotect<'a> = dyn FnMut(&mut [f32]) -> Result<(), String> + 'a;

/// Numbers of records that [`Store::change_key`] rewrote or revoked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyChange {
    /// People, with their names.
    pub people: u64,
    /// Their templates, protected anew.
    pub templates: u64,
    /// Rows of the site's own entry log.
    pub entries: u64,
    /// Valid passes that were revoked, since the old key signed them.
    pub passes: u64,
    /// Valid cards that were revoked, likewise.
    pub cards: u64,
}

impl Store {
    /// Seals everything with keys of a new secret, and protects every template anew. The old secret
    /// then reads none of it, and signs nothing that a gate accepts. Passes and cards signed with
    /// it are revoked. Earlier backups cannot be restored with the new secret. The audit log
    /// continues: its rows and heads kept elsewhere stay valid.
    ///
    /// The store must be open nowhere else, and is closed by this: open it again with the new
    /// secret. Both files change together or not at all, whenever the process is killed.
    ///
    /// # Errors
    /// If another process has it open, the secret is the old one, the audit log doesn't verify,
    /// something was altered, or a template or a file can't be written; then nothing is changed.
    pub fn change_key(
        self,
        new: &SiteSecret,
        reprotect: &mut Reprotect<'_>,
        actor: &Actor,
        now: WallTime,
    ) -> Result<KeyChange, StoreError> {
        let Self { base: old, files } = self;
        let new = Base::new(&old.path, new);
        let Files { mut site, keys } = files.into_inner();
        if new.check_key(&site).is_ok() {
            return Err(StoreError::SameKey { path: old.path });
        }
        // No process opens it until this is done.
        let _alone = lock_folder_of(&old.path)?;
        let keys = keys.connection;
        take_alone(&keys, &old.keys_path)?;
        drop(keys);
        take_alone(&site, &old.path)?;
        attach(&site, &old.keys_path).map_err(|e| old.error("opening the keys file", e))?;
        old.transact(&mut site, TransactionBehavior::Exclusive, "changing the site's key", |site| {
            Change { old: &old, new: &new, site }.everything(reprotect, actor, now)
        })
    }
}

/// Makes a file this process's alone, with a journal that commits several files at once: a
/// write-ahead log can't ("Atomic Commit In SQLite", 5; "Write-Ahead Logging", 1).
fn take_alone(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let mode = connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get::<_, String>(0));
    match mode {
        Ok(mode) if mode == "delete" => Ok(()),
        Err(source) if source.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) => {
            Err(StoreError::Sql { path: path.to_owned(), doing: "taking the store alone", source })
        }
        _ => Err(StoreError::InUse { path: path.to_owned() }),
    }
}

/// Attaches the keys file to the store's connection, where one transaction covers both.
fn attach(site: &Connection, keys: &Path) -> rusqlite::Result<()> {
    site.execute("ATTACH DATABASE ?1 AS keys", [keys.to_string_lossy()])?;
    for name in ["main", "keys"] {
        // A power cut after the commit must not bring a journal back.
        site.pragma_update(Some(name), "synchronous", "EXTRA")?;
        site.pragma_update(Some(name), "secure_delete", true)?;
    }
    Ok(())
}

struct Change<'a> {
    old: &'a Base,
    new: &'a Base,
    site: &'a Transaction<'a>,
}

impl Change<'_> {
    fn everything(&self, reprotect: &mut Reprotect<'_>, actor: &Actor, now: WallTime) -> Result<KeyChange, Abort> {
        // A new key must not hide faults of the log.
        self.old.verify_audit(self.site, None)?;
        self.checks_and_audit()?;
        let people = self.data_keys()?;
        let templates = self.unguarded("template_stays_with_its_person", || self.templates(reprotect))?;
        let entries = self.unguarded("logged_entry_is_never_changed", || self.entry_log())?;
        let (passes, cards) = self.take_back_passes(now)?;
        let done = KeyChange { people, templates, entries, passes, cards };
        let details = json!({
            "people": people, "templates": templates, "entries": entries, "passes_taken_back": passes,
            "cards_taken_back": cards,
        });
        self.new.audit(self.site, Record { action: Action::KeyChange, subject: None, details, actor, at: now })?;
        Ok(done)
    }

    /// Reseals the key check, the audit log's anchor and head, and the keys of its rows.
    fn checks_and_audit(&self) -> Result<(), Abort> {
        let Self { old, new, site } = *self;
        let (head, anchor) = (old.audit_head(site)?, old.audit_anchor(site)?);
        let keys = old.audit_keys(site)?;
        site.execute("DELETE FROM audit_key", [])?;
        let mut insert = site.prepare("INSERT INTO audit_key (last_sequence, key_sealed) VALUES (?1, ?2)")?;
        let present = (head.sequence > anchor.sequence).then_some((head.sequence, &old.audit));
        for (last, key) in keys.before.iter().map(|(last, key)| (*last, key)).chain(present) {
            insert.execute(params![last.cast_signed(), new.seal_audit_key(last, key)?])?;
        }
        site.execute(
            "UPDATE meta SET key_check_sealed = ?1, audit_head_sealed = ?2, audit_anchor_sealed = ?3",
            params![
                new.seal.seal(KEY_CHECK_PLACE, KEY_CHECK)?,
                new.seal_mark(HEAD, &head)?,
                new.seal_mark(ANCHOR, &anchor)?
            ],
        )?;
        site.execute("UPDATE keys.meta SET key_check_sealed = ?1", [new.seal.seal(CHECK_PLACE, KEY_CHECK)?])?;
        Ok(())
    }

    /// Reseals the people's keys; of what those seal, only templates change. Returns their number.
    fn data_keys(&self) -> Result<u64, Abort> {
        let mut people = 0;
        let mut update =
            self.site.prepare("UPDATE keys.data_key SET key_sealed = ?3 WHERE part = ?1 AND owner = ?2")?;
        for part in Part::ALL {
            let mut statement = self.site.prepare("SELECT owner, key_sealed FROM keys.data_key WHERE part = ?1")?;
            let rows = statement.query_map([part.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let rows: Vec<(String, Vec<u8>)> = rows.collect::<Result<_, _>>()?;
            people += if part == Part::Name { rows.len() as u64 } else { 0 };
            for (owner, sealed) in rows {
                let key = open_key(&self.old.keys_path, &self.old.seal, part, &owner, &sealed)?;
                let anew = seal_key(&self.new.seal, part, &owner, &key)?;
                update.execute(params![part.as_str(), owner, anew.sealed])?;
            }
        }
        Ok(people)
    }

    /// Runs `work` without one of the schema's triggers, which stands again after it.
    fn unguarded<T>(&self, trigger: &str, work: impl FnOnce() -> Result<T, Abort>) -> Result<T, Abort> {
        let find = "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name = ?1";
        let sql: String = self.site.query_row(find, [trigger], |row| row.get(0))?;
        self.site.execute_batch(&format!("DROP TRIGGER {trigger}"))?;
        let done = work()?;
        self.site.execute_batch(&sql)?;
        Ok(done)
    }

    fn templates(&self, reprotect: &mut Reprotect<'_>) -> Result<u64, Abort> {
        let site = self.site;
        let mut page = site.prepare(
            "SELECT template_id, person_id, model, model_version, values_sealed FROM template
             WHERE template_id > ?1 ORDER BY template_id LIMIT ?2",
        )?;
        let mut key = site.prepare("SELECT key_sealed FROM keys.data_key WHERE part = ?1 AND owner = ?2")?;
        let mut update = site.prepare("UPDATE template SET values_sealed = ?2 WHERE template_id = ?1")?;
        let (mut done, mut last) = (0, i64::MIN);
        loop {
            let rows = page.query_map(params![last, PAGE], |row| {
                Ok((row.get(0)?, from_column(row, 1)?, row.get::<_, String>(2)?, row.get::<_, String>(3)?, row.get(4)?))
            })?;
            let rows: Vec<(i64, PersonId, String, String, Vec<u8>)> = rows.collect::<Result<_, _>>()?;
            let Some(newest) = rows.last() else { return Ok(done) };
            last = newest.0;
            for (id, person, model, version, sealed) in rows {
                let owner = person.to_string();
                let tampered = || self.old.tampered("template", "values_sealed", person);
                let found: Option<Vec<u8>> =
                    key.query_row([Part::Face.as_str(), &owner], |row| row.get(0)).optional()?;
                let found = found.ok_or_else(tampered)?;
                // Sealed with the new key already.
                let seal = Seal::new(&open_key(&self.new.keys_path, &self.new.seal, Part::Face, &owner, &found)?);
                let place = [owner.as_str(), &model, &version];
                let bytes = seal.open(template_place(&place), &sealed).ok_or_else(tampered)?;
                let (chunks, _) = bytes.as_chunks();
                let mut values: Zeroizing<Vec<f32>> =
                    Zeroizing::new(chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect());
                let path = || self.old.path.clone();
                reprotect(&mut values).map_err(|reason| StoreError::Reprotect { path: path(), person, reason })?;
                let bytes: Zeroizing<Vec<u8>> = Zeroizing::new(values.iter().flat_map(|v| v.to_le_bytes()).collect());
                update.execute(params![id, seal.seal(template_place(&place), &bytes)?])?;
                done += 1;
            }
        }
    }

    fn entry_log(&self) -> Result<u64, Abort> {
        let mut page = self.site.prepare(
            "SELECT append_order, event_id, who_sealed FROM entry_log WHERE append_order > ?1
             ORDER BY append_order LIMIT ?2",
        )?;
        let mut update = self.site.prepare("UPDATE entry_log SET who_sealed = ?2 WHERE append_order = ?1")?;
        let (mut done, mut last) = (0, i64::MIN);
        loop {
            let rows = page.query_map(params![last, PAGE], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            let rows: Vec<(i64, String, Vec<u8>)> = rows.collect::<Result<_, _>>()?;
            let Some(newest) = rows.last() else { return Ok(done) };
            last = newest.0;
            for (order, event, sealed) in rows {
                let place = [event.as_str()];
                let who = self.old.seal.open(who_place(&place), &sealed);
                let who = who.ok_or_else(|| self.old.tampered("entry_log", "who_sealed", &event))?;
                update.execute(params![order, self.new.seal.seal(who_place(&place), &who)?])?;
                done += 1;
            }
        }
    }

    /// Revokes what the old key signed and is still valid. Returns the numbers of passes and cards.
    fn take_back_passes(&self, now: WallTime) -> Result<(u64, u64), Abort> {
        let mut statement = self.site.prepare(
            "UPDATE pass SET revoked_at_unix_ns = ?1 WHERE revoked_at_unix_ns IS NULL AND valid_until_unix_ns > ?1
             RETURNING kind = 'card'",
        )?;
        let rows = statement.query_map([now.unix_nanos()], |row| row.get::<_, bool>(0))?;
        let are_cards: Vec<bool> = rows.collect::<Result<_, _>>()?;
        let cards = are_cards.iter().filter(|is_card| **is_card).count();
        Ok(((are_cards.len() - cards) as u64, cards as u64))
    }
}
