//! How a consent stands in the store: a person's, or that of a card's holder.

use gatehouse_core::time::WallTime;
use rusqlite::{Transaction, params};

use crate::consent::Consent;
use crate::error::StoreError;
use crate::seal::{Place, Seal};

#[derive(Debug, Clone, Copy)]
pub(crate) enum ConsentOf {
    Person,
    Card,
}

impl ConsentOf {
    fn table(self) -> &'static str {
        match self {
            Self::Person => "consent",
            Self::Card => "card_consent",
        }
    }

    pub(crate) fn seal_guardian(
        self,
        seal: &Seal,
        owner: &str,
        consent: &Consent,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let row = [owner];
        let place = Place { table: self.table(), column: "guardian_sealed", row: &row };
        let guardian = consent.draft().guardian.as_deref();
        guardian.map(|name| seal.seal(place, name.as_bytes())).transpose()
    }

    /// The guardian's name, unless it was altered.
    pub(crate) fn open_guardian(self, seal: &Seal, owner: &str, sealed: &[u8]) -> Option<String> {
        let row = [owner];
        let place = Place { table: self.table(), column: "guardian_sealed", row: &row };
        String::from_utf8(seal.open(place, sealed)?.to_vec()).ok()
    }

    pub(crate) fn insert(
        self,
        site: &Transaction<'_>,
        owner: &str,
        consent: &Consent,
        guardian_sealed: Option<&[u8]>,
    ) -> rusqlite::Result<()> {
        let sql = match self {
            Self::Person => {
                "INSERT INTO consent (person_id, purpose, notice_version, how_given, given_at_unix_ns,
                     valid_until_unix_ns, under_14, guardian_sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
            }
            Self::Card => {
                "INSERT INTO card_consent (pass_id, purpose, notice_version, how_given, given_at_unix_ns,
                     valid_until_unix_ns, under_14, guardian_sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
            }
        };
        write(site, sql, owner, consent, guardian_sealed)
    }
}

pub(crate) fn replace_of_person(
    site: &Transaction<'_>,
    person: &str,
    consent: &Consent,
    guardian_sealed: Option<&[u8]>,
) -> rusqlite::Result<()> {
    let sql = "UPDATE consent SET purpose = ?2, notice_version = ?3, how_given = ?4, given_at_unix_ns = ?5,
                   valid_until_unix_ns = ?6, under_14 = ?7, guardian_sealed = ?8 WHERE person_id = ?1";
    write(site, sql, person, consent, guardian_sealed)
}

/// Runs `sql` with a consent in the order of the schema's columns, its owner first.
fn write(
    site: &Transaction<'_>,
    sql: &str,
    owner: &str,
    consent: &Consent,
    guardian_sealed: Option<&[u8]>,
) -> rusqlite::Result<()> {
    let draft = consent.draft();
    let row = params![
        owner,
        draft.purpose,
        draft.notice_version,
        draft.how_given.to_string(),
        draft.given_at.unix_nanos(),
        draft.valid_until.unix_nanos(),
        draft.under_14,
        guardian_sealed,
    ];
    site.prepare_cached(sql)?.execute(row).map(drop)
}

pub(crate) fn must_hold(consent: &Consent, now: WallTime) -> Result<(), StoreError> {
    if consent.holds_at(now) {
        return Ok(());
    }
    let (given_at, valid_until) = (consent.draft().given_at, consent.draft().valid_until);
    Err(StoreError::ConsentDoesNotHold { given_at, valid_until, now })
}
