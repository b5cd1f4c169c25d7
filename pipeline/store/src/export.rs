//! All that is stored of one person, for that person: they may ask for it.

use std::fmt;

use gatehouse_core::time::WallTime;
use gatehouse_credential::PersonId;
use rusqlite::{OptionalExtension, Row, params};
use serde_json::json;
use zeroize::Zeroizing;

use crate::actor::Actor;
use crate::audit::{Action, Record, Subject};
use crate::consent::{ConsentDraft, HowGiven};
use crate::consent_rows::ConsentOf;
use crate::entry_log::{LoggedEntry, sound_reason};
use crate::error::StoreError;
use crate::forget::nobody;
use crate::keys::Part;
use crate::open::Store;
use crate::passes::{PassSummary, SELECT, summary_of};

/// What is stored of a person. Of their face only which model's templates there are: the values
/// mean nothing outside the site, and would be a copy that no withdrawal reaches.
pub struct PersonRecord {
    /// Who.
    pub person: PersonId,
    /// The name that the enrolling desk sees.
    pub name: Zeroizing<String>,
    /// When they were enrolled.
    pub enrolled_at: WallTime,
    /// Their consent; `None` for someone who is enrolled for passes only.
    pub consent: Option<ConsentDraft>,
    /// Model and version of each template.
    pub templates: Vec<(String, String)>,
    /// Their passes, those that were taken back among them.
    pub passes: Vec<PassSummary>,
    /// When they came and went.
    pub entries: Vec<LoggedEntry>,
}

impl Store {
    /// Returns all that is stored of a person. The audit log first says who asked, and why.
    ///
    /// # Errors
    /// If no reason is given, no one has that id, something was altered, or auditing fails.
    pub fn export(
        &self,
        person: PersonId,
        reason: &str,
        actor: &Actor,
        now: WallTime,
    ) -> Result<PersonRecord, StoreError> {
        let reason = sound_reason(reason)?;
        self.write("recording an export", |site| {
            let subject = Some(Subject::Person(person));
            let details = json!({ "reason": reason });
            self.base.audit(site, Record { action: Action::Export, subject, details, actor, at: now })
        })?;
        self.read_with_keys("exporting a person", |site, keys| {
            let row = person.to_string();
            let enrolled = "SELECT enrolled_at_unix_ns FROM person WHERE person_id = ?1";
            let enrolled_at: Option<i64> = site.query_row(enrolled, [&row], |row| row.get(0)).optional()?;
            let (Some(enrolled_at), Some(name)) = (enrolled_at, self.base.name(site, keys, person)?) else {
                return Err(nobody(&self.base, site, person)?.into());
            };
            let consent = "SELECT purpose, notice_version, how_given, given_at_unix_ns, valid_until_unix_ns, under_14,
                               guardian_sealed FROM consent WHERE person_id = ?1";
            let consent = site.query_row(consent, [&row], consent_of).optional()?;
            let face = keys.get(&self.base.seal, Part::Face, &row)?;
            let consent = match (consent, face) {
                (Some((draft, None)), _) => Some(draft),
                (Some((draft, Some(sealed))), Some(seal)) => {
                    let guardian = ConsentOf::Person.open_guardian(&seal, &row, &sealed);
                    let tampered = || self.base.tampered("consent", "guardian_sealed", person);
                    Some(ConsentDraft { guardian: Some(guardian.ok_or_else(tampered)?), ..draft })
                }
                // No consent, or one that is being taken back just now.
                _ => None,
            };
            let templates = "SELECT model, model_version FROM template WHERE person_id = ?1 ORDER BY template_id";
            let mut templates = site.prepare(templates)?;
            let templates = templates.query_map([&row], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let mut passes = site.prepare(&format!("{SELECT} WHERE pass.person_id = ?1 ORDER BY pass_id"))?;
            let passes = passes.query_map([&row], summary_of)?;
            let mut entries = Vec::new();
            let mut log = site.prepare(
                "SELECT event_id, gate, direction, captured_at_unix_ns, decision, method, who_sealed FROM entry_log
                 ORDER BY captured_at_unix_ns, append_order",
            )?;
            let mut rows = log.query(params![])?;
            while let Some(row) = rows.next()? {
                let entry = self.base.logged(row)?;
                if entry.who.person == Some(person) {
                    entries.push(entry);
                }
            }
            Ok(PersonRecord {
                person,
                name,
                enrolled_at: WallTime::from_unix_nanos(enrolled_at),
                consent,
                templates: templates.collect::<Result<_, _>>()?,
                passes: passes.collect::<Result<_, _>>()?,
                entries,
            })
        })
    }
}

/// The consent, and the guardian's sealed name.
fn consent_of(row: &Row<'_>) -> rusqlite::Result<(ConsentDraft, Option<Vec<u8>>)> {
    let draft = ConsentDraft {
        purpose: row.get(0)?,
        notice_version: row.get(1)?,
        // The schema lets nothing else stand there.
        how_given: row.get_ref(2)?.as_str()?.parse().unwrap_or(HowGiven::Paper),
        given_at: WallTime::from_unix_nanos(row.get(3)?),
        valid_until: WallTime::from_unix_nanos(row.get(4)?),
        under_14: row.get(5)?,
        guardian: None,
    };
    Ok((draft, row.get(6)?))
}

impl fmt::Debug for PersonRecord {
    /// Without anything of the person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersonRecord").field("person", &self.person).finish_non_exhaustive()
    }
}
