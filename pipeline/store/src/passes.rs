//! QR passes, and cards that carry their holder's template: issuing, using and revoking them.

use std::time::Duration;

use gatehouse_core::time::WallTime;
use gatehouse_credential::{PassId, PersonId};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde_json::json;

use crate::actor::Actor;
use crate::audit::{Action, Record, Subject};
use crate::consent::Consent;
use crate::consent_rows::{ConsentOf, must_hold};
use crate::error::StoreError;
use crate::forget::{finish_destroyed, forget_guardian, keep_since};
use crate::from_column::from_column;
use crate::keys::{Part, seal_key};
use crate::open::Store;
use crate::seal::{Seal, new_key};

/// A pass or card to issue.
#[derive(Debug, Clone)]
pub struct NewPass {
    /// Its id, as in the QR code.
    pub id: PassId,
    /// Pass or card.
    pub kind: NewPassKind,
    /// Start of its validity.
    pub valid_from: WallTime,
    /// End of its validity; not valid from this moment on.
    pub valid_until: WallTime,
    /// Maximum number of uses; `None` is unlimited.
    pub max_uses: Option<u32>,
}

/// The kind of a new pass.
#[derive(Debug, Clone)]
pub enum NewPassKind {
    /// A pass of someone who is enrolled.
    Pass {
        /// Whose.
        person: PersonId,
    },
    /// A card with its holder's own template on it. The store keeps neither name nor template.
    Card {
        /// The holder's consent.
        consent: Consent,
    },
}

/// A pass or card in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassSummary {
    /// Its id.
    pub id: PassId,
    /// Pass or card.
    pub kind: PassKind,
    /// When it was issued.
    pub issued_at: WallTime,
    /// Start of its validity.
    pub valid_from: WallTime,
    /// End of its validity; not valid from this moment on.
    pub valid_until: WallTime,
    /// Maximum number of uses; `None` is unlimited.
    pub max_uses: Option<u32>,
    /// Number of uses so far.
    pub uses: u32,
    /// Time of the last use.
    pub last_used_at: Option<WallTime>,
    /// Time of its revocation.
    pub revoked_at: Option<WallTime>,
}

/// The kind of a stored pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassKind {
    /// A pass of a person; without an owner once that person was forgotten.
    Pass {
        /// Whose.
        person: Option<PersonId>,
    },
    /// A card.
    Card {
        /// When its holder's consent begins.
        consent_from: WallTime,
        /// When it ends.
        consent_until: WallTime,
    },
}

/// The answer to a pass that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassUse {
    /// It is valid, and this use is counted.
    Accepted {
        /// Its owner; `None` for a card.
        person: Option<PersonId>,
    },
    /// The site never issued it, or has already removed it.
    Unknown,
    /// It was revoked, or its owner was forgotten.
    Revoked,
    /// It is before its start, or before its holder's consent.
    NotYet,
    /// It is past its end, or its holder's consent has ended.
    Expired,
    /// It was used a moment ago, most likely by the same presentation.
    TooSoon,
    /// It has no uses left.
    UsedUp,
}

