//! Forgets people or their faces: keys are destroyed first, so that no backup gives them back.

use gatehouse_core::time::WallTime;
use gatehouse_credential::PersonId;
use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::json;

use crate::actor::Actor;
use crate::audit::{Action, Record, Subject};
use crate::error::{Abort, StoreError};
use crate::gallery_change;
use crate::keys::{Keys, Owner, Part};
use crate::open::{Base, Store};

/// Keys that are destroyed and whose rows are deleted: only their notes are still to be dropped.
#[derive(Default)]
pub(crate) struct Unfinished {
    pub(crate) owners: Vec<Owner>,
    /// Whose rows were deleted by finishing what a crash had left, and how many templates.
    pub(crate) people: Vec<(Part, PersonId, u64)>,
}

impl Store {
    /// Removes a person, their consent and their templates for good, and takes back their passes.
    /// Their keys are destroyed first: from then on nobody can read their name or templates, not
    /// from a backup either. All that stays is that someone withdrew at `now`, and in the audit log
    /// and the entry log a number that stands for nobody. Returns the number of templates deleted.
    ///
    /// # Errors
    /// If no one has that id, or the store can't be written. If it fails after the keys are gone,
    /// it is finished when it is called again, or when the store is next opened.
    pub fn forget(&self, person: PersonId, actor: &Actor, now: WallTime) -> Result<u64, StoreError> {
        self.remove("forgetting a person", Part::Name, person, actor, now)
    }

    /// Removes a person's consent and templates for good, as [`Store::forget`] does, but keeps the
    /// person and their passes: from now on they come in by pass only.
    ///
    /// # Errors
    /// As [`Store::forget`], and if the person is enrolled for passes only.
    pub fn withdraw_face(&self, person: PersonId, actor: &Actor, now: WallTime) -> Result<u64, StoreError> {
        self.remove("withdrawing a face", Part::Face, person, actor, now)
    }

    fn remove(
        &self,
        doing: &'static str,
        part: Part,
        person: PersonId,
        actor: &Actor,
        now: WallTime,
    ) -> Result<u64, StoreError> {
        let (templates, unfinished) = self.write_with_keys(doing, |site, keys| {
            let mut unfinished = finish_destroyed(&self.base, site, keys)?;
            let Some(templates) = remove_rows(site, part, person, now)? else {
                // A crash may have interrupted this very call before.
                let finished = unfinished.people.iter().find(|(p, who, _)| *p == part && *who == person);
                let Some((_, _, templates)) = finished else {
                    return Err(nobody(&self.base, site, person)?.into());
                };
                return Ok((*templates, unfinished));
            };
            let details = json!({ "templates": templates });
            let subject = Some(Subject::Person(person));
            self.base.audit(site, Record { action: removal_of(part), subject, details, actor, at: now })?;
            gallery_change::trim(site)?;
            let owners = owners_of(part, person);
            keys.destroy(&owners, now)?;
            unfinished.owners.extend(owners);
            Ok((templates, unfinished))
        })?;
        self.finish(&unfinished)?;
        Ok(templates)
    }
}

/// The error when a person has no face to change.
pub(crate) fn nobody(base: &Base, site: &Transaction<'_>, person: PersonId) -> Result<StoreError, Abort> {
    let path = base.path.clone();
    let sql = "SELECT 1 FROM person WHERE person_id = ?1";
    let enrolled = site.query_row(sql, [person.to_string()], |_| Ok(())).optional()?;
    Ok(match enrolled {
        Some(()) => StoreError::NoFace { path, person },
        None => StoreError::NoSuchPerson { path, person },
    })
}

fn removal_of(part: Part) -> Action {
    if part == Part::Face { Action::WithdrawFace } else { Action::Forget }
}

/// The keys that go when a person goes, or their face.
pub(crate) fn owners_of(part: Part, person: PersonId) -> Vec<Owner> {
    let owner = person.to_string();
    match part {
        Part::Face => vec![(Part::Face, owner)],
        _ => vec![(Part::Name, owner.clone()), (Part::Face, owner)],
    }
}

