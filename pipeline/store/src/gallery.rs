//! The templates that a gate may compare with now, and how a running node learns that they changed.

use std::fmt;

use gatehouse_core::time::WallTime;
use rusqlite::params;
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::open::Store;
use crate::people::{PersonId, template_place};

/// A state of the templates and consents. Only good for being compared, by [`Store::changed_since`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revision(i64);

/// The templates of one model whose consents hold at one moment.
#[derive(Debug)]
pub struct Gallery {
    /// The state that they were read from.
    pub revision: Revision,
    /// By person, each person's in the order they were stored.
    pub templates: Vec<GalleryTemplate>,
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

impl Store {
    /// The templates of a model whose consents hold at `now`. Templates of other models or versions can't be compared
    /// with and stay out.
    ///
    /// # Errors
    /// If the store can't be read, or a template was altered.
    pub fn gallery(&self, model: &str, model_version: &str, now: WallTime) -> Result<Gallery, StoreError> {
        self.read("reading the gallery", |transaction| {
            let revision = transaction.query_row(SELECT_REVISION, [], |row| row.get(0))?;
            let mut statement = transaction.prepare_cached(
                "SELECT person_id, values_sealed, valid_until_unix_ns FROM template JOIN consent USING (person_id)
                 WHERE model = ?1 AND model_version = ?2 AND given_at_unix_ns <= ?3 AND ?3 < valid_until_unix_ns
                 ORDER BY person_id, template_id",
            )?;
            let mut rows = statement.query(params![model, model_version, now.unix_nanos()])?;
            let mut templates = Vec::new();
            while let Some(row) = rows.next()? {
                let person = PersonId::from_column(row, 0)?;
                let sealed: Vec<u8> = row.get(1)?;
                let place_row = [&person.to_string(), model, model_version];
                let Some(bytes) = self.unsealer().open(template_place(&place_row), &sealed) else {
                    let path = self.path().to_owned();
                    return Err(
                        StoreError::Tampered { path, table: "template", column: "values_sealed", row: person }.into()
                    );
                };
                let values = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                templates.push(GalleryTemplate {
                    person,
                    values: Zeroizing::new(values.collect()),
                    consent_until: WallTime::from_unix_nanos(row.get(2)?),
                });
            }
            Ok(Gallery { revision: Revision(revision), templates })
        })
    }

    /// Whether templates or consents changed since a gallery was read, by this process or another. Cheap enough to ask
    /// several times a second; entries going through the outbox don't count as a change.
    ///
    /// A consent that ends by itself changes nothing here: see [`GalleryTemplate::consent_until`].
    ///
    /// # Errors
    /// If the store can't be read.
    pub fn changed_since(&self, revision: Revision) -> Result<bool, StoreError> {
        self.read("looking for changes", |transaction| {
            let now: i64 = transaction.prepare_cached(SELECT_REVISION)?.query_row([], |row| row.get(0))?;
            Ok(now != revision.0)
        })
    }
}

const SELECT_REVISION: &str = "SELECT gallery_revision FROM meta";

impl fmt::Debug for GalleryTemplate {
    /// Without the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GalleryTemplate")
            .field("person", &self.person)
            .field("consent_until", &self.consent_until)
            .finish_non_exhaustive()
    }
}