impl Store {
    /// Issues a pass or a card.
    ///
    /// # Errors
    /// If the id was issued before, the times or the number of uses make no sense, no one has the
    /// person's id, a card's consent doesn't hold at `now`, or the store can't be written.
    pub fn issue_pass(&self, pass: &NewPass, actor: &Actor, now: WallTime) -> Result<(), StoreError> {
        let wrong = |reason| StoreError::Pass { pass: pass.id, reason };
        if pass.valid_until <= pass.valid_from || pass.valid_until <= now {
            return Err(wrong("its end must be later than its start, and later than now"));
        }
        if pass.max_uses == Some(0) {
            return Err(wrong("it must be good for at least one use"));
        }
        let id = pass.id.to_string();
        let (mut keys_to_add, mut guardian) = (Vec::new(), None);
        if let NewPassKind::Card { consent } = &pass.kind {
            must_hold(consent, now)?;
            if consent.draft().guardian.is_some() {
                let key = new_key()?;
                guardian = ConsentOf::Card.seal_guardian(&Seal::new(&key), &id, consent)?;
                keys_to_add.push(seal_key(&self.base.seal, Part::Card, &id, &key)?);
            }
        }
        self.write_with_keys("issuing a pass", |site, keys| {
            if find(site, pass.id)?.is_some() {
                return Err(wrong("a pass with this id was issued already").into());
            }
            let (kind, person, action) = match &pass.kind {
                NewPassKind::Pass { person } => {
                    let sql = "SELECT 1 FROM person WHERE person_id = ?1";
                    let there = site.query_row(sql, [person.to_string()], |_| Ok(())).optional()?;
                    let path = || self.base.path.clone();
                    there.ok_or_else(|| StoreError::NoSuchPerson { path: path(), person: *person })?;
                    keep_since(site, *person, now)?;
                    ("pass", Some(person.to_string()), Action::IssuePass)
                }
                NewPassKind::Card { consent } => {
                    ConsentOf::Card.insert(site, &id, consent, guardian.as_deref())?;
                    ("card", None, Action::IssueCard)
                }
            };
            site.execute(
                "INSERT INTO pass (pass_id, kind, person_id, issued_at_unix_ns, valid_from_unix_ns, valid_until_unix_ns,
                     max_uses) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    id,
                    kind,
                    person,
                    now.unix_nanos(),
                    pass.valid_from.unix_nanos(),
                    pass.valid_until.unix_nanos(),
                    pass.max_uses
                ],
            )?;
            let details = json!({
                "person": person, "from": pass.valid_from, "until": pass.valid_until, "uses": pass.max_uses,
            });
            let subject = Some(Subject::Pass(pass.id));
            self.base.audit(site, Record { action, subject, details, actor, at: now })?;
            if !keys_to_add.is_empty() {
                keys.add(&keys_to_add)?;
            }
            Ok(())
        })
    }

    /// Revokes a pass or card for good, also in restored backups. Revoking a card withdraws its
    /// holder's consent and destroys the key of the guardian's name. Revoking twice is no error.
    ///
    /// # Errors
    /// If there is no such pass, or the store can't be written.
    pub fn revoke_pass(&self, id: PassId, actor: &Actor, now: WallTime) -> Result<(), StoreError> {
        let unfinished = self.write_with_keys("taking a pass back", |site, keys| {
            let mut unfinished = finish_destroyed(&self.base, site, keys)?;
            let pass =
                find(site, id)?.ok_or_else(|| StoreError::NoSuchPass { path: self.base.path.clone(), pass: id })?;
            if pass.revoked_at.is_some() {
                return Ok(unfinished);
            }
            site.execute(
                "UPDATE pass SET revoked_at_unix_ns = ?2 WHERE pass_id = ?1",
                params![id.to_string(), now.unix_nanos()],
            )?;
            let action = match pass.kind {
                PassKind::Pass { .. } => Action::RevokePass,
                PassKind::Card { .. } => Action::RevokeCard,
            };
            let subject = Some(Subject::Pass(id));
            self.base.audit(site, Record { action, subject, details: json!({}), actor, at: now })?;
            if forget_guardian(site, &id.to_string())? {
                let owner = (Part::Card, id.to_string());
                keys.destroy(std::slice::from_ref(&owner), now)?;
                unfinished.owners.push(owner);
            }
            keys.add_revocation(id, pass.valid_until, now)?;
            Ok(unfinished)
        })?;
        self.finish(&unfinished)
    }

    /// Lists all passes and cards that are still kept, by id.
    ///
    /// # Errors
    /// If the store can't be read.
    pub fn passes(&self) -> Result<Vec<PassSummary>, StoreError> {
        self.read("listing passes", |site| {
            let mut statement = site.prepare_cached(&format!("{SELECT} ORDER BY pass_id"))?;
            Ok(statement.query_map([], summary_of)?.collect::<Result<_, _>>()?)
        })
    }

    /// Uses a pass that is shown at `now`, if it is valid. Of two gates or processes only one gets
    /// the last use. `not_again_within`: a pass used less than this long ago is not used again, so
    /// that holding it up longer costs no further use.
    ///
    /// # Errors
    /// If the store can't be written; then the pass is not used.
    pub fn use_pass(&self, id: PassId, now: WallTime, not_again_within: Duration) -> Result<PassUse, StoreError> {
        self.write("using a pass", |site| {
            let used = find(site, id)?.map_or(PassUse::Unknown, |pass| pass.at(now, not_again_within));
            if let PassUse::Accepted { .. } = used {
                let sql = "UPDATE pass SET uses = uses + 1, last_used_at_unix_ns = ?2 WHERE pass_id = ?1";
                site.prepare_cached(sql)?.execute(params![id.to_string(), now.unix_nanos()])?;
            }
            Ok(used)
        })
    }

    /// The answer of [`Store::use_pass`], without using the pass: for a card whose face is not yet
    /// compared, or a pass that confirms a face.
    ///
    /// # Errors
    /// If the store can't be read.
    pub fn check_pass(&self, id: PassId, now: WallTime, not_again_within: Duration) -> Result<PassUse, StoreError> {
        self.read("checking a pass", |site| {
            Ok(find(site, id)?.map_or(PassUse::Unknown, |pass| pass.at(now, not_again_within)))
        })
    }
}

