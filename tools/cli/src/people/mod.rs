//! `gatehouse people`: enrolment, consent, and withdrawal.

mod add;
mod add_many;
pub(crate) mod consent;
pub(crate) mod desk;
mod export;
mod list;
mod live;
pub(crate) mod photos;
pub(crate) mod receipt;
mod remove;
mod renew;

use clap::Subcommand;
use gatehouse_config::Site;
use gatehouse_service::open_store;
use gatehouse_store::{PersonId, Store};
use gatehouse_terminal::{Exit, Failure};

use crate::failure;

/// Enrol people, list them, renew or end their consent
#[derive(Debug, Subcommand)]
pub(crate) enum PeopleCommand {
    Add(add::AddArgs),
    AddMany(add_many::AddManyArgs),
    List(list::ListArgs),
    Renew(renew::RenewArgs),
    /// Delete a person's face only; the person stays enrolled for passes
    ///
    /// Deletes the consent and the template and destroys their key, so that no backup can restore
    /// them. A running node forgets the face within a second. The person's passes stay valid.
    Withdraw(remove::RemoveArgs),
    /// Delete a person who has withdrawn their consent, with all their data
    ///
    /// Deletes the person, the consent and the template, revokes the passes, and destroys the keys,
    /// so that no backup can restore them. A running node forgets the person within a second.
    Forget(remove::RemoveArgs),
    Export(export::ExportArgs),
}

impl PeopleCommand {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Add(args) => add::add(args),
            Self::AddMany(args) => add_many::add_many(args),
            Self::List(args) => list::list(args),
            Self::Renew(args) => renew::renew(args),
            Self::Withdraw(args) => remove::withdraw(args),
            Self::Forget(args) => remove::forget(args),
            Self::Export(args) => export::export(args),
        }
    }
}

pub(crate) fn open(site: &Site) -> Result<Store, Failure> {
    open_store(site).map_err(failure::node)
}

pub(crate) fn person(text: &str) -> Result<PersonId, Failure> {
    text.parse().map_err(|_| {
        Failure::message(
            Exit::Input,
            format!("`{text}` is not a person's number; `gatehouse people list` lists the numbers"),
        )
    })
}

/// The site's area and name, as receipts show them.
pub(crate) fn place(site: &Site) -> String {
    format!("{}/{}", site.site.area, site.site.id)
}
