//! Enrolling and forgetting people.

use std::fmt;
use std::str::FromStr;

use gatehouse_core::time::WallTime;
use rusqlite::{OptionalExtension, Row, params};
use ulid::Ulid;
use zeroize::Zeroizing;

use crate::consent::Consent;
use crate::error::{Abort, StoreError};
use crate::key::random_bytes;
use crate::open::Store;
use crate::seal::Place;

/// Longest name, in characters.
const LONGEST_NAME: usize = 200;

/// Names an enrolled person without saying who they are. A ULID: sorts by the time of enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PersonId(Ulid);

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PersonId {
    type Err = ulid::DecodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl PersonId {
    /// The id as a number, for use inside the node.
    pub fn as_u128(self) -> u128 {
        self.0.into()
    }

    /// Reads an id that this crate wrote into column `index`.
    pub(crate) fn from_column(row: &Row<'_>, index: usize) -> rusqlite::Result<Self> {
        let text: String = row.get(index)?;
        text.parse().map_err(|e: ulid::DecodeError| {
            rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, Box::new(e))
        })
    }
}

/// Someone to enrol.
pub struct NewPerson<'a> {
    /// The name that the enrolling desk sees.
    pub name: &'a str,
    /// What they agreed to.
    pub consent: Consent,
    /// Their templates; none for someone who uses a pass only.
    pub templates: &'a [NewTemplate<'a>],
}

/// A template to store.
pub struct NewTemplate<'a> {
    /// The model that made it.
    pub model: &'a str,
    /// That model's version.
    pub model_version: &'a str,
    /// The values, finite, as the model's manifest says.
    pub values: &'a [f32],
}

/// An enrolled person in a list, without the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonSummary {
    /// Who.
    pub person: PersonId,
    /// When they were enrolled.
    pub enrolled_at: WallTime,
    /// When their consent ends; past ones are listed too, since they still have to be renewed or forgotten.
    pub consent_until: WallTime,
    /// Whether they are younger than 14 years.
    pub under_14: bool,
    /// How many templates they have.
    pub templates: u64,
}

/// How many people and templates a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Enrolled people, those with an ended consent included.
    pub people: u64,
    /// Their templates.
    pub templates: u64,
    /// People who withdrew since the store was made.
    pub withdrawn: u64,
}

/// What [`Store::forget`] removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forgotten {
    /// Templates deleted.
    pub templates: u64,
}

