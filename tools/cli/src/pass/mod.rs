//! `gatehouse pass`: QR passes and cards, the alternative to a face in the site's own records.

mod card;
mod files;
mod issue;

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Subcommand;
use gatehouse_config::Site;
use gatehouse_core::key::SiteKey;
use gatehouse_core::time::{Clock, SystemClock, WallTime};
use gatehouse_credential::{PassId, UnixSeconds};
use gatehouse_store::{PassKind, PassSummary};
use gatehouse_terminal::{Exit, Failure, print};

use crate::actor::Role;
use crate::{check, people};

/// Issue, list and revoke QR passes and cards
///
/// A pass admits its owner without face recognition, at the same gate and the same camera. A card
/// carries its owner's own face template, encrypted: the gate compares the face with the card, and
/// the site stores no template.
#[derive(Debug, Subcommand)]
pub(crate) enum PassCommand {
    Issue(issue::IssueArgs),
    Card(card::CardArgs),
    /// Revoke a pass or a card; a running gate refuses it from then on
    Revoke {
        /// The site file
        site: PathBuf,
        /// The pass's number, as `gatehouse pass list` shows it
        pass: String,
        #[command(flatten)]
        role: Role,
    },
    /// List passes and cards
    List {
        /// The site file
        site: PathBuf,
    },
}

impl PassCommand {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Issue(args) => issue::issue(args),
            Self::Card(args) => card::card(args),
            Self::Revoke { site, pass, role } => revoke(site, pass, role),
            Self::List { site } => list(site),
        }
    }
}

fn revoke(site: &Path, pass: &str, role: &Role) -> Result<(), Failure> {
    let id: PassId = pass
        .parse()
        .map_err(|e| Failure::message(Exit::Input, format!("{pass}: {e}; `gatehouse pass list` lists the numbers")))?;
    people::open(&check::load(site)?)?.revoke_pass(id, &role.actor()?, SystemClock::new().wall())?;
    print::line(&format!("revoked: {id}"))
}

fn list(site: &Path) -> Result<(), Failure> {
    let now = SystemClock::new().wall();
    for pass in people::open(&check::load(site)?)?.passes()? {
        print::line(&text(&pass, now))?;
    }
    Ok(())
}

fn site_key(site: &Site) -> String {
    SiteKey::new(&site.site.area, &site.site.id).to_string()
}

/// A time in whole seconds, as a code carries it.
fn seconds(option: &str, at: WallTime) -> Result<UnixSeconds, Failure> {
    UnixSeconds::of(at)
        .ok_or_else(|| Failure::input(anyhow!("{option}: a code can carry times from 1970 until 2106, not {at}")))
}

fn text(pass: &PassSummary, now: WallTime) -> String {
    let kind = match pass.kind {
        PassKind::Pass { person: Some(person) } => format!("pass of {person}"),
        PassKind::Pass { person: None } => "pass of a deleted person".to_owned(),
        PassKind::Card { .. } => "card".to_owned(),
    };
    let state = match (pass.revoked_at, pass.max_uses) {
        (Some(at), _) => format!("revoked {at}"),
        (None, _) if pass.valid_until <= now => "expired".to_owned(),
        (None, Some(most)) if pass.uses >= most => "used up".to_owned(),
        (None, _) if pass.valid_from > now => "not valid yet".to_owned(),
        (None, _) => "valid".to_owned(),
    };
    let uses = match (pass.kind, pass.max_uses) {
        (PassKind::Card { .. }, _) => String::new(),
        (_, Some(most)) => format!(", used {} of {most} times", pass.uses),
        (_, None) => format!(", used {} times", pass.uses),
    };
    format!("{}  {kind}, from {} until {}{uses}: {state}", pass.id, pass.valid_from, pass.valid_until)
}
