//! `gatehouse pass issue`: a pass of an enrolled person.

use std::path::PathBuf;

use clap::Args;
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_credential::{Pass, PassId, SiteSigner, sign_pass};
use gatehouse_service::site_secret;
use gatehouse_store::{NewPass, NewPassKind};
use gatehouse_terminal::{Failure, print};

use super::files::Files;
use super::{seconds, site_key};
use crate::actor::Role;
use crate::{check, failure, moment, people, private_file};

/// Issue a pass to an enrolled person
#[derive(Debug, Args)]
pub(crate) struct IssueArgs {
    /// The site file
    site: PathBuf,
    /// The person's number, as `gatehouse people list` shows it
    person: String,
    /// Start: a date (from its start in UTC) or a time; now, if left out
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// End: a date (to its end in UTC) or a time
    #[arg(long, value_name = "DATE")]
    until: String,
    /// Number of uses; unlimited, if left out
    #[arg(long, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(1..))]
    uses: Option<u32>,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    role: Role,
}

pub(super) fn issue(args: &IssueArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let person = people::person(&args.person)?;
    let now = SystemClock::new().wall();
    let from = args.from.as_ref().map_or(Ok(now), |text| moment::start_of("--from", text)).map_err(Failure::input)?;
    let from = seconds("--from", from)?;
    let until = seconds("--until", moment::end_of("--until", &args.until).map_err(Failure::input)?)?;
    private_file::refuse_existing(args.files.all())?;
    let secret = site_secret(&site).map_err(failure::node)?;
    let pass = Pass { id: PassId::generate(now)?, valid_from: from, valid_until: until };
    let new = NewPass {
        id: pass.id,
        kind: NewPassKind::Pass { person },
        valid_from: from.to_wall(),
        valid_until: until.to_wall(),
        max_uses: args.uses,
    };
    // Stored first: gates refuse a code that the store does not know.
    people::open(&site)?.issue_pass(&new, &args.role.actor()?, now)?;
    args.files.write(&sign_pass(&SiteSigner::new(&secret), &site_key(&site), &pass), pass.id, until)?;
    print::line(&format!("pass {} for {person}, valid until {until}", pass.id))
}
