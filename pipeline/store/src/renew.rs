//! Renewing a consent: the same face, agreed to anew.

use gatehouse_core::time::WallTime;
use gatehouse_credential::PersonId;
use rusqlite::OptionalExtension;
use serde_json::json;

use crate::actor::Actor;
use crate::audit::{Action, Record, Subject};
use crate::consent::Consent;
use crate::consent_rows::{ConsentOf, must_hold, replace_of_person};
use crate::error::StoreError;
use crate::forget::nobody;
use crate::gallery_change;
use crate::keys::Part;
use crate::open::Store;

impl Store {
    /// Puts a new consent in the place of a person's old one, which ends with it, be it sooner or
    /// later than it would have. Their templates stay. Returns when the old one would have ended.
    ///
    /// # Errors
    /// If the consent doesn't hold at `now`, no one has that id, the person is enrolled for passes
    /// only or is being forgotten (then they have to enrol), or the store can't be written.
    pub fn renew_consent(
        &self,
        person: PersonId,
        consent: &Consent,
        actor: &Actor,
        now: WallTime,
    ) -> Result<WallTime, StoreError> {
        must_hold(consent, now)?;
        self.write_with_keys("renewing a consent", |site, keys| {
            let row = person.to_string();
            let before: Option<i64> = site
                .prepare_cached("SELECT valid_until_unix_ns FROM consent WHERE person_id = ?1")?
                .query_row([&row], |row| row.get(0))
                .optional()?;
            let (Some(before), Some(seal)) = (before, keys.get(&self.base.seal, Part::Face, &row)?) else {
                return Err(nobody(&self.base, site, person)?.into());
            };
            let before = WallTime::from_unix_nanos(before);
            let guardian = ConsentOf::Person.seal_guardian(&seal, &row, consent)?;
            replace_of_person(site, &row, consent, guardian.as_deref())?;
            let details = json!({
                "notice": consent.draft().notice_version, "consent_until": consent.draft().valid_until,
                "consent_until_before": before,
            });
            let subject = Some(Subject::Person(person));
            self.base.audit(site, Record { action: Action::RenewConsent, subject, details, actor, at: now })?;
            gallery_change::trim(site)?;
            Ok(before)
        })
    }
}