impl Store {
    /// Enrols someone, whole or not at all.
    ///
    /// # Errors
    /// If the consent doesn't hold at `now`, a name or template is no sound one, or the store can't be written.
    pub fn enrol(&self, person: NewPerson<'_>, now: WallTime) -> Result<PersonId, StoreError> {
        let consent = person.consent.draft();
        if !person.consent.holds_at(now) {
            let (given_at, valid_until) = (consent.given_at, consent.valid_until);
            return Err(StoreError::ConsentDoesNotHold { given_at, valid_until, now });
        }
        let name = person.name.trim();
        let found = name.chars().count();
        if found == 0 || found > LONGEST_NAME {
            return Err(StoreError::Name { found, longest: LONGEST_NAME });
        }
        person.templates.iter().try_for_each(check_template)?;

        let id = new_id(now)?;
        let row = id.to_string();
        let name = self.seal(name_place(&[&row]), name.as_bytes())?;
        let guardian = consent.guardian.as_deref();
        let guardian = guardian.map(|name| self.seal(guardian_place(&[&row]), name.as_bytes())).transpose()?;
        let mut templates = Vec::with_capacity(person.templates.len());
        for template in person.templates {
            let bytes: Zeroizing<Vec<u8>> =
                Zeroizing::new(template.values.iter().flat_map(|v| v.to_le_bytes()).collect());
            let sealed = self.seal(template_place(&[&row, template.model, template.model_version]), &bytes)?;
            templates.push((template.model, template.model_version, sealed));
        }

        self.write("enrolling a person", |transaction| {
            transaction.execute(
                "INSERT INTO person (person_id, name_sealed, enrolled_at_unix_ns) VALUES (?1, ?2, ?3)",
                params![row, name, now.unix_nanos()],
            )?;
            transaction.execute(
                "INSERT INTO consent (person_id, purpose, notice_version, how_given, given_at_unix_ns,
                     valid_until_unix_ns, under_14, guardian_sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    row,
                    consent.purpose,
                    consent.notice_version,
                    consent.how_given.as_str(),
                    consent.given_at.unix_nanos(),
                    consent.valid_until.unix_nanos(),
                    consent.under_14,
                    guardian,
                ],
            )?;
            for (model, version, sealed) in &templates {
                transaction.execute(
                    "INSERT INTO template (person_id, model, model_version, values_sealed) VALUES (?1, ?2, ?3, ?4)",
                    params![row, model, version, sealed],
                )?;
            }
            Ok(())
        })?;
        Ok(id)
    }

    /// Removes a person, their consent and their templates for good. All that stays is that someone withdrew at `now`.
    ///
    /// # Errors
    /// If no one has that id, or the store can't be written.
    pub fn forget(&self, person: PersonId, now: WallTime) -> Result<Forgotten, StoreError> {
        let row = person.to_string();
        let forgotten = self.write("forgetting a person", |transaction| {
            let templates: i64 =
                transaction.query_row("SELECT count(*) FROM template WHERE person_id = ?1", [&row], |r| r.get(0))?;
            if transaction.execute("DELETE FROM person WHERE person_id = ?1", [&row])? == 0 {
                return Err(StoreError::NoSuchPerson { path: self.path().to_owned(), person }.into());
            }
            transaction.execute("INSERT INTO withdrawal (withdrawn_at_unix_ns) VALUES (?1)", [now.unix_nanos()])?;
            Ok(Forgotten { templates: templates.unsigned_abs() })
        })?;
        self.empty_journal()?;
        Ok(forgotten)
    }

    /// Everyone enrolled, by time of enrolment, without their names.
    ///
    /// # Errors
    /// If the store can't be read.
    pub fn people(&self) -> Result<Vec<PersonSummary>, StoreError> {
        self.read("listing people", |transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT person_id, enrolled_at_unix_ns, valid_until_unix_ns, under_14,
                     (SELECT count(*) FROM template WHERE template.person_id = person.person_id)
                 FROM person JOIN consent USING (person_id) ORDER BY person_id",
            )?;
            let people = statement.query_map([], |row| {
                Ok(PersonSummary {
                    person: PersonId::from_column(row, 0)?,
                    enrolled_at: WallTime::from_unix_nanos(row.get(1)?),
                    consent_until: WallTime::from_unix_nanos(row.get(2)?),
                    under_14: row.get(3)?,
                    templates: row.get::<_, i64>(4)?.unsigned_abs(),
                })
            })?;
            Ok(people.collect::<Result<_, _>>()?)
        })
    }

    /// A person's name, for someone at the enrolling desk who asks for it. Overwritten in memory when dropped.
    ///
    /// # Errors
    /// If no one has that id, or the stored name was altered.
    pub fn name_of(&self, person: PersonId) -> Result<Zeroizing<String>, StoreError> {
        let row = person.to_string();
        let tampered = || StoreError::Tampered {
            path: self.path().to_owned(),
            table: "person",
            column: "name_sealed",
            row: person,
        };
        self.read("reading a name", |transaction| {
            let sealed: Option<Vec<u8>> = transaction
                .query_row("SELECT name_sealed FROM person WHERE person_id = ?1", [&row], |row| row.get(0))
                .optional()?;
            let Some(sealed) = sealed else {
                return Err(StoreError::NoSuchPerson { path: self.path().to_owned(), person }.into());
            };
            let name = self.unsealer().open(name_place(&[&row]), &sealed).ok_or_else(tampered)?;
            let name = std::str::from_utf8(&name).map_err(|_| tampered())?;
            Ok(Zeroizing::new(name.to_owned()))
        })
    }

    /// How many people and templates there are: some laws tie duties to these numbers.
    ///
    /// # Errors
    /// If the store can't be read.
    pub fn count(&self) -> Result<Counts, StoreError> {
        self.read("counting people", |transaction| {
            let count = |sql| -> Result<u64, Abort> {
                Ok(transaction.query_row(sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs())
            };
            Ok(Counts {
                people: count("SELECT count(*) FROM person")?,
                templates: count("SELECT count(*) FROM template")?,
                withdrawn: count("SELECT count(*) FROM withdrawal")?,
            })
        })
    }
}

fn check_template(template: &NewTemplate<'_>) -> Result<(), StoreError> {
    let reason = if template.model.is_empty() || template.model_version.is_empty() {
        "its model and that model's version must be named"
    } else if template.values.is_empty() {
        "it has no values"
    } else if !template.values.iter().all(|v| v.is_finite()) {
        "a value is not a finite number"
    } else {
        return Ok(());
    };
    let (model, version) = (template.model.to_owned(), template.model_version.to_owned());
    Err(StoreError::Template { model, version, reason })
}

fn new_id(now: WallTime) -> Result<PersonId, StoreError> {
    let mut random = [0; 16];
    random_bytes(&mut random).map_err(StoreError::Random)?;
    let millis = u64::try_from(now.unix_millis()).unwrap_or(0);
    Ok(PersonId(Ulid::from_parts(millis, u128::from_le_bytes(random))))
}

fn name_place<'a>(row: &'a [&'a str]) -> Place<'a> {
    Place { table: "person", column: "name_sealed", row }
}

fn guardian_place<'a>(row: &'a [&'a str]) -> Place<'a> {
    Place { table: "consent", column: "guardian_sealed", row }
}

/// The row of a template's place is person, model, version.
pub(crate) fn template_place<'a>(row: &'a [&'a str]) -> Place<'a> {
    Place { table: "template", column: "values_sealed", row }
}
