//! `gatehouse people withdraw` and `forget`: a person who withdraws.

use std::path::PathBuf;

use clap::Args;
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_terminal::{Failure, print};

use super::{open, person};
use crate::actor::Role;
use crate::check;

/// Delete a person's face only; the person stays enrolled for passes
///
/// Deletes the consent and the template and destroys their key, so that no backup can restore them.
/// A running node forgets the face within a second. The person's passes stay valid.
#[derive(Debug, Args)]
pub(crate) struct WithdrawArgs {
    /// The site file
    site: PathBuf,
    /// The person's number, as `gatehouse people list` shows it
    person: String,
    #[command(flatten)]
    role: Role,
}

/// Delete a person who has withdrawn their consent, with all their data
///
/// Deletes the person, the consent and the template, revokes the passes, and destroys the keys, so
/// that no backup can restore them. A running node forgets the person within a second.
#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// The site file
    site: PathBuf,
    /// The person's number, as `gatehouse people list` shows it
    person: String,
    #[command(flatten)]
    role: Role,
}

pub(super) fn withdraw(args: &WithdrawArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let person = person(&args.person)?;
    let templates = open(&site)?.withdraw_face(person, &args.role.actor()?, SystemClock::new().wall())?;
    print::line(&format!("withdrawn: the face of {person}, with {templates} template(s); passes stay valid"))?;
    Ok(())
}

pub(super) fn forget(args: &ForgetArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let person = person(&args.person)?;
    let templates = open(&site)?.forget(person, &args.role.actor()?, SystemClock::new().wall())?;
    print::line(&format!(
        "forgotten: {person}, with {templates} template(s); the keys are destroyed, so no backup contains them"
    ))?;
    Ok(())
}
