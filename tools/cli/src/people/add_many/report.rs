//! The report: the outcome of each row, which also lets an interrupted run continue.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, anyhow};
use sha2::{Digest, Sha256};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The person's number, which the store may or may not contain: the run was interrupted.
    Begun(String),
    /// The person's number.
    Enrolled(String),
    Failed(String),
}

/// The report. Its first line identifies the table, and each further line has the outcome of a row.
pub(super) struct Report {
    file: File,
    pub(super) done: BTreeMap<u64, Outcome>,
}

const HEADER: &str = "row,outcome,person,reason";

impl Report {
    /// Starts or continues a table's report, without a last line that a power failure cut.
    pub(super) fn open(path: &Path, table: &[u8]) -> anyhow::Result<Self> {
        let name = || path.display().to_string();
        let first = format!("# table {}", base16ct::lower::encode_string(&Sha256::digest(table)));
        let mut open = OpenOptions::new();
        open.read(true).append(true).mode(0o600);
        if !path.exists() {
            let mut file = open.create_new(true).open(path).with_context(name)?;
            file.write_all(format!("{first}\n{HEADER}\n").as_bytes()).with_context(name)?;
            return Ok(Self { file, done: BTreeMap::new() });
        }
        let file = open.open(path).with_context(name)?;
        let text = std::fs::read_to_string(path).with_context(name)?;
        // Each row is one line, so text after the last line end is an incomplete line.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut lines = text[..whole].splitn(3, '\n');
        if lines.next() != Some(first.as_str()) {
            return Err(anyhow!(
                "{}: this is not a report of this table in its present form; name a new report with --report",
                path.display()
            ));
        }
        file.set_len(whole as u64).with_context(name)?;
        let rows = lines.nth(1).unwrap_or_default();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(rows.as_bytes());
        let done = reader.records().filter_map(|record| outcome(&record.ok()?)).collect();
        Ok(Self { file, done })
    }

    /// Writes the outcome of a row on one line, and flushes it to the disk.
    pub(super) fn write(&mut self, number: u64, outcome: Outcome) -> anyhow::Result<()> {
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

    #[test]
    fn a_report_continues_after_an_incomplete_line() {
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
        assert_eq!(begun.done[&4], Outcome::Begun("01M".to_owned()), "only the store knows");
        assert_eq!(begun.done[&2], Outcome::Enrolled("01K".to_owned()));
        assert!(error.contains("not a report of this table"), "{error}");
    }
}
