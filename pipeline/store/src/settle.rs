//! Reconciles store and keys on opening: a crash or an operator may have left them apart.

use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::json;

use crate::actor::Actor;
use crate::audit::{Action, Record, Subject};
use crate::error::{Abort, StoreError};
use crate::keys::{Keys, Owner, Part};
use crate::open::Base;

/// Opens the keys of the store, or makes the file if nobody needs a key yet.
pub(crate) fn keys_of(base: &Base, site: &Transaction<'_>) -> Result<Keys, Abort> {
    match find_keys(base, site)? {
        Some(keys) => Ok(keys),
        None => Ok(Keys::make(&base.keys_path, &base.seal, &store_id(site)?)?),
    }
}

/// Opens the keys of the store; `None` if there is no such file, and nobody needs a key.
pub(crate) fn find_keys(base: &Base, site: &Transaction<'_>) -> Result<Option<Keys>, Abort> {
    if let Some(keys) = Keys::open(&base.keys_path, &base.seal, &store_id(site)?)? {
        return Ok(Some(keys));
    }
    // People, and cards with a guardian, can't be read without a key.
    let sql = "SELECT (SELECT count(*) FROM person)
                   + (SELECT count(*) FROM card_consent WHERE guardian_sealed IS NOT NULL)";
    let people = site.query_row(sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs();
    if people > 0 {
        let (path, store) = (base.keys_path.clone(), base.path.clone());
        return Err(StoreError::KeysMissing { path, store, people }.into());
    }
    Ok(None)
}

fn store_id(site: &Transaction<'_>) -> rusqlite::Result<Vec<u8>> {
    site.query_row("SELECT store_id FROM meta", [], |row| row.get(0))
}

/// Removes keys whose rows were never written, and repeats the keys file's revocations. Fails if
/// somebody has a row but no key, and nobody destroyed it.
pub(crate) fn settle(base: &Base, site: &Transaction<'_>, keys: &Keys) -> Result<(), Abort> {
    let Compared { without_key, orphans } = compare(site, keys)?;
    if !without_key.is_empty() {
        let (path, store, missing) = (base.keys_path.clone(), base.path.clone(), without_key.len() as u64);
        return Err(StoreError::KeysOlder { path, store, missing }.into());
    }
    revoke_again(base, site, keys)?;
    if !orphans.is_empty() {
        keys.remove(&orphans)?;
    }
    Ok(())
}

pub(crate) struct Compared {
    pub(crate) without_key: Vec<Owner>,
    /// Owners of keys that have no row.
    pub(crate) orphans: Vec<Owner>,
}

pub(crate) fn compare(site: &Transaction<'_>, keys: &Keys) -> Result<Compared, Abort> {
    let mut compared = Compared { without_key: Vec::new(), orphans: Vec::new() };
    for part in Part::ALL {
        let sql = match part {
            Part::Name => "SELECT person_id FROM person ORDER BY 1",
            Part::Face => "SELECT person_id FROM consent ORDER BY 1",
            Part::Card => "SELECT pass_id FROM card_consent WHERE guardian_sealed IS NOT NULL ORDER BY 1",
        };
        let mut statement = site.prepare(sql)?;
        let mut rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        let mut row = rows.next().transpose()?;
        for key in keys.owners(part)? {
            while let Some(owner) = row.take_if(|owner| *owner < key) {
                compared.without_key.push((part, owner));
                row = rows.next().transpose()?;
            }
            if row.as_ref() == Some(&key) {
                row = rows.next().transpose()?;
            } else {
                compared.orphans.push((part, key));
            }
        }
        while let Some(owner) = row {
            compared.without_key.push((part, owner));
            row = rows.next().transpose()?;
        }
    }
    Ok(compared)
}

/// Revokes the passes of the keys file again: a crash or a backup may have left them good.
pub(crate) fn revoke_again(base: &Base, site: &Transaction<'_>, keys: &Keys) -> Result<u64, Abort> {
    let actor = Actor::gatehouse();
    let mut revoked = 0;
    for (pass, at) in keys.revocations()? {
        let sql = "UPDATE pass SET revoked_at_unix_ns = ?2 WHERE pass_id = ?1 AND revoked_at_unix_ns IS NULL
                   RETURNING kind = 'card'";
        let mut statement = site.prepare_cached(sql)?;
        let is_card = statement.query_row(params![pass.to_string(), at.unix_nanos()], |row| row.get(0)).optional()?;
        let Some(is_card) = is_card else { continue };
        let action = if is_card { Action::RevokeCard } else { Action::RevokePass };
        let details = json!({ "finished": "after an interruption or a restored backup" });
        base.audit(site, Record { action, subject: Some(Subject::Pass(pass)), details, actor: &actor, at })?;
        revoked += 1;
    }
    Ok(revoked)
}