/// Deletes the rows whose keys are destroyed: a crash came between the two. Returns what to call
/// [`Store::finish`] with once this transaction is committed.
pub(crate) fn finish_destroyed(base: &Base, site: &Transaction<'_>, keys: &Keys) -> Result<Unfinished, Abort> {
    let actor = Actor::gatehouse();
    let mut unfinished = Unfinished::default();
    for ((part, owner), at) in keys.destroyed()? {
        match (part, owner.parse::<PersonId>()) {
            (Part::Card, _) => finish_card(base, site, &owner, at)?,
            (Part::Name | Part::Face, Ok(person)) => {
                if let Some(templates) = remove_rows(site, part, person, at)? {
                    let details = json!({ "templates": templates, "finished": "after an interruption" });
                    let subject = Some(Subject::Person(person));
                    base.audit(site, Record { action: removal_of(part), subject, details, actor: &actor, at })?;
                    unfinished.people.push((part, person, templates));
                }
            }
            // No id of ours: nobody's row can have it.
            (Part::Name | Part::Face, Err(_)) => {}
        }
        unfinished.owners.push((part, owner));
    }
    Ok(unfinished)
}

/// Takes a card back whose guardian's key is destroyed, unless its row is gone with it.
fn finish_card(base: &Base, site: &Transaction<'_>, card: &str, at: WallTime) -> Result<(), Abort> {
    forget_guardian(site, card)?;
    let sql = "UPDATE pass SET revoked_at_unix_ns = ?2 WHERE pass_id = ?1 AND revoked_at_unix_ns IS NULL";
    if site.execute(sql, params![card, at.unix_nanos()])? > 0 {
        let pass = card.parse().map_err(|_| base.tampered("pass", "pass_id", card))?;
        let (subject, actor) = (Some(Subject::Pass(pass)), Actor::gatehouse());
        let details = json!({ "finished": "after an interruption" });
        base.audit(site, Record { action: Action::RevokeCard, subject, details, actor: &actor, at })?;
    }
    Ok(())
}

/// Drops the sealed name of a card holder's guardian. Returns whether there was one.
pub(crate) fn forget_guardian(site: &Transaction<'_>, card: &str) -> rusqlite::Result<bool> {
    let sql = "UPDATE card_consent SET under_14 = 0, guardian_sealed = NULL
               WHERE pass_id = ?1 AND guardian_sealed IS NOT NULL";
    Ok(site.execute(sql, [card])? > 0)
}

/// Deletes a person with all that hangs on them, or only their consent and templates if `part` is
/// their face. Returns the number of templates; `None` if there is nothing to delete.
pub(crate) fn remove_rows(
    site: &Transaction<'_>,
    part: Part,
    person: PersonId,
    at: WallTime,
) -> rusqlite::Result<Option<u64>> {
    let row = person.to_string();
    let templates = count_templates(site, &row)?;
    let delete = if part == Part::Face {
        "DELETE FROM consent WHERE person_id = ?1"
    } else {
        // Here with the right time; the schema's own trigger knows none.
        let sql = "UPDATE pass SET person_id = NULL, revoked_at_unix_ns = coalesce(revoked_at_unix_ns, ?2)
                   WHERE person_id = ?1";
        site.prepare_cached(sql)?.execute(params![row, at.unix_nanos()])?;
        "DELETE FROM person WHERE person_id = ?1"
    };
    if site.prepare_cached(delete)?.execute([&row])? == 0 {
        return Ok(None);
    }
    if part == Part::Face {
        keep_since(site, person, at)?;
    }
    count_withdrawal(site, at)?;
    Ok(Some(templates))
}

/// Notes that someone without a face stays because they may want a pass.
pub(crate) fn keep_since(site: &Transaction<'_>, person: PersonId, at: WallTime) -> rusqlite::Result<()> {
    let sql = "UPDATE person SET kept_since_unix_ns = ?2 WHERE person_id = ?1";
    site.prepare_cached(sql)?.execute(params![person.to_string(), at.unix_nanos()]).map(drop)
}

/// Deletes a card with its consent.
pub(crate) fn remove_card(site: &Transaction<'_>, card: &str) -> rusqlite::Result<()> {
    site.prepare_cached("DELETE FROM pass WHERE pass_id = ?1")?.execute([card]).map(drop)
}

fn count_templates(site: &Transaction<'_>, row: &str) -> rusqlite::Result<u64> {
    let mut count = site.prepare_cached("SELECT count(*) FROM template WHERE person_id = ?1")?;
    count.query_row([row], |r| r.get::<_, i64>(0)).map(i64::unsigned_abs)
}

fn count_withdrawal(site: &Transaction<'_>, at: WallTime) -> rusqlite::Result<()> {
    let sql = "INSERT INTO withdrawal (withdrawn_at_unix_ns) VALUES (?1)";
    site.prepare_cached(sql)?.execute([at.unix_nanos()]).map(drop)
}
