//! Enrols people: for recognition, with a consent and templates, or for passes only.

use gatehouse_core::time::WallTime;
use gatehouse_credential::PersonId;
use rusqlite::{Transaction, params};
use serde_json::json;
use zeroize::Zeroizing;

use crate::actor::Actor;
use crate::audit::{Action, Record, Subject};
use crate::consent::Consent;
use crate::consent_rows::{ConsentOf, must_hold};
use crate::error::{Abort, StoreError};
use crate::gallery::Revision;
use crate::gallery_change;
use crate::keys::{NewKey, Part, seal_key};
use crate::open::{Base, Store};
use crate::seal::{Place, Seal, new_key};

/// Longest name, in characters.
const LONGEST_NAME: usize = 200;

/// Someone to enrol.
pub struct NewPerson<'a> {
    /// The name that the enrolling desk sees.
    pub name: &'a str,
    /// Recognition or passes only.
    pub enrolment: Enrolment<'a>,
}

/// Recognition, or passes only.
pub enum Enrolment<'a> {
    /// Recognition by face, with their consent. Passes may be issued to them as well.
    Face {
        /// Their consent.
        consent: Consent,
        /// Their templates, at least one.
        templates: &'a [NewTemplate<'a>],
    },
    /// Passes only: no data about their face is kept.
    PassOnly,
}

/// A protected template to store.
pub struct NewTemplate<'a> {
    /// The model that made it.
    pub model: &'a str,
    /// That model's version.
    pub model_version: &'a str,
    /// The values, finite, as the model's manifest says.
    pub values: &'a [f32],
}

/// A person as they will stand in the files.
struct Sealed<'a> {
    id: PersonId,
    row: String,
    name: Vec<u8>,
    face: Option<SealedFace<'a>>,
    keys: Vec<NewKey>,
}

struct SealedFace<'a> {
    consent: &'a Consent,
    guardian: Option<Vec<u8>>,
    templates: Vec<(&'a NewTemplate<'a>, Vec<u8>)>,
}

impl Store {
    /// Enrols someone, whole or not at all.
    ///
    /// # Errors
    /// If the consent doesn't hold at `now`, a name or template is unsound, or writing fails.
    pub fn enrol(&self, person: NewPerson<'_>, actor: &Actor, now: WallTime) -> Result<PersonId, StoreError> {
        let id = new_id(now)?;
        self.store(vec![self.base.seal_person(id, &person, now)?], None, actor, now)?;
        Ok(id)
    }

    /// As [`Store::enrol`], with an id that the caller saved, to find out after an interruption
    /// whether the person is enrolled. Refuses if the gallery has changed since `gallery`, in which
    /// the caller searched for the face. Returns the new revision.
    ///
    /// # Errors
    /// As [`Store::enrol`], if somebody has that id, and [`StoreError::GalleryChanged`].
    pub fn enrol_checked(
        &self,
        id: PersonId,
        person: NewPerson<'_>,
        checked: Revision,
        actor: &Actor,
        now: WallTime,
    ) -> Result<Revision, StoreError> {
        self.store(vec![self.base.seal_person(id, &person, now)?], Some(checked), actor, now)
    }

