//! The table of people.

use std::path::{Component, Path, PathBuf};

use anyhow::anyhow;
use clap::ValueEnum;
use encoding_rs::Encoding;
use serde::Deserialize;

use super::encoding::{self, Text};
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

/// The columns that a table must have, and those that it may have.
const NEEDED: [&str; 6] = ["name", "photos", "purpose", "notice", "given", "until"];
const OPTIONAL: [&str; 2] = ["under_14", "guardian"];
/// What may stand between fields, and what people call it.
const SEPARATORS: [(u8, &str); 3] = [(b',', "commas"), (b';', "semicolons"), (b'\t', "tabs")];

/// A table as it was read.
pub(super) struct Table {
    /// The rows by number; the header is row 1. An unreadable row has an error without its text.
    pub(super) rows: Vec<(u64, Result<Row, String>)>,
    /// How the table was read, if not as UTF-8 with commas.
    pub(super) assumed: Option<String>,
}

/// Reads a table in `stated`, or in the encoding that its bytes show.
pub(super) fn read(bytes: &[u8], stated: Option<&'static Encoding>) -> anyhow::Result<Table> {
    let Text { text, encoding } = encoding::read(bytes, stated)?;
    // Excel's own first line about the separator.
    let excel = text.strip_prefix("sep=").and_then(|rest| rest.find('\n').map(|end| "sep=".len() + end + 1));
    let table = &text[excel.unwrap_or(0)..];
    let skipped = u64::from(excel.is_some());
    let (separator, called) = separator(table);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(table.as_bytes());
    let header = header(reader.headers()?)?;
    let (mut rows, mut line, mut counted) = (Vec::new(), 1 + skipped, 0);
    for record in reader.records() {
        let position = match &record {
            Ok(record) => record.position(),
            Err(error) => error.position(),
        };
        // The reader's own count lags behind after `\r\n`.
        let start = position.map_or(counted, |position| position.byte() as usize).clamp(counted, table.len());
        let start = start + table[start..].len() - table[start..].trim_start_matches(['\r', '\n']).len();
        line += table[counted..start].replace("\r\n", "\n").matches(['\r', '\n']).count() as u64;
        counted = start;
        match record {
            // Excel leaves rows of separators behind the last person.
            Ok(record) if record.iter().all(str::is_empty) => {}
            Ok(record) => rows.push((line, row(&record, &header, called))),
            // The parser's message would repeat the field, which may be a name.
            Err(_) => rows.push((line, Err("the row cannot be read; is a quotation mark missing?".to_owned()))),
        }
    }
    let by_default = encoding == encoding_rs::UTF_8 && separator == b',';
    let assumed =
        (!by_default).then(|| format!("read as {} with {called} between the fields", encoding::name(encoding)));
    Ok(Table { rows, assumed })
}

fn row(record: &csv::StringRecord, header: &csv::StringRecord, separator: &str) -> Result<Row, String> {
    // Fields beyond the last column may be empty, as Excel leaves them.
    let mut fields: Vec<&str> = record.iter().take(up_to(record, |field| !field.is_empty())).collect();
    let (found, expected) = (fields.len(), header.len());
    let needed = up_to(header, |column| NEEDED.contains(&column));
    if found > expected || record.len() < needed {
        return Err(format!(
            "the row does not match the header: expected {expected} columns, got {}; a field with {separator} in it \
             needs quotation marks",
            found.max(record.len())
        ));
    }
    fields.resize(expected, "");
    let record = csv::StringRecord::from(fields);
    record.deserialize::<Row>(Some(header)).map_err(|_| "the row does not match the header".to_owned())
}

/// The number of fields up to the last one that is so.
fn up_to(record: &csv::StringRecord, is_so: impl Fn(&str) -> bool) -> usize {
    (1..).zip(record.iter()).filter(|(_, field)| is_so(field)).last().map_or(0, |(number, _)| number)
}

/// The separator that finds the most columns in the first line.
fn separator(table: &str) -> (u8, &'static str) {
    let first = table.lines().next().unwrap_or_default();
    let columns = |separator: u8| {
        let mut reader =
            csv::ReaderBuilder::new().delimiter(separator).has_headers(false).from_reader(first.as_bytes());
        let fields = reader.records().next().and_then(Result::ok).unwrap_or_default();
        fields.iter().filter(|field| column(field).is_some()).count()
    };
    let mut best = SEPARATORS[0];
    for candidate in &SEPARATORS[1..] {
        if columns(candidate.0) > columns(best.0) {
            best = *candidate;
        }
    }
    best
}

/// The column that a field of the header names: in any case, and with blanks around it.
fn column(field: &str) -> Option<&'static str> {
    let plain = field.trim().to_lowercase().replace([' ', '-'], "_");
    NEEDED.iter().chain(&OPTIONAL).find(|column| **column == plain).copied()
}

