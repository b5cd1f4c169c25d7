//! `gatehouse enrol-batch`: many people from a table and a folder of photos, each whole or not at all, and resumable.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_gate::enrol::EnrolError;
use gatehouse_store::{Actor, Consent, PersonId};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::consent::{ConsentArgs, Given};
use super::desk::{Desk, Enrolled};
use super::{from_photos, input, place, receipt};
use crate::actor::Role;
use crate::exit::{Exit, Failure};
use crate::{check, print, private_file};

/// Enrol many people from a table and a folder of photos
///
/// The table is a CSV file with a header: `name,photos,purpose,notice,given,until,under_14,guardian`. `photos` are file names
/// in the folder, separated by `;`; `given` is paper, screen or online; `under_14` is yes or empty. Each row is enrolled whole
/// or not at all. The report says, by row number and without names, who was enrolled and what is wrong with the others.
/// Interrupted, the same command goes on where it stopped; to try failed rows again, mend them and start a new report.
#[derive(Debug, Args)]
pub(crate) struct BatchArgs {
    /// The site file
    site: PathBuf,
    /// The table
    table: PathBuf,
    /// The folder with the photos
    #[arg(long, value_name = "FOLDER")]
    photos: PathBuf,
    /// The report to write, or to go on with
    #[arg(long, value_name = "FILE")]
    report: PathBuf,
    /// Write a receipt of each consent into this folder, `NUMBER.txt`, to be printed and given to the person
    #[arg(long, value_name = "FOLDER")]
    receipts: Option<PathBuf>,
    #[command(flatten)]
    role: Role,
}

/// One row of the table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    photos: String,
    purpose: String,
    notice: String,
    given: String,
    until: String,
    #[serde(default)]
    under_14: String,
    #[serde(default)]
    guardian: String,
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// Under this number, unless the power went just then.
    Begun(String),
    Enrolled(String),
    Failed(String),
}

pub(crate) fn batch(args: &BatchArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let actor = args.role.actor()?;
    let table = std::fs::read(&args.table).with_context(|| args.table.display().to_string()).map_err(input)?;
    let rows = rows(&table).map_err(|e| input(e.context(args.table.display().to_string())))?;
    let mut report = Report::open(&args.report, &table).map_err(input)?;
    let receipts = Receipts::open(args.receipts.as_deref(), place(&site)).map_err(input)?;
    let mut desk = Desk::open(&site)?;
    let clock = SystemClock::new();
    let mut enrolled = desk.enrolled(clock.wall())?;
    let bar = progress(rows.len() as u64);
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
                one(&mut desk, &mut enrolled, row, &receipts, &actor, &clock, &mut begin)?
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
        print::line(&summary)?;
        return Ok(());
    }
    Err(Failure::say(Exit::Input, summary))
}

fn is_enrolled(desk: &Desk<'_>, person: &str) -> Result<bool, Failure> {
    Ok(desk.store.people()?.iter().any(|summary| summary.person.to_string() == person))
}

/// Enrols one row. An error ends the whole batch: it isn't the row's fault. `begin`: to be told under which number, before.
fn one(
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
    let portraits = match from_photos(desk, &photos) {
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
    // Before, so that nobody is enrolled without one, wherever this is interrupted.
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

/// Where receipts of consents go, if anywhere.
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

    /// Of somebody who was not enrolled after all.
    fn remove(&self, person: &str) -> anyhow::Result<()> {
        let Some(path) = self.path(person) else { return Ok(()) };
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e).with_context(|| path.display().to_string()),
            _ => Ok(()),
        }
    }
}

impl Row {
    fn consent(&self) -> anyhow::Result<ConsentArgs> {
        let under_14 = match self.under_14.trim() {
            "" | "no" => false,
            "yes" => true,
            other => return Err(anyhow!("under_14: expected yes, no or nothing, got `{other}`")),
        };
        let given = Given::from_str(self.given.trim(), true)
            .map_err(|_| anyhow!("given: expected paper, screen or online, got `{}`", self.given.trim()))?;
        let guardian = Some(self.guardian.trim().to_owned()).filter(|name| !name.is_empty());
        let text = |text: &str| text.trim().to_owned();
        let (purpose, notice, until) = (text(&self.purpose), text(&self.notice), text(&self.until));
        Ok(ConsentArgs { purpose, notice, given, until, under_14, guardian })
    }

