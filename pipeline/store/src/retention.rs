//! Retention: deletes every kind of record when its time is over.

use std::time::Duration;

use gatehouse_core::time::WallTime;
use gatehouse_credential::PersonId;
use rusqlite::{Transaction, params};
use serde_json::json;

use crate::actor::Actor;
use crate::audit::{ANCHOR, Action, AuditHead, Record, Subject};
use crate::audit_verify::AuditFault;
use crate::error::{Abort, StoreError};
use crate::forget::{finish_destroyed, owners_of, remove_card, remove_rows};
use crate::from_column::from_column;
use crate::gallery_change;
use crate::keys::{Owner, Part};
use crate::open::{Base, Store};
use crate::outbox;

/// How long each kind of record is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Entries in the outbox, after their capture, once the bus has them.
    pub outbox: Duration,
    /// Entries in the site's own log, after their capture.
    pub entry_log: Duration,
    /// Templates and consents, after the consent's end; people too, unless a pass is still good.
    pub ended_consents: Duration,
    /// Passes and cards, after their end or revocation; and then people with neither face nor pass.
    pub ended_passes: Duration,
    /// Rows of the audit log.
    pub audit: Duration,
}

/// Numbers of removed records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Entries from the outbox.
    pub outbox: u64,
    /// Entries from the site's own log.
    pub entry_log: u64,
    /// People, their keys destroyed.
    pub people: u64,
    /// Faces of people who stay because of their passes, their keys destroyed.
    pub faces: u64,
    /// Passes and cards.
    pub passes: u64,
    /// Rows from the front of the audit log.
    pub audit: u64,
    /// Why no row of the audit log was removed although some are old enough: they don't verify, and
    /// removing them would hide that.
    pub audit_fault: Option<AuditFault>,
}

impl Store {
    /// Removes records past their retention, all or nothing; the audit log records a removal.
    ///
    /// # Errors
    /// If the store can't be written.
    pub fn apply_retention(&self, keep: &Retention, actor: &Actor, now: WallTime) -> Result<Applied, StoreError> {
        let (applied, unfinished) = self.write_with_keys("removing old records", |site, keys| {
            let mut unfinished = finish_destroyed(&self.base, site, keys)?;
            let mut applied = Applied {
                outbox: outbox::prune(site, now - keep.outbox)? as u64,
                entry_log: site.execute(
                    "DELETE FROM entry_log WHERE captured_at_unix_ns < ?1",
                    [(now - keep.entry_log).unix_nanos()],
                )? as u64,
                ..Applied::default()
            };
            let mut gone = self.base.expire(site, now - keep.ended_consents, actor, now, &mut applied)?;
            gone.extend(self.base.remove_ended_passes(site, now - keep.ended_passes, actor, now, &mut applied)?);
            self.base.shorten_audit(site, now - keep.audit, &mut applied)?;

            if applied != (Applied { audit_fault: applied.audit_fault, ..Applied::default() }) {
                let details = json!({
                    "outbox": applied.outbox, "entry_log": applied.entry_log, "people": applied.people,
                    "faces": applied.faces, "passes": applied.passes, "audit": applied.audit,
                });
                self.base.audit(site, Record { action: Action::Retention, subject: None, details, actor, at: now })?;
            }
            gallery_change::trim(site)?;
            keys.prune_revocations(now)?;
            if !gone.is_empty() {
                keys.destroy(&gone, now)?;
            }
            unfinished.owners.extend(gone);
            Ok((applied, unfinished))
        })?;
        self.finish(&unfinished)?;
        Ok(applied)
    }
}

