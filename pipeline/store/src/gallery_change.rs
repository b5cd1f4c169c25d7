//! How a running node learns whose templates or consents changed, without reading everybody again.

use std::collections::BTreeMap;

use gatehouse_core::time::WallTime;
use gatehouse_credential::PersonId;
use rusqlite::{Transaction, params};

use crate::error::StoreError;
use crate::from_column::from_column;
use crate::gallery::{GalleryTemplate, Revision, next_start};
use crate::open::Store;

/// Changes kept. A node looks several times a second; one that missed more reads everybody again.
const KEPT: i64 = 10_000;

/// Changes since a gallery was read.
#[derive(Debug)]
pub enum Changes {
    /// Take out the templates of everyone in `removed` first, then put in those in `added`.
    These {
        /// The state after them.
        revision: Revision,
        /// People whose templates are gone or changed; their new ones, if any, are in `added`.
        removed: Vec<PersonId>,
        /// The templates to put in.
        added: Vec<GalleryTemplate>,
        /// When the next consent begins that does not hold yet.
        next_start: Option<WallTime>,
    },
    /// Too many, or too long ago: read the whole gallery.
    Everything,
}

impl Store {
    /// True if this process or another changed templates or consents since a gallery was read.
    /// Cheap enough to ask several times a second. Entries in the outbox, and consents that end by
    /// themselves ([`GalleryTemplate::consent_until`]), do not count.
    ///
    /// # Errors
    /// If the store can't be read.
    pub fn changed_since(&self, revision: Revision) -> Result<bool, StoreError> {
        self.read("looking for changes", |site| Ok(revision_of(site)? != revision))
    }

    /// Changes in a model's gallery since then, as [`Store::gallery`] would show it at `now`.
    ///
    /// # Errors
    /// If the store can't be read, or a template or a key was altered.
    pub fn gallery_changes(
        &self,
        since: Revision,
        model: &str,
        model_version: &str,
        now: WallTime,
    ) -> Result<Changes, StoreError> {
        self.read_with_keys("reading the gallery's changes", |site, keys| {
            let (revision, next_start) = (revision_of(site)?, next_start(site, now)?);
            let mut statement = site
                .prepare_cached("SELECT person_id, added FROM gallery_change WHERE revision > ?1 ORDER BY revision")?;
            let rows = statement.query_map([since.0], |row| Ok((from_column(row, 0)?, row.get(1)?)))?;
            let changes: Vec<(PersonId, bool)> = rows.collect::<Result<_, _>>()?;
            if i64::try_from(changes.len()).ok() != revision.0.checked_sub(since.0) {
                return Ok(Changes::Everything);
            }
            // Per person: how many templates were added, and whether that is all that happened.
            let mut people = BTreeMap::<PersonId, (i64, bool)>::new();
            for (person, added) in changes {
                let (count, only_added) = people.entry(person).or_insert((0, true));
                *count += i64::from(added);
                *only_added &= added;
            }
            let (mut removed, mut all_added) = (Vec::new(), Vec::new());
            for (person, (count, only_added)) in people {
                let sql = "SELECT count(*) FROM template WHERE person_id = ?1";
                let there: i64 = site.prepare_cached(sql)?.query_row([person.to_string()], |row| row.get(0))?;
                if !only_added || there != count {
                    removed.push(person);
                }
                all_added.extend(self.base.templates_of(site, keys, person, (model, model_version), now)?);
            }
            Ok(Changes::These { revision, removed, added: all_added, next_start })
        })
    }
}

pub(crate) fn revision_of(site: &Transaction<'_>) -> rusqlite::Result<Revision> {
    site.prepare_cached("SELECT gallery_revision FROM meta")?.query_row([], |row| row.get(0)).map(Revision)
}

/// Drops the oldest changes beyond those that are kept.
pub(crate) fn trim(site: &Transaction<'_>) -> rusqlite::Result<()> {
    let oldest = revision_of(site)?.0 - KEPT;
    site.prepare_cached("DELETE FROM gallery_change WHERE revision <= ?1")?.execute(params![oldest]).map(drop)
}
