//! The templates that a gate may compare with now.

use std::fmt;

use gatehouse_core::time::WallTime;
use gatehouse_credential::PersonId;
use rusqlite::{OptionalExtension, params};
use zeroize::Zeroizing;

use crate::enrol::template_place;
use crate::error::{Abort, StoreError};
use crate::gallery_change::revision_of;
use crate::keys::Part;
use crate::open::{Base, Store};
use crate::seal::Seal;

/// A state of the templates and consents, for [`Store::changed_since`] and `gallery_changes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revision(pub(crate) i64);

/// The templates of one model whose consents hold at one moment.
#[derive(Debug)]
pub struct Gallery {
    /// The state that they were read from.
    pub revision: Revision,
    /// By person, each person's in the order they were stored.
    pub templates: Vec<GalleryTemplate>,
    /// When the next consent begins that does not hold yet.
    pub next_start: Option<WallTime>,
    /// Consents that do not hold now: they have ended, or begin later.
    pub not_held: u64,
}

/// One template.
pub struct GalleryTemplate {
    /// Whose. Stays at the site: no event has a field for it.
    pub person: PersonId,
    /// The values, as they were enrolled; overwritten in memory when dropped.
    pub values: Zeroizing<Vec<f32>>,
    /// From this moment on it must not be used any more.
    pub consent_until: WallTime,
}

struct SealedRow {
    person: String,
    values: Vec<u8>,
    consent_until: WallTime,
}

impl Store {
    /// The templates of a model whose consents hold at `now`. Templates of other models or versions
    /// can't be compared with and stay out; so does someone who is being forgotten just now.
    ///
    /// # Errors
    /// If the store can't be read, or a template or a key was altered.
    pub fn gallery(&self, model: &str, model_version: &str, now: WallTime) -> Result<Gallery, StoreError> {
        self.read_with_keys("reading the gallery", |site, keys| {
            let (revision, next_start, not_held) = (revision_of(site)?, next_start(site, now)?, not_held(site, now)?);
            let mut statement = site.prepare_cached(
                "SELECT person_id, values_sealed, valid_until_unix_ns FROM template JOIN consent USING (person_id)
                 WHERE model = ?1 AND model_version = ?2 AND given_at_unix_ns <= ?3 AND ?3 < valid_until_unix_ns
                 ORDER BY person_id, template_id",
            )?;
            let rows = statement.query_map(params![model, model_version, now.unix_nanos()], |row| {
                let consent_until = WallTime::from_unix_nanos(row.get(2)?);
                Ok(SealedRow { person: row.get(0)?, values: row.get(1)?, consent_until })
            })?;
            // Both in the order of the people, so that one pass over each is enough.
            let mut rows = rows.peekable();
            let mut templates = Vec::new();
            let mut failed = None;
            keys.each(&self.base.seal, Part::Face, |owner, seal| {
                while let Some(row) =
                    rows.next_if(|row| row.as_ref().is_ok_and(|row| row.person.as_str() <= owner) || row.is_err())
                {
                    match row {
                        Ok(row) if row.person == owner => {
                            templates.push(self.base.open_template(&seal, &row, model, model_version)?);
                        }
                        // Their key is gone: they are being forgotten.
                        Ok(_) => {}
                        Err(e) => failed = Some(e),
                    }
                }
                Ok(())
            })?;
            let rest = rows.find_map(Result::err);
            match failed.or(rest) {
                Some(error) => Err(error.into()),
                None => Ok(Gallery { revision, templates, next_start, not_held }),
            }
        })
    }

    /// A person's templates of a model, whether or not their consent holds just now: to be compared
    /// with the gallery when that person gives a new consent, and with nothing else.
    ///
    /// # Errors
    /// If the store can't be read, or a template or a key was altered.
    pub fn templates_to_renew(
        &self,
        person: PersonId,
        model: &str,
        model_version: &str,
    ) -> Result<Vec<Zeroizing<Vec<f32>>>, StoreError> {
        self.read_with_keys("reading a person's templates", |site, keys| {
            let until = "SELECT valid_until_unix_ns FROM consent WHERE person_id = ?1";
            let until: Option<i64> = site.query_row(until, [person.to_string()], |row| row.get(0)).optional()?;
            // Any moment at which it held.
            let Some(until) = until else { return Ok(Vec::new()) };
            let held = WallTime::from_unix_nanos(until - 1);
            let templates = self.base.templates_of(site, keys, person, (model, model_version), held)?;
            Ok(templates.into_iter().map(|template| template.values).collect())
        })
    }
}

/// Number of consents that do not hold at `now`.
fn not_held(site: &rusqlite::Transaction<'_>, now: WallTime) -> rusqlite::Result<u64> {
    let sql = "SELECT count(*) FROM consent WHERE given_at_unix_ns > ?1 OR valid_until_unix_ns <= ?1";
    let count: i64 = site.prepare_cached(sql)?.query_row([now.unix_nanos()], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// When the next consent begins, after `now`.
pub(crate) fn next_start(site: &rusqlite::Transaction<'_>, now: WallTime) -> rusqlite::Result<Option<WallTime>> {
    let sql = "SELECT min(given_at_unix_ns) FROM consent WHERE given_at_unix_ns > ?1";
    let next: Option<i64> = site.prepare_cached(sql)?.query_row([now.unix_nanos()], |row| row.get(0))?;
    Ok(next.map(WallTime::from_unix_nanos))
}

impl Base {
    fn open_template(
        &self,
        seal: &Seal,
        row: &SealedRow,
        model: &str,
        model_version: &str,
    ) -> Result<GalleryTemplate, StoreError> {
        let opened = seal.open(template_place(&[&row.person, model, model_version]), &row.values);
        let (Some(bytes), Ok(person)) = (opened, row.person.parse()) else {
            return Err(self.tampered("template", "values_sealed", &row.person));
        };
        let (chunks, _) = bytes.as_chunks();
        let values = Zeroizing::new(chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect());
        Ok(GalleryTemplate { person, values, consent_until: row.consent_until })
    }

    /// One person's templates, if their consent holds at `now` and their key isn't destroyed.
    pub(crate) fn templates_of(
        &self,
        site: &rusqlite::Transaction<'_>,
        keys: &crate::keys::Keys,
        person: PersonId,
        (model, model_version): (&str, &str),
        now: WallTime,
    ) -> Result<Vec<GalleryTemplate>, Abort> {
        let row = person.to_string();
        let Some(seal) = keys.get(&self.seal, Part::Face, &row)? else { return Ok(Vec::new()) };
        let mut statement = site.prepare_cached(
            "SELECT values_sealed, valid_until_unix_ns FROM template JOIN consent USING (person_id)
             WHERE person_id = ?4 AND model = ?1 AND model_version = ?2
                 AND given_at_unix_ns <= ?3 AND ?3 < valid_until_unix_ns
             ORDER BY template_id",
        )?;
        let rows = statement.query_map(params![model, model_version, now.unix_nanos(), row], |found| {
            let consent_until = WallTime::from_unix_nanos(found.get(1)?);
            Ok(SealedRow { person: row.clone(), values: found.get(0)?, consent_until })
        })?;
        rows.map(|row| Ok(self.open_template(&seal, &row?, model, model_version)?)).collect()
    }
}

impl fmt::Debug for GalleryTemplate {
    /// Without the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GalleryTemplate")
            .field("person", &self.person)
            .field("consent_until", &self.consent_until)
            .finish_non_exhaustive()
    }
}
