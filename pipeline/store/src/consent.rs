//! Consents: the purpose, the notice, the period, and a guardian for children.

use std::fmt;

use gatehouse_core::time::WallTime;
use strum::{Display, EnumString};

/// How a consent was given. Written as `paper`, `screen` or `online`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString)]
#[strum(serialize_all = "lowercase")]
pub enum HowGiven {
    /// Signed on paper.
    Paper,
    /// Signed on a screen at the site.
    Screen,
    /// Given online, by the person's own account.
    Online,
}

/// A consent as the enrolling desk fills it in; [`Consent::new`] checks it.
#[derive(Clone)]
pub struct ConsentDraft {
    /// The purpose, in the words of the notice.
    pub purpose: String,
    /// Which version of the notice was shown.
    pub notice_version: String,
    /// How it was given.
    pub how_given: HowGiven,
    /// When it was given.
    pub given_at: WallTime,
    /// When it ends.
    pub valid_until: WallTime,
    /// True if the person is younger than 14 years.
    pub under_14: bool,
    /// The name of the guardian who agreed for them.
    pub guardian: Option<String>,
}

/// A checked consent. Only [`Consent::new`] makes one, and no template is stored without one.
#[derive(Clone)]
pub struct Consent(ConsentDraft);

/// Why a consent is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConsentError {
    /// A text is missing.
    #[error("a consent needs its {0}")]
    Missing(&'static str),
    /// It ends before it begins.
    #[error("a consent given at {given_at} can't end at {valid_until}: its end must be later")]
    NoDuration {
        /// When it was given.
        given_at: WallTime,
        /// When it was to end.
        valid_until: WallTime,
    },
    /// A child without a guardian.
    #[error("a person younger than 14 needs a guardian who agrees for them; none is named")]
    GuardianNeeded,
}

impl Consent {
    /// Checks that a draft names purpose and notice version, ends after it was given, and names a
    /// guardian for a person younger than 14. Removes surrounding white space from the texts.
    ///
    /// # Errors
    /// The first of these that doesn't hold.
    pub fn new(mut draft: ConsentDraft) -> Result<Self, ConsentError> {
        for (text, what) in [(&mut draft.purpose, "purpose"), (&mut draft.notice_version, "notice version")] {
            *text = text.trim().to_owned();
            if text.is_empty() {
                return Err(ConsentError::Missing(what));
            }
        }
        draft.guardian = draft.guardian.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        let (given_at, valid_until) = (draft.given_at, draft.valid_until);
        if valid_until <= given_at {
            return Err(ConsentError::NoDuration { given_at, valid_until });
        }
        if draft.under_14 && draft.guardian.is_none() {
            return Err(ConsentError::GuardianNeeded);
        }
        Ok(Self(draft))
    }

    /// The consent's fields.
    pub fn draft(&self) -> &ConsentDraft {
        &self.0
    }

    /// Whether it holds at `now`: from the moment it was given until just before its end.
    pub fn holds_at(&self, now: WallTime) -> bool {
        self.0.given_at <= now && now < self.0.valid_until
    }
}

impl fmt::Debug for ConsentDraft {
    /// Without the guardian's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsentDraft")
            .field("purpose", &self.purpose)
            .field("notice_version", &self.notice_version)
            .field("how_given", &self.how_given)
            .field("given_at", &self.given_at)
            .field("valid_until", &self.valid_until)
            .field("under_14", &self.under_14)
            .field("has_guardian", &self.guardian.is_some())
            .finish()
    }
}

impl fmt::Debug for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn noon() -> WallTime {
        WallTime::from_unix_nanos(1_790_000_000_000_000_000)
    }

    fn draft() -> ConsentDraft {
        ConsentDraft {
            purpose: "entry at the gate".to_owned(),
            notice_version: "2026-01".to_owned(),
            how_given: HowGiven::Paper,
            given_at: noon(),
            valid_until: noon() + Duration::from_secs(1),
            under_14: false,
            guardian: None,
        }
    }

    #[test]
    fn a_child_needs_a_guardian_with_a_name() {
        let child = ConsentDraft { under_14: true, ..draft() };
        assert_eq!(Consent::new(child.clone()).expect_err("alone"), ConsentError::GuardianNeeded);
        let nameless = ConsentDraft { guardian: Some("  ".to_owned()), ..child.clone() };
        assert_eq!(Consent::new(nameless).expect_err("no name"), ConsentError::GuardianNeeded);
        let named = Consent::new(ConsentDraft { guardian: Some("Zebedee Quill".to_owned()), ..child }).expect("named");
        assert!(!format!("{named:?}").contains("Zebedee"), "no name in Debug");
    }

    #[test]
    fn a_consent_has_a_purpose_a_notice_and_a_duration() {
        let blank = ConsentDraft { purpose: " ".to_owned(), ..draft() };
        assert_eq!(Consent::new(blank).expect_err("blank"), ConsentError::Missing("purpose"));
        let blank = ConsentDraft { notice_version: String::new(), ..draft() };
        assert_eq!(Consent::new(blank).expect_err("blank"), ConsentError::Missing("notice version"));
        let empty = ConsentDraft { valid_until: noon(), ..draft() };
        assert!(matches!(Consent::new(empty).expect_err("no time"), ConsentError::NoDuration { .. }));
    }

    #[test]
    fn a_consent_holds_from_its_start_until_just_before_its_end() {
        let consent = Consent::new(draft()).expect("sound");
        assert!(!consent.holds_at(noon() - Duration::from_nanos(1)));
        assert!(consent.holds_at(noon()));
        assert!(!consent.holds_at(noon() + Duration::from_secs(1)));
    }
}
