//! `gatehouse people add-many`: enrols many people from a table and a folder of photos.

mod encoding;
mod report;
mod table;

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_gate::enrol::EnrolError;
use gatehouse_store::{Actor, Consent, PersonId};
use gatehouse_terminal::{Exit, Failure, print, progress_bar};

use super::desk::{Desk, Enrolled};
use super::{photos, place, receipt};
use crate::actor::Role;
use crate::{check, private_file};
use report::{Outcome, Report};
use table::{Row, Table};

/// Enrol many people from a table and a folder of photos
///
/// The table is a CSV file with a header:
/// `name,photos,purpose,notice,given,until,under_14,guardian`. `photos` are file names in the
/// folder, separated by `;`; `given` is paper, screen or online; `under_14` is yes or empty. Fields
/// are separated by commas, semicolons or tabs. The table is read as UTF-8 or UTF-16, and as GB
/// 18030 or Windows-1252 if it cannot be anything else; the command says what it assumed. The
/// report lists, by row number and without names, who was enrolled and what is wrong with the other
/// rows. After an interruption the same command continues. To retry failed rows, correct them and
/// start a new report.
#[derive(Debug, Args)]
pub(crate) struct AddManyArgs {
    /// The site file
    site: PathBuf,
    /// The table
    table: PathBuf,
    /// The folder with the photos
    #[arg(long, value_name = "FOLDER")]
    photos: PathBuf,
    /// The report to write or to continue
    #[arg(long, value_name = "FILE")]
    report: PathBuf,
    /// The table's encoding, such as gb18030, windows-1252, big5 or shift_jis [default: as its
    /// bytes show, if only one explains them]
    #[arg(long, value_name = "NAME", value_parser = encoding::by_label)]
    encoding: Option<&'static encoding_rs::Encoding>,
    /// Write a printable receipt of each consent into this folder, as `NUMBER.txt`
    #[arg(long, value_name = "FOLDER")]
    receipts: Option<PathBuf>,
    #[command(flatten)]
    role: Role,
}

pub(super) fn add_many(args: &AddManyArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let actor = args.role.actor()?;
    let table = std::fs::read(&args.table).with_context(|| args.table.display().to_string()).map_err(Failure::input)?;
    let Table { rows, assumed } =
        table::read(&table, args.encoding).map_err(|e| Failure::input(e.context(args.table.display().to_string())))?;
    if let Some(assumed) = assumed {
        print::line(&format!("{}: {assumed}", args.table.display()))?;
    }
    let mut report = Report::open(&args.report, &table).map_err(Failure::input)?;
    let receipts = Receipts::open(args.receipts.as_deref(), place(&site)).map_err(Failure::input)?;
    let mut desk = Desk::open(&site)?;
    let clock = SystemClock::new();
    let mut enrolled = desk.enrolled(clock.wall())?;
    let bar = progress_bar(rows.len() as u64, "rows");
    for (number, row) in &rows {
        bar.inc(1);
        let outcome = match (report.done.get(number), row) {
            (Some(Outcome::Begun(person)), _) if is_enrolled(&desk, person)? => Outcome::Enrolled(person.clone()),
            (Some(Outcome::Enrolled(_) | Outcome::Failed(_)), _) => continue,
            (begun, Ok(row)) => {
                if let Some(Outcome::Begun(person)) = begun {
                    receipts.remove(person)?;
                }
                let mut begin = |person: PersonId| report.write(*number, Outcome::Begun(person.to_string()));
                let row = (row, args.photos.as_path());
                add_row(&mut desk, &mut enrolled, row, &receipts, &actor, &clock, &mut begin)?
            }
            (_, Err(e)) => Outcome::Failed(e.clone()),
        };
        report.write(*number, outcome)?;
    }
    bar.finish_and_clear();
    let failed: Vec<_> = report.done.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Failed(_))).collect();
    for (number, outcome) in &failed {
        let Outcome::Failed(reason) = outcome else { continue };
        print::line(&format!("row {number}: {reason}"))?;
    }
    let summary =
        format!("{} enrolled, {} not; {}", report.done.len() - failed.len(), failed.len(), args.report.display());
    if failed.is_empty() {
        return print::line(&summary);
    }
    Err(Failure::message(Exit::Input, summary))
}

fn is_enrolled(desk: &Desk<'_>, person: &str) -> Result<bool, Failure> {
    Ok(desk.store.people()?.iter().any(|summary| summary.person.to_string() == person))
}

/// Enrols one row; `begin` gets the number first. An error isn't the row's fault: it ends the run.
fn add_row(
    desk: &mut Desk<'_>,
    enrolled: &mut Enrolled,
    (row, folder): (&Row, &Path),
    receipts: &Receipts,
    actor: &Actor,
    clock: &dyn Clock,
    begin: &mut dyn FnMut(PersonId) -> anyhow::Result<()>,
) -> Result<Outcome, Failure> {
    let failed = |e: &dyn std::fmt::Display| Ok(Outcome::Failed(e.to_string()));
    let consent = match row.consent().and_then(|consent| consent.consent(clock.wall())) {
        Ok(consent) => consent,
        Err(e) => return failed(&e),
    };
    let photos = match row.photos(folder) {
        Ok(photos) => photos,
        Err(e) => return failed(&e),
    };
    let portraits = match photos::portraits(desk, &photos) {
        Ok(portraits) => portraits,
        Err(Failure { exit: Exit::Input, error }) => return failed(&error),
        Err(e) => return Err(e),
    };
    let template = match desk.template(portraits) {
        Ok(template) => template,
        Err(EnrolError::Model(e)) => return Err(e.into()),
        Err(e) => return failed(&e),
    };
    let now = clock.wall();
    let id = PersonId::generate(now)?;
    begin(id)?;
    // Written first, so that an interruption leaves nobody enrolled without a receipt.
    receipts.write(id, &row.name, &consent)?;
    let result = desk.enrol(id, (&row.name, &consent), &template, enrolled, actor, now);
    if result.is_err() {
        receipts.remove(&id.to_string())?;
    }
    match result {
        Ok(()) => Ok(Outcome::Enrolled(id.to_string())),
        Err(Failure { exit: Exit::Input, error }) => failed(&error),
        Err(e) => Err(e),
    }
}

/// Writes the receipts into a folder, if one is given.
struct Receipts<'a> {
    folder: Option<&'a Path>,
    place: String,
}

impl<'a> Receipts<'a> {
    fn open(folder: Option<&'a Path>, place: String) -> anyhow::Result<Self> {
        if let Some(folder) = folder {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.with_context(|| folder.display().to_string())?;
        }
        Ok(Self { folder, place })
    }

    fn path(&self, person: &str) -> Option<PathBuf> {
        self.folder.map(|folder| folder.join(format!("{person}.txt")))
    }

    fn write(&self, person: PersonId, name: &str, consent: &Consent) -> anyhow::Result<()> {
        let person = person.to_string();
        let Some(path) = self.path(&person) else { return Ok(()) };
        private_file::write(&path, receipt::text(&self.place, &person, Some(name), consent).as_bytes())
    }

    /// Removes the receipt of a person who was not enrolled after all.
    fn remove(&self, person: &str) -> anyhow::Result<()> {
        let Some(path) = self.path(person) else { return Ok(()) };
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e).with_context(|| path.display().to_string()),
            _ => Ok(()),
        }
    }
}
