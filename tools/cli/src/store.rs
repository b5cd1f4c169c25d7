//! `gatehouse store`: backups of the store, which contain no person's keys.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_service::site_secret;
use gatehouse_store::NewerPeople;
use gatehouse_terminal::{Failure, print};

use crate::actor::Role;
use crate::{check, failure, people};

/// Back up and restore the store of a site
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    Backup(BackupArgs),
    Restore(RestoreArgs),
}

/// Copy the store to a new file while the node runs
///
/// The copy is encrypted like the store and contains no person's keys: these are in a separate file
/// beside the store (its name ends in `.keys`). A person who withdraws is therefore deleted from
/// every backup too. Keep the keys file on storage that does not lose it: without it nobody in a
/// backup can be recognised, and everybody must enrol again.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The site file
    site: PathBuf,
    /// The file to write; it must not exist
    to: PathBuf,
    #[command(flatten)]
    role: Role,
}

/// Restore a lost store from a backup
///
/// Stop the node first, and move the old store away if there is one: nothing is overwritten. People
/// who have withdrawn since the backup stay deleted.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The site file
    site: PathBuf,
    /// The backup
    from: PathBuf,
    /// Restore although the backup lacks people who enrolled after it; their keys are destroyed,
    /// and they must enrol again
    #[arg(long)]
    drop_newer: bool,
    #[command(flatten)]
    role: Role,
}

pub(crate) fn backup(args: &BackupArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    people::open(&site)?.backup(&args.to, &args.role.actor()?, SystemClock::new().wall())?;
    print::line(&format!("{}: a copy of the store, without people's keys", args.to.display()))
}

pub(crate) fn restore(args: &RestoreArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let secret = site_secret(&site).map_err(failure::node)?;
    let newer = if args.drop_newer { NewerPeople::Drop } else { NewerPeople::Refuse };
    let (actor, now) = (args.role.actor()?, SystemClock::new().wall());
    let restored = gatehouse_store::restore(&args.from, &site.store.path, &secret, newer, &actor, now)?;
    print::line(&format!(
        "{}: restored with {} people; {} left out because they have withdrawn since, {} without their face, {} who \
         enrolled later are not in it; {} pass(es) revoked again",
        site.store.path.display(),
        restored.people,
        restored.dropped,
        restored.faces_dropped,
        restored.newer,
        restored.revoked_again
    ))
}
