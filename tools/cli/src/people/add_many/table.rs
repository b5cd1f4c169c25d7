//! The table of people.

use std::path::{Component, Path, PathBuf};

use anyhow::anyhow;
use clap::ValueEnum;
use serde::Deserialize;

use crate::people::consent::{ConsentArgs, Given};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    pub(super) name: String,
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

impl Row {
    pub(super) fn consent(&self) -> anyhow::Result<ConsentArgs> {
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

    pub(super) fn photos(&self, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let names: Vec<&str> = self.photos.split(';').map(str::trim).filter(|name| !name.is_empty()).collect();
        if names.is_empty() {
            return Err(anyhow!("photos: the column is empty"));
        }
        // A table must not make this command read files outside the folder.
        let is_inside = |name: &&str| Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if !names.iter().all(is_inside) {
            return Err(anyhow!("photos: expected names of files in the folder, without `..` or a leading `/`"));
        }
        Ok(names.into_iter().map(|name| folder.join(name)).collect())
    }
}

/// The rows by number; the header is row 1. An unreadable row has an error without its text.
pub(super) fn rows(table: &[u8]) -> anyhow::Result<Vec<(u64, Result<Row, String>)>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(table);
    let header = reader.headers()?.clone();
    for needed in ["name", "photos", "purpose", "notice", "given", "until"] {
        if !header.iter().any(|column| column == needed) {
            return Err(anyhow!("the header has no column `{needed}`"));
        }
    }
    let records = reader.records().zip(2u64..).map(|(record, counted)| {
        let number = record.as_ref().ok().and_then(|r| r.position()).map_or(counted, csv::Position::line);
        // The parser's message would repeat the field, which may be a name.
        let row = record.ok().and_then(|record| record.deserialize::<Row>(Some(&header)).ok());
        (number, row.ok_or_else(|| format!("the row does not match the header: expected {} columns", header.len())))
    });
    Ok(records.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "name,photos,purpose,notice,given,until,under_14,guardian\n\
        Ann Quill,ann.jpg; ann2.jpg,entry,1,paper,2099-12-31,,\n\
        Bob Quill,../bob.jpg,entry,1,hand,2099-12-31,yes,\n\
        Cut Quill,c.jpg\n";

    #[test]
    fn the_errors_of_a_row_contain_no_name() {
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
        assert_eq!(cut, "the row does not match the header: expected 8 columns");
        let error = super::rows(b"name,photos\n").err().expect("columns are missing").to_string();
        assert_eq!(error, "the header has no column `purpose`");
    }
}
