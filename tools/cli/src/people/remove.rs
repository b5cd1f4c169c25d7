//! `gatehouse people withdraw` and `forget`: a person who withdraws.

use std::path::PathBuf;

use clap::Args;
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_terminal::{Failure, print};

use super::{open, person};
use crate::actor::Role;
use crate::check;

#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// The site file
    site: PathBuf,
    /// The person's number, as `gatehouse people list` shows it
    person: String,
    #[command(flatten)]
    role: Role,
}

pub(super) fn withdraw(args: &RemoveArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let person = person(&args.person)?;
    let templates = open(&site)?.withdraw_face(person, &args.role.actor()?, SystemClock::new().wall())?;
    print::line(&format!("withdrawn: the face of {person}, with {templates} template(s); passes stay valid"))
}

pub(super) fn forget(args: &RemoveArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let person = person(&args.person)?;
    let templates = open(&site)?.forget(person, &args.role.actor()?, SystemClock::new().wall())?;
    print::line(&format!(
        "forgotten: {person}, with {templates} template(s); the keys are destroyed, so no backup contains them"
    ))
}
