//! A person's consent, from the command line or a row of a table.

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use gatehouse_core::time::WallTime;
use gatehouse_store::{Consent, ConsentDraft, HowGiven};

use crate::moment;

/// The consent, without which no face is stored.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConsentArgs {
    /// Consent: the purpose, in the words of the notice
    #[arg(long)]
    pub(crate) purpose: String,
    /// Consent: the version of the notice that the person was given
    #[arg(long, value_name = "VERSION")]
    pub(crate) notice: String,
    /// Consent: how it was given
    #[arg(long, value_enum)]
    pub(crate) given: Given,
    /// Consent: its end, as a date (2027-06-30, to its end in UTC) or a time
    /// (2027-06-30T12:00:00+08:00)
    #[arg(long, value_name = "DATE")]
    pub(crate) until: String,
    /// The person is younger than 14; needs a guardian
    #[arg(long, requires = "guardian")]
    pub(crate) under_14: bool,
    /// Name of the guardian who consented for them
    #[arg(long, value_name = "NAME")]
    pub(crate) guardian: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Given {
    /// On a signed sheet
    Paper,
    /// On a screen at the desk
    Screen,
    /// Over the internet
    Online,
}

impl From<Given> for HowGiven {
    fn from(given: Given) -> Self {
        match given {
            Given::Paper => Self::Paper,
            Given::Screen => Self::Screen,
            Given::Online => Self::Online,
        }
    }
}

impl ConsentArgs {
    pub(crate) fn consent(&self, now: WallTime) -> anyhow::Result<Consent> {
        Consent::new(ConsentDraft {
            purpose: self.purpose.clone(),
            notice_version: self.notice.clone(),
            how_given: self.given.into(),
            given_at: now,
            valid_until: moment::end_of("--until", &self.until)?,
            under_14: self.under_14,
            guardian: self.guardian.clone(),
        })
        .map_err(|e| anyhow!("consent: {e}"))
    }
}