    /// Enrols many people, all or nobody, and returns their ids in the same order. Gates that write
    /// entries wait for it; a thousand people take well below a second.
    ///
    /// # Errors
    /// As [`Store::enrol`], with the number of the person whose enrolment is unsound.
    pub fn enrol_all(
        &self,
        people: &[NewPerson<'_>],
        actor: &Actor,
        now: WallTime,
    ) -> Result<Vec<PersonId>, StoreError> {
        let sealed = people.iter().enumerate().map(|(i, person)| {
            let sealed = new_id(now).and_then(|id| self.base.seal_person(id, person, now));
            sealed.map_err(|source| StoreError::InBatch { number: i + 1, source: Box::new(source) })
        });
        let sealed: Vec<Sealed<'_>> = sealed.collect::<Result<_, _>>()?;
        let ids = sealed.iter().map(|person| person.id).collect();
        self.store(sealed, None, actor, now)?;
        Ok(ids)
    }

    fn store(
        &self,
        people: Vec<Sealed<'_>>,
        checked: Option<Revision>,
        actor: &Actor,
        now: WallTime,
    ) -> Result<Revision, StoreError> {
        self.write_with_keys("enrolling", |site, keys| {
            if let Some(checked) = checked
                && gallery_change::revision_of(site)? != checked
            {
                return Err(StoreError::GalleryChanged { path: self.base.path.clone() }.into());
            }
            for person in &people {
                self.base.insert(site, person, actor, now)?;
            }
            gallery_change::trim(site)?;
            let revision = gallery_change::revision_of(site)?;
            // Keys are committed before rows, so no row is ever without its key.
            keys.add(&people.into_iter().flat_map(|person| person.keys).collect::<Vec<_>>())?;
            Ok(revision)
        })
    }
}

impl Base {
    fn seal_person<'a>(
        &self,
        id: PersonId,
        person: &'a NewPerson<'_>,
        now: WallTime,
    ) -> Result<Sealed<'a>, StoreError> {
        let name = person.name.trim();
        let found = name.chars().count();
        if found == 0 || found > LONGEST_NAME {
            return Err(StoreError::Name { found, longest: LONGEST_NAME });
        }
        let row = id.to_string();
        let name_key = new_key()?;
        let name = Seal::new(&name_key).seal(name_place(&[&row]), name.as_bytes())?;
        let mut keys = vec![seal_key(&self.seal, Part::Name, &row, &name_key)?];
        let face = match &person.enrolment {
            Enrolment::PassOnly => None,
            Enrolment::Face { consent, templates } => {
                must_hold(consent, now)?;
                if templates.is_empty() {
                    return Err(StoreError::NoTemplate);
                }
                templates.iter().try_for_each(check_template)?;
                let face_key = new_key()?;
                keys.push(seal_key(&self.seal, Part::Face, &row, &face_key)?);
                Some(seal_face(&Seal::new(&face_key), &row, consent, templates)?)
            }
        };
        Ok(Sealed { id, row, name, face, keys })
    }

    fn insert(&self, site: &Transaction<'_>, person: &Sealed<'_>, actor: &Actor, now: WallTime) -> Result<(), Abort> {
        let Sealed { id, row, name, face, .. } = person;
        let sql = "INSERT INTO person (person_id, name_sealed, enrolled_at_unix_ns, kept_since_unix_ns)
                   VALUES (?1, ?2, ?3, ?3)";
        site.prepare_cached(sql)?.execute(params![row, name, now.unix_nanos()])?;
        let mut details = json!({ "for": "passes only" });
        if let Some(face) = face {
            ConsentOf::Person.insert(site, row, face.consent, face.guardian.as_deref())?;
            let sql = "INSERT INTO template (person_id, model, model_version, values_sealed) VALUES (?1, ?2, ?3, ?4)";
            let mut statement = site.prepare_cached(sql)?;
            for (template, sealed) in &face.templates {
                statement.execute(params![row, template.model, template.model_version, sealed])?;
            }
            details = json!({
                "for": "face", "templates": face.templates.len(),
                "notice": face.consent.draft().notice_version, "consent_until": face.consent.draft().valid_until,
            });
        }
        let subject = Some(Subject::Person(*id));
        self.audit(site, Record { action: Action::Enrol, subject, details, actor, at: now })?;
        Ok(())
    }
}

fn seal_face<'a>(
    seal: &Seal,
    row: &str,
    consent: &'a Consent,
    templates: &'a [NewTemplate<'_>],
) -> Result<SealedFace<'a>, StoreError> {
    let guardian = ConsentOf::Person.seal_guardian(seal, row, consent)?;
    let templates = templates.iter().map(|template| {
        let bytes: Zeroizing<Vec<u8>> = Zeroizing::new(template.values.iter().flat_map(|v| v.to_le_bytes()).collect());
        let place_row = [row, template.model, template.model_version];
        Ok((template, seal.seal(template_place(&place_row), &bytes)?))
    });
    Ok(SealedFace { consent, guardian, templates: templates.collect::<Result<_, StoreError>>()? })
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

pub(crate) fn name_place<'a>(row: &'a [&'a str]) -> Place<'a> {
    Place { table: "person", column: "name_sealed", row }
}

/// The row of a template's place is person, model, version.
pub(crate) fn template_place<'a>(row: &'a [&'a str]) -> Place<'a> {
    Place { table: "template", column: "values_sealed", row }
}

fn new_id(now: WallTime) -> Result<PersonId, StoreError> {
    PersonId::generate(now).map_err(|error| StoreError::Random(error.0))
}