impl Base {
    /// Removes faces whose consent ended before `cutoff`, and their owners without a good pass.
    fn expire(
        &self,
        site: &Transaction<'_>,
        cutoff: WallTime,
        actor: &Actor,
        now: WallTime,
        applied: &mut Applied,
    ) -> Result<Vec<Owner>, Abort> {
        let mut statement = site.prepare_cached(
            "SELECT person_id, EXISTS (SELECT 1 FROM pass WHERE pass.person_id = consent.person_id
                 AND revoked_at_unix_ns IS NULL AND pass.valid_until_unix_ns > ?2
                 AND (max_uses IS NULL OR uses < max_uses))
             FROM consent WHERE valid_until_unix_ns < ?1",
        )?;
        let rows = statement.query_map(params![cutoff.unix_nanos(), now.unix_nanos()], |row| {
            Ok((from_column::<PersonId>(row, 0)?, row.get::<_, bool>(1)?))
        })?;
        let ended: Vec<_> = rows.collect::<Result<_, _>>()?;
        let mut gone = Vec::new();
        for (person, has_pass) in ended {
            let part = if has_pass { Part::Face } else { Part::Name };
            let templates = remove_rows(site, part, person, now)?;
            *(if has_pass { &mut applied.faces } else { &mut applied.people }) += 1;
            let details = json!({ "templates": templates, "reason": "consent ended", "kept_for_passes": has_pass });
            let subject = Some(Subject::Person(person));
            self.audit(site, Record { action: Action::Expire, subject, details, actor, at: now })?;
            gone.extend(owners_of(part, person));
        }
        Ok(gone)
    }

    /// Removes passes and cards that ended before `cutoff`, then people whom nothing keeps.
    fn remove_ended_passes(
        &self,
        site: &Transaction<'_>,
        cutoff: WallTime,
        actor: &Actor,
        now: WallTime,
        applied: &mut Applied,
    ) -> Result<Vec<Owner>, Abort> {
        let mut statement = site.prepare_cached(
            "SELECT pass_id, guardian_sealed IS NOT NULL FROM pass LEFT JOIN card_consent USING (pass_id)
             WHERE pass.valid_until_unix_ns < ?1 OR revoked_at_unix_ns < ?1 OR card_consent.valid_until_unix_ns < ?1",
        )?;
        let rows = statement.query_map([cutoff.unix_nanos()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let ended: Vec<(String, bool)> = rows.collect::<Result<_, _>>()?;
        let mut gone = Vec::new();
        for (pass, has_key) in ended {
            remove_card(site, &pass)?;
            applied.passes += 1;
            if has_key {
                gone.push((Part::Card, pass));
            }
        }
        let mut statement = site.prepare_cached(
            "SELECT person_id FROM person WHERE kept_since_unix_ns < ?1
                 AND NOT EXISTS (SELECT 1 FROM consent WHERE consent.person_id = person.person_id)
                 AND NOT EXISTS (SELECT 1 FROM pass WHERE pass.person_id = person.person_id)",
        )?;
        let rows = statement.query_map([cutoff.unix_nanos()], |row| from_column::<PersonId>(row, 0))?;
        for person in rows.collect::<Result<Vec<_>, _>>()? {
            remove_rows(site, Part::Name, person, now)?;
            applied.people += 1;
            let details = json!({ "reason": "neither face nor pass" });
            let subject = Some(Subject::Person(person));
            self.audit(site, Record { action: Action::Expire, subject, details, actor, at: now })?;
            gone.extend(owners_of(Part::Name, person));
        }
        Ok(gone)
    }

    /// Removes audit rows before `cutoff` from the front of the log, and notes its new start.
    fn shorten_audit(&self, site: &Transaction<'_>, cutoff: WallTime, applied: &mut Applied) -> Result<(), Abort> {
        let until: Option<i64> = site.query_row(
            "SELECT coalesce((SELECT min(sequence) - 1 FROM audit_log WHERE at_unix_ns >= ?1),
                 (SELECT max(sequence) FROM audit_log))",
            [cutoff.unix_nanos()],
            |row| row.get(0),
        )?;
        let until = until.unwrap_or(0).unsigned_abs();
        match self.sound_until(site, until) {
            Ok((anchor, last)) if last.sequence > anchor.sequence => {
                site.execute(
                    "UPDATE meta SET audit_anchor_sealed = ?1, audit_removed_until = ?2",
                    params![self.seal_mark(ANCHOR, &last)?, last.sequence.cast_signed()],
                )?;
                let sql = "DELETE FROM audit_log WHERE sequence <= ?1";
                applied.audit = site.execute(sql, [last.sequence.cast_signed()])? as u64;
                // And the keys that no row needs any more.
                site.execute("DELETE FROM audit_key WHERE last_sequence <= ?1", [last.sequence.cast_signed()])?;
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(Abort::Rule(StoreError::Audit { fault, .. })) => {
                applied.audit_fault = Some(fault);
                Ok(())
            }
            Err(other) => Err(other),
        }
    }

    /// The log's start, and row `until` or the last before it, if all up to there verify.
    fn sound_until(&self, site: &Transaction<'_>, until: u64) -> Result<(AuditHead, AuditHead), Abort> {
        let anchor = self.audit_anchor(site)?;
        let newest = self.audit_head(site)?.sequence;
        Ok((anchor, self.walk(site, anchor, until, newest, |_| {})?))
    }
}
