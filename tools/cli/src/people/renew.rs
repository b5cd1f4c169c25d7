//! `gatehouse people renew`: a new consent for a face that is enrolled.

use std::path::PathBuf;

use clap::Args;
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_terminal::{Failure, print};

use super::consent::ConsentArgs;
use super::desk::Desk;
use super::{person, place, receipt};
use crate::actor::Role;
use crate::{check, moment, private_file};

/// Renew the consent of a person who is enrolled with their face
///
/// The new consent replaces the old one from now on; the template stays as it is. A running node
/// applies it within a second. A person whose face was deleted must enrol again.
#[derive(Debug, Args)]
pub(crate) struct RenewArgs {
    /// The site file
    site: PathBuf,
    /// The person's number, as `gatehouse people list` shows it
    person: String,
    #[command(flatten)]
    consent: ConsentArgs,
    /// Write a printable receipt of the consent for the person to this new file
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    #[command(flatten)]
    role: Role,
}

pub(super) fn renew(args: &RenewArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let person = person(&args.person)?;
    let actor = args.role.actor()?;
    let now = SystemClock::new().wall();
    let consent = args.consent.consent(now).map_err(Failure::input)?;
    private_file::refuse_existing(args.receipt.as_deref())?;
    let desk = Desk::open(&site)?;
    desk.refuse_duplicate_of(person, now)?;
    let store = &desk.store;
    let before = store.renew_consent(person, &consent, &actor, now)?;
    print::line(&format!(
        "renewed: consent of {person} until {}; before it was {}",
        moment::end_text(consent.draft().valid_until),
        moment::end_text(before)
    ))?;
    if let Some(path) = &args.receipt {
        let name = store.name_of(person, &actor, now)?;
        let text = receipt::text(&place(&site), &person.to_string(), Some(&name), &consent);
        private_file::write(path, text.as_bytes())?;
        print::line(&format!("receipt: {}", path.display()))?;
    }
    Ok(())
}
