//! Lists people, and shows their names to those who may see them.

use gatehouse_core::time::WallTime;
use gatehouse_credential::PersonId;
use rusqlite::{OptionalExtension, Transaction};
use serde_json::json;
use zeroize::Zeroizing;

use crate::actor::Actor;
use crate::audit::{Action, Record, Subject};
use crate::enrol::name_place;
use crate::error::{Abort, StoreError};
use crate::from_column::from_column;
use crate::keys::{Keys, Part};
use crate::open::{Base, Store};
use crate::seal::Seal;

/// An enrolled person in a list, without the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonSummary {
    /// Who.
    pub person: PersonId,
    /// When they were enrolled.
    pub enrolled_at: WallTime,
    /// Their face enrolment; none for someone who is enrolled for passes only.
    pub face: Option<FaceSummary>,
    /// Number of their passes that are not revoked; expired ones count too.
    pub passes: u64,
}

/// Someone's enrolment for recognition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaceSummary {
    /// When their consent ends. Ended ones are listed too: they are to be renewed or forgotten.
    pub consent_until: WallTime,
    /// True if they are younger than 14 years.
    pub under_14: bool,
    /// How many templates they have.
    pub templates: u64,
}

impl Store {
    /// Everyone enrolled, by time of enrolment, without their names.
    ///
    /// # Errors
    /// If the store can't be read.
    pub fn people(&self) -> Result<Vec<PersonSummary>, StoreError> {
        self.read("listing people", |transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT person_id, enrolled_at_unix_ns, valid_until_unix_ns, under_14,
                     (SELECT count(*) FROM template WHERE template.person_id = person.person_id),
                     (SELECT count(*) FROM pass WHERE pass.person_id = person.person_id AND revoked_at_unix_ns IS NULL)
                 FROM person LEFT JOIN consent USING (person_id) ORDER BY person_id",
            )?;
            let people = statement.query_map([], |row| {
                let face = match row.get::<_, Option<i64>>(2)? {
                    None => None,
                    Some(until) => Some(FaceSummary {
                        consent_until: WallTime::from_unix_nanos(until),
                        under_14: row.get(3)?,
                        templates: row.get::<_, i64>(4)?.unsigned_abs(),
                    }),
                };
                Ok(PersonSummary {
                    person: from_column(row, 0)?,
                    enrolled_at: WallTime::from_unix_nanos(row.get(1)?),
                    face,
                    passes: row.get::<_, i64>(5)?.unsigned_abs(),
                })
            })?;
            Ok(people.collect::<Result<_, _>>()?)
        })
    }

    /// A person's name, overwritten in memory when dropped; the audit log says who asked.
    ///
    /// # Errors
    /// If no one has that id, the stored name was altered, or the audit log can't be written.
    pub fn name_of(&self, person: PersonId, actor: &Actor, now: WallTime) -> Result<Zeroizing<String>, StoreError> {
        self.write_with_keys("reading a name", |site, keys| {
            let Some(name) = self.base.name(site, keys, person)? else {
                return Err(StoreError::NoSuchPerson { path: self.base.path.clone(), person }.into());
            };
            let subject = Some(Subject::Person(person));
            self.base.audit(site, Record { action: Action::ViewNames, subject, details: json!({}), actor, at: now })?;
            Ok(name)
        })
    }

    /// Everyone's name, by time of enrolment; the audit log says who asked, before they get them.
    ///
    /// # Errors
    /// If a stored name was altered, or the audit log can't be written.
    pub fn names(&self, actor: &Actor, now: WallTime) -> Result<Vec<(PersonId, Zeroizing<String>)>, StoreError> {
        self.write("recording a look at all names", |site| {
            let people: i64 = site.query_row("SELECT count(*) FROM person", [], |row| row.get(0))?;
            let details = json!({ "names": people });
            self.base.audit(site, Record { action: Action::ViewNames, subject: None, details, actor, at: now })
        })?;
        // Not under the write lock: no gate waits while a hundred thousand names are unsealed.
        self.read_with_keys("reading names", |site, keys| {
            let mut statement = site.prepare("SELECT person_id FROM person ORDER BY person_id")?;
            let people = statement.query_map([], |row| from_column(row, 0))?;
            let mut names = Vec::new();
            for person in people {
                let person = person?;
                names.extend(self.base.name(site, keys, person)?.map(|name| (person, name)));
            }
            Ok(names)
        })
    }
}

impl Base {
    /// A person's name; nothing if there is no such person, or if they are being forgotten.
    pub(crate) fn name(
        &self,
        site: &Transaction<'_>,
        keys: &Keys,
        person: PersonId,
    ) -> Result<Option<Zeroizing<String>>, Abort> {
        let row = person.to_string();
        let sealed: Option<Vec<u8>> = site
            .prepare_cached("SELECT name_sealed FROM person WHERE person_id = ?1")?
            .query_row([&row], |row| row.get(0))
            .optional()?;
        let Some(sealed) = sealed else { return Ok(None) };
        let Some(seal) = keys.get(&self.seal, Part::Name, &row)? else { return Ok(None) };
        let name = open_name(&seal, &row, &sealed);
        name.map(Some).ok_or_else(|| self.tampered("person", "name_sealed", person).into())
    }
}

fn open_name(seal: &Seal, row: &str, sealed: &[u8]) -> Option<Zeroizing<String>> {
    let name = seal.open(name_place(&[row]), sealed)?;
    std::str::from_utf8(&name).ok().map(|name| Zeroizing::new(name.to_owned()))
}