    fn photos(&self, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let names: Vec<&str> = self.photos.split(';').map(str::trim).filter(|name| !name.is_empty()).collect();
        if names.is_empty() {
            return Err(anyhow!("photos: none is named"));
        }
        // A table from elsewhere must not make this read files from elsewhere.
        let inside = |name: &&str| Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if !names.iter().all(inside) {
            return Err(anyhow!("photos: expected names of files in the folder, without `..` or a leading `/`"));
        }
        Ok(names.into_iter().map(|name| folder.join(name)).collect())
    }
}

/// The table's rows by number, the header's being 1. A row that can't be read is kept with the reason, without its text.
fn rows(table: &[u8]) -> anyhow::Result<Vec<(u64, Result<Row, String>)>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(table);
    let header = reader.headers()?.clone();
    for needed in ["name", "photos", "purpose", "notice", "given", "until"] {
        if !header.iter().any(|column| column == needed) {
            return Err(anyhow!("the header has no column `{needed}`"));
        }
    }
    let records = reader.records().zip(2u64..).map(|(record, counted)| {
        let number = record.as_ref().ok().and_then(|r| r.position()).map_or(counted, csv::Position::line);
        // Its own message would repeat the field, which may be a name.
        let row = record.ok().and_then(|record| record.deserialize::<Row>(Some(&header)).ok());
        (number, row.ok_or_else(|| format!("the row doesn't fit the header: {} columns are expected", header.len())))
    });
    Ok(records.collect())
}

fn progress(rows: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} rows, {eta} left");
    let bar = ProgressBar::new(rows);
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

/// The report: its first line says which table it is of, and each further one what became of a row.
struct Report {
    file: File,
    done: BTreeMap<u64, Outcome>,
}

const HEADER: &str = "row,outcome,person,reason";

impl Report {
    /// Begins a report, or goes on with one of the same table. What was written last, when the power went, may be half a
    /// line, and a row that was begun may have come into the store or not: the store says which.
    fn open(path: &Path, table: &[u8]) -> anyhow::Result<Self> {
        let named = || path.display().to_string();
        let first = format!("# table {}", base16ct::lower::encode_string(&Sha256::digest(table)));
        let mut open = OpenOptions::new();
        open.read(true).append(true).mode(0o600);
        if !path.exists() {
            let mut file = open.create_new(true).open(path).with_context(named)?;
            file.write_all(format!("{first}\n{HEADER}\n").as_bytes()).with_context(named)?;
            return Ok(Self { file, done: BTreeMap::new() });
        }
        let file = open.open(path).with_context(named)?;
        let text = std::fs::read_to_string(path).with_context(named)?;
        // Each row is one line, so whatever follows the last end of a line was cut off.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut lines = text[..whole].splitn(3, '\n');
        if lines.next() != Some(first.as_str()) {
            return Err(anyhow!(
                "{}: this is no report of this table as it stands now; name a new one with --report",
                path.display()
            ));
        }
        file.set_len(whole as u64).with_context(named)?;
        let rows = lines.nth(1).unwrap_or_default();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(rows.as_bytes());
        let done = reader.records().filter_map(|record| outcome(&record.ok()?)).collect();
        Ok(Self { file, done })
    }