/// The header with the columns' own names.
fn header(found: &csv::StringRecord) -> anyhow::Result<csv::StringRecord> {
    // Excel leaves empty columns on the right.
    let last = up_to(found, |field| !field.trim().is_empty());
    let mut header = csv::StringRecord::new();
    for (place, field) in (1..).zip(found.iter().take(last)) {
        let known = column(field).ok_or_else(|| {
            anyhow!(
                "column {place} of the header is not known; expected {}, {}",
                NEEDED.join(", "),
                OPTIONAL.join(", ")
            )
        })?;
        if header.iter().any(|earlier| earlier == known) {
            return Err(anyhow!("column {place} of the header is another `{known}`"));
        }
        header.push_field(known);
    }
    match NEEDED.iter().find(|needed| !header.iter().any(|column| column == **needed)) {
        Some(missing) => Err(anyhow!("the header has no column `{missing}`")),
        None => Ok(header),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "name,photos,purpose,notice,given,until,under_14,guardian\n\
        Ann Quill,ann.jpg; ann2.jpg,entry,1,paper,2099-12-31,,\n\
        Bob Quill,../bob.jpg,entry,1,hand,2099-12-31,yes,\n\
        Cut Quill,c.jpg\n";

    fn rows(table: &str) -> Vec<(u64, Result<Row, String>)> {
        read(table.as_bytes(), None).unwrap_or_else(|error| panic!("{error}")).rows
    }

    #[test]
    fn the_errors_of_a_row_contain_no_name() {
        let rows = rows(TABLE);
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
        assert!(cut.starts_with("the row does not match the header: expected 8 columns, got 2"), "{cut}");
    }

    #[test]
    fn a_wrong_header_is_refused_with_its_column() {
        for (header, expected) in [
            ("name,photos\n", "the header has no column `purpose`"),
            ("name,photos,Surname\n", "column 3 of the header is not known; expected name, photos"),
            ("name,photos,NAME\n", "column 3 of the header is another `name`"),
            ("", "the header has no column `name`"),
        ] {
            let error = read(header.as_bytes(), None).err().expect(header).to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    /// Tables as spreadsheet programs write them.
    #[test]
    fn separators_headers_and_empty_rows_are_those_of_spreadsheets() {
        let plain = "name,photos,purpose,notice,given,until,under_14,guardian\n\
                     \"Quill, Ann\",\"a.jpg;b.jpg\",entry,1,paper,2099-12-31,yes,\"Bea \"\"B\"\" Quill\"\n";
        let quoted = "Name; PHOTOS ;Purpose;notice;given;until;Under 14;guardian;;\r\n\
                      Quill, Ann;\"a.jpg;b.jpg\";entry;1;paper;2099-12-31;yes;\"Bea \"\"B\"\" Quill\";;\r\n;;;;;;;;;\r\n;;;\r\n\r\n";
        let tabs = "photos\tname\tpurpose\tnotice\tgiven\tuntil\tunder_14\tguardian\n\
                    a.jpg;b.jpg\tQuill, Ann\tentry\t1\tpaper\t2099-12-31\tyes\t\"Bea \"\"B\"\" Quill\"\n\t\t\n";
        let excel = format!("sep=;\r\n{quoted}");
        let old_mac = tabs.replace('\n', "\r");
        for (table, first, assumed) in [
            (plain, 2, None),
            (quoted, 2, Some("read as UTF-8 with semicolons between the fields")),
            (tabs, 2, Some("read as UTF-8 with tabs between the fields")),
            (excel.as_str(), 3, Some("read as UTF-8 with semicolons between the fields")),
            (old_mac.as_str(), 2, Some("read as UTF-8 with tabs between the fields")),
        ] {
            let read = read(table.as_bytes(), None).unwrap_or_else(|error| panic!("{table}: {error}"));
            assert_eq!(read.assumed.as_deref(), assumed);
            let [(number, Ok(row))] = &read.rows[..] else { panic!("{table}: {} rows", read.rows.len()) };
            assert_eq!((*number, row.name.as_str(), row.photos.as_str()), (first, "Quill, Ann", "a.jpg;b.jpg"));
            let consent = row.consent().expect("a consent");
            assert_eq!((consent.under_14, consent.guardian.as_deref()), (true, Some("Bea \"B\" Quill")));
        }
        // Without quotation marks, the second photo is a field too many.
        let unquoted = "name;photos;purpose;notice;given;until\nAnn;a.jpg;b.jpg;entry;1;paper;2099-12-31\n";
        let error = rows(unquoted).remove(0).1.err().expect("a field too many");
        assert!(error.contains("expected 6 columns, got 7; a field with semicolons in it needs"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(?s)(name|photos|purpose|[,;\\t\"\\r\\n]|.){0,60}") {
            let _ = read(text.as_bytes(), None);
        }
    }
}
