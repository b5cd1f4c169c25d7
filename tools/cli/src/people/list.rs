//! `gatehouse people list`: the enrolled people.

use std::path::PathBuf;

use clap::Args;
use gatehouse_core::time::{Clock, SystemClock, WallTime};
use gatehouse_store::{PersonSummary, warnings};
use gatehouse_terminal::{Failure, print};

use super::open;
use crate::actor::Role;
use crate::{check, moment};

/// List the enrolled people by number
///
/// Shows numbers, passes and the end of each consent. `--names` shows names too; the audit log
/// records who asked for them.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The site file
    site: PathBuf,
    /// Show names too
    #[arg(long)]
    names: bool,
    #[command(flatten)]
    role: Role,
}

pub(super) fn list(args: &ListArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let store = open(&site)?;
    let now = SystemClock::new().wall();
    let names = if args.names { store.names(&args.role.actor()?, now)? } else { Vec::new() };
    for summary in store.people()? {
        let name = names.iter().find(|(person, _)| *person == summary.person);
        let name = name.map(|(_, name)| format!("  {}", name.as_str())).unwrap_or_default();
        print::line(&format!("{}{name}", text(&summary, now)))?;
    }
    let counts = store.count(now)?;
    print::line(&format!(
        "{} enrolled: {} with their face, {} for passes only; {} pass(es) and {} card(s) are valid; {} have withdrawn",
        counts.people, counts.with_face, counts.pass_only, counts.passes, counts.cards, counts.withdrawn
    ))?;
    if let Some(warning) = warnings(&counts, site.store.people_limit) {
        print::line(&format!("WARNING: {warning}; the law may require a filing"))?;
    }
    Ok(())
}

fn text(summary: &PersonSummary, now: WallTime) -> String {
    let face = match &summary.face {
        None => "passes only".to_owned(),
        Some(face) if face.consent_until > now => {
            format!("face, consent until {}", moment::end_text(face.consent_until))
        }
        Some(face) => {
            format!("face, consent ENDED {}: no longer recognised", moment::end_text(face.consent_until))
        }
    };
    let passes = if summary.passes > 0 { format!(", {} pass(es)", summary.passes) } else { String::new() };
    format!("{}  {face}{passes}", summary.person)
}