    /// Writes what became of a row, on one line, so that it survives a power cut.
    fn write(&mut self, number: u64, outcome: Outcome) -> anyhow::Result<()> {
        let outcome = match outcome {
            Outcome::Failed(reason) => Outcome::Failed(reason.split_whitespace().collect::<Vec<_>>().join(" ")),
            other => other,
        };
        let number_text = number.to_string();
        let fields = match &outcome {
            Outcome::Begun(person) => [number_text.as_str(), "begun", person, ""],
            Outcome::Enrolled(person) => [number_text.as_str(), "enrolled", person, ""],
            Outcome::Failed(reason) => [number_text.as_str(), "failed", "", reason],
        };
        let mut line = csv::Writer::from_writer(Vec::new());
        line.write_record(fields)?;
        self.file.write_all(&line.into_inner().map_err(|e| anyhow!("{e}"))?)?;
        self.file.sync_data()?;
        self.done.insert(number, outcome);
        Ok(())
    }
}

/// A line of a report; nothing for one that isn't.
fn outcome(record: &csv::StringRecord) -> Option<(u64, Outcome)> {
    let number = record.get(0)?.parse().ok()?;
    match record.get(1)? {
        "begun" => Some((number, Outcome::Begun(record.get(2)?.to_owned()))),
        "enrolled" => Some((number, Outcome::Enrolled(record.get(2)?.to_owned()))),
        "failed" => Some((number, Outcome::Failed(record.get(3)?.to_owned()))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "name,photos,purpose,notice,given,until,under_14,guardian\n\
        Ann Quill,ann.jpg; ann2.jpg,entry,1,paper,2099-12-31,,\n\
        Bob Quill,../bob.jpg,entry,1,hand,2099-12-31,yes,\n\
        Cut Quill,c.jpg\n";

    #[test]
    fn a_row_says_what_is_wrong_with_it_without_a_name() {
        let rows = rows(TABLE.as_bytes()).expect("a table");
        let good = rows[0].1.as_ref().expect("the first row is fine");
        assert_eq!(rows[0].0, 2);
        assert_eq!(good.photos(Path::new("p")).expect("two photos"), [Path::new("p/ann.jpg"), Path::new("p/ann2.jpg")]);
        assert!(good.consent().is_ok());
        let bad = rows[1].1.as_ref().expect("it can be read");
        assert!(bad.photos(Path::new("p")).expect_err("elsewhere").to_string().contains("without `..`"));
        assert_eq!(
            bad.consent().expect_err("by hand").to_string(),
            "given: expected paper, screen or online, got `hand`"
        );
        let cut = rows[2].1.as_ref().err().expect("too short");
        assert_eq!(cut, "the row doesn't fit the header: 8 columns are expected");
        let error = super::rows(b"name,photos\n").err().expect("columns are missing").to_string();
        assert_eq!(error, "the header has no column `purpose`");
    }

    #[test]
    fn a_report_goes_on_where_it_stopped_even_after_half_a_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report.csv");
        let mut report = Report::open(&path, b"table").expect("a new one");
        report.write(2, Outcome::Begun("01K".to_owned())).expect("it is written");
        report.write(2, Outcome::Enrolled("01K".to_owned())).expect("it is written");
        report.write(3, Outcome::Failed("too dark, \"really\"\n  so".to_owned())).expect("it is written");
        drop(report);
        for half in ["4", "4,enr", "4,enrolled,01L,", "4,failed,,\"too"] {
            let whole = std::fs::read(&path).expect("it is there");
            std::fs::write(&path, [&whole[..], half.as_bytes()].concat()).expect("cut off");
            let report = Report::open(&path, b"table").expect("the same table");
            assert_eq!(report.done.keys().copied().collect::<Vec<_>>(), [2, 3], "{half}");
            assert_eq!(report.done[&3], Outcome::Failed("too dark, \"really\" so".to_owned()));
        }
        let error = Report::open(&path, b"another").err().expect("another table").to_string();
        drop(Report::open(&path, b"table").expect("the same table").write(4, Outcome::Begun("01M".to_owned())));
        let begun = Report::open(&path, b"table").expect("the same table");
        assert_eq!(begun.done[&4], Outcome::Begun("01M".to_owned()), "the store is to be asked");
        assert_eq!(begun.done[&2], Outcome::Enrolled("01K".to_owned()));
        assert!(error.contains("no report of this table as it stands now"), "{error}");
    }
}