impl PassSummary {
    fn at(&self, now: WallTime, not_again_within: Duration) -> PassUse {
        let (from, until, person) = match self.kind {
            PassKind::Pass { person } => (self.valid_from, self.valid_until, person),
            PassKind::Card { consent_from, consent_until } => {
                (self.valid_from.max(consent_from), self.valid_until.min(consent_until), None)
            }
        };
        if self.revoked_at.is_some() {
            PassUse::Revoked
        } else if now < from {
            PassUse::NotYet
        } else if now >= until {
            PassUse::Expired
        } else if self.last_used_at.is_some_and(|at| at.distance(now) < not_again_within) {
            PassUse::TooSoon
        } else if self.max_uses.is_some_and(|max| self.uses >= max) {
            PassUse::UsedUp
        } else {
            PassUse::Accepted { person }
        }
    }
}

pub(crate) const SELECT: &str =
    "SELECT pass_id, kind, person_id, issued_at_unix_ns, valid_from_unix_ns, pass.valid_until_unix_ns,
     max_uses, uses, last_used_at_unix_ns, revoked_at_unix_ns, given_at_unix_ns, card_consent.valid_until_unix_ns
     FROM pass LEFT JOIN card_consent USING (pass_id)";

fn find(site: &Transaction<'_>, id: PassId) -> rusqlite::Result<Option<PassSummary>> {
    let mut statement = site.prepare_cached(&format!("{SELECT} WHERE pass_id = ?1"))?;
    statement.query_row([id.to_string()], summary_of).optional()
}

pub(crate) fn summary_of(row: &Row<'_>) -> rusqlite::Result<PassSummary> {
    let time = |index| row.get(index).map(WallTime::from_unix_nanos);
    let maybe_time = |index| row.get::<_, Option<i64>>(index).map(|at| at.map(WallTime::from_unix_nanos));
    let kind = if row.get_ref(1)?.as_str()? == "card" {
        // The schema lets no card be without a consent.
        PassKind::Card { consent_from: time(10)?, consent_until: time(11)? }
    } else {
        let person =
            if row.get_ref(2)?.data_type() == rusqlite::types::Type::Null { None } else { Some(from_column(row, 2)?) };
        PassKind::Pass { person }
    };
    Ok(PassSummary {
        id: from_column(row, 0)?,
        kind,
        issued_at: time(3)?,
        valid_from: time(4)?,
        valid_until: time(5)?,
        max_uses: row.get(6)?,
        uses: row.get(7)?,
        last_used_at: maybe_time(8)?,
        revoked_at: maybe_time(9)?,
    })
}
