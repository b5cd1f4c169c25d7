//! `gatehouse backup` and `restore`: a copy of the store without the people's keys, and back.

use std::path::PathBuf;

use clap::Args;
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_service::site_secret;
use gatehouse_store::{NewerPeople, restore as restore_store};

use crate::actor::Role;
use crate::exit::{self, Failure};
use crate::{check, people, print};

/// Copy the store to a new file, while the node runs
///
/// The copy is sealed as the store is, and has no person's key in it: keys lie in a file of their own beside the store (its
/// name ends in `.keys`). So whoever withdraws is gone from every backup too. Keep the keys file on storage that doesn't
/// lose it: without it nobody in a backup can be recognised, and everybody has to enrol again.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The site file
    site: PathBuf,
    /// The file to write; it must not exist yet
    to: PathBuf,
    #[command(flatten)]
    role: Role,
}

/// Put a backup in the place of a store that is lost
///
/// Stop the node first, and move the old store away if there is one: nothing is overwritten. People who have withdrawn
/// since the backup was made stay forgotten.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The site file
    site: PathBuf,
    /// The backup
    from: PathBuf,
    /// Go on although people who enrolled after the backup was made are not in it; their keys are destroyed, and they have
    /// to enrol again
    #[arg(long)]
    drop_newer: bool,
    #[command(flatten)]
    role: Role,
}

pub(crate) fn backup(args: &BackupArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    people::open(&site)?.backup(&args.to, &args.role.actor()?, SystemClock::new().wall())?;
    print::line(&format!("{}: a copy of the store, without people's keys", args.to.display()))?;
    Ok(())
}

pub(crate) fn restore(args: &RestoreArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let secret = site_secret(&site).map_err(|e| Failure::new(exit::of_node(&e), e))?;
    let newer = if args.drop_newer { NewerPeople::Drop } else { NewerPeople::Refuse };
    let now = SystemClock::new().wall();
    let restored = restore_store(&args.from, &site.store.path, &secret, newer, &args.role.actor()?, now)?;
    print::line(&format!(
        "{}: restored with {} people; {} left out because they have withdrawn since, {} without their face, {} who \
         enrolled later are not in it; {} pass(es) taken back again",
        site.store.path.display(),
        restored.people,
        restored.dropped,
        restored.faces_dropped,
        restored.newer,
        restored.revoked_again
    ))?;
    Ok(())
}
