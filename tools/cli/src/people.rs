//! `gatehouse people`, `withdraw` and `forget`: who is enrolled, and taking it back.

use std::path::PathBuf;

use clap::Args;
use gatehouse_config::Site;
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_service::open_store;
use gatehouse_store::{PersonId, PersonSummary, Store, warnings};

use crate::actor::Role;
use crate::exit::{self, Exit, Failure};
use crate::{check, moment, print};

/// List who is enrolled, by number
///
/// Shows numbers, the end of each consent and passes. Names are shown only on request, and the audit log says who asked.
#[derive(Debug, Args)]
pub(crate) struct PeopleArgs {
    /// The site file
    site: PathBuf,
    /// Show names as well
    #[arg(long)]
    names: bool,
    #[command(flatten)]
    role: Role,
}

/// Remove a person who has withdrawn their consent
///
/// Deletes person, consent and template, takes their passes back, and destroys their keys, so that no backup gives them
/// back. A running node forgets them within a second.
#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// The site file
    site: PathBuf,
    /// The person's number, as `gatehouse people` shows it
    person: String,
    #[command(flatten)]
    role: Role,
}

/// Remove a person's face only: they stay enrolled for passes
///
/// Deletes consent and template and destroys their key, so that no backup gives them back. A running node forgets the face
/// within a second; their passes stay good.
#[derive(Debug, Args)]
pub(crate) struct WithdrawArgs {
    /// The site file
    site: PathBuf,
    /// The person's number, as `gatehouse people` shows it
    person: String,
    #[command(flatten)]
    role: Role,
}

pub(crate) fn open(site: &Site) -> Result<Store, Failure> {
    open_store(site).map_err(|e| Failure::new(exit::of_node(&e), e))
}

pub(crate) fn person(text: &str) -> Result<PersonId, Failure> {
    let hint = "no person's number; `gatehouse people` lists them";
    text.parse().map_err(|_| Failure::say(Exit::Input, format!("`{text}` is {hint}")))
}

pub(crate) fn people(args: &PeopleArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let store = open(&site)?;
    let now = SystemClock::new().wall();
    let names = if args.names { store.names(&args.role.actor()?, now)? } else { Vec::new() };
    for summary in store.people()? {
        let name = names.iter().find(|(person, _)| *person == summary.person);
        let name = name.map(|(_, name)| format!("  {}", name.as_str())).unwrap_or_default();
        print::line(&format!("{}{name}", line(&summary, now)))?;
    }
    let counts = store.count(now)?;
    print::line(&format!(
        "{} enrolled: {} with their face, {} for passes only; {} pass(es) and {} card(s) are good; {} have withdrawn",
        counts.people, counts.with_face, counts.pass_only, counts.passes, counts.cards, counts.withdrawn
    ))?;
    if let Some(warning) = warnings(&counts, site.store.people_limit) {
        print::line(&format!("WARNING: {warning}; the law may ask for a filing or more"))?;
    }
    Ok(())
}

fn line(summary: &PersonSummary, now: gatehouse_core::time::WallTime) -> String {
    let face = match &summary.face {
        None => "passes only".to_owned(),
        Some(face) if face.consent_until > now => {
            format!("face, consent until {}", moment::end_in_words(face.consent_until))
        }
        Some(face) => {
            format!("face, consent ENDED {}: not recognised any more", moment::end_in_words(face.consent_until))
        }
    };
    let passes = if summary.passes > 0 { format!(", {} pass(es)", summary.passes) } else { String::new() };
    format!("{}  {face}{passes}", summary.person)
}

pub(crate) fn forget(args: &ForgetArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let person = person(&args.person)?;
    let forgotten = open(&site)?.forget(person, &args.role.actor()?, SystemClock::new().wall())?;
    print::line(&format!(
        "forgotten: {person}, with {} template(s); their keys are destroyed, so no backup has them any more",
        forgotten.templates
    ))?;
    Ok(())
}

pub(crate) fn withdraw(args: &WithdrawArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let person = person(&args.person)?;
    let forgotten = open(&site)?.withdraw_face(person, &args.role.actor()?, SystemClock::new().wall())?;
    print::line(&format!(
        "withdrawn: the face of {person}, with {} template(s); passes stay good",
        forgotten.templates
    ))?;
    Ok(())
}
