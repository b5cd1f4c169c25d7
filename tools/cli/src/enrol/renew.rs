//! `gatehouse renew`: a consent that is given again, for the face that is enrolled already.

use std::path::PathBuf;

use clap::Args;
use gatehouse_core::time::{Clock, SystemClock};

use super::consent::ConsentArgs;
use super::desk::Desk;
use super::{input, place, receipt};
use crate::actor::Role;
use crate::exit::Failure;
use crate::{check, moment, people, print, private_file};

/// Renew the consent of a person who is enrolled with their face
///
/// The new consent takes the place of the old one, from now on; the face stays as it is enrolled. A running node knows of it
/// within a second. Whose face has been removed since has to be enrolled again.
#[derive(Debug, Args)]
pub(crate) struct RenewArgs {
    /// The site file
    site: PathBuf,
    /// The person's number, as `gatehouse people` shows it
    person: String,
    #[command(flatten)]
    consent: ConsentArgs,
    /// Write a receipt of the consent to this new file, to be printed and given to the person
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    #[command(flatten)]
    role: Role,
}

pub(crate) fn renew(args: &RenewArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let person = people::person(&args.person)?;
    let actor = args.role.actor()?;
    let now = SystemClock::new().wall();
    let consent = args.consent.consent(now).map_err(input)?;
    private_file::refuse_existing(args.receipt.as_deref())?;
    let desk = Desk::open(&site)?;
    desk.refuse_duplicate_of(person, now)?;
    let store = &desk.store;
    let before = store.renew_consent(person, &consent, &actor, now)?;
    print::line(&format!(
        "renewed: consent of {person} until {}; before it was {}",
        moment::end_in_words(consent.draft().valid_until),
        moment::end_in_words(before)
    ))?;
    if let Some(path) = &args.receipt {
        let name = store.name_of(person, &actor, now)?;
        let text = receipt::text(&place(&site), &person.to_string(), Some(&name), &consent);
        private_file::write(path, text.as_bytes())?;
        print::line(&format!("receipt: {}", path.display()))?;
    }
    Ok(())
}
