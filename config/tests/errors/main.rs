//! The messages about a site file's mistakes, as the person reads them who has to correct them.

#![allow(clippy::unwrap_used, reason = "a test fails by it, and helpers are not seen as tests")]

mod addresses;
mod cameras;
mod keys;
mod layout;
mod syntax;

use std::path::Path;

use gatehouse_config::{ConfigErrors, Site};

const FULL: &str = include_str!("../../examples/site.toml");

/// A valid site file, into which each row puts a mistake.
const BASE: &str = "\
version = 1
[site]
id = 'north'
area = 'town/cell'
[store]
key = 'file:site.key'
[console]
[[gate]]
id = 'g'
source = 'rtsp://cam/live'
liveness = 'off'
[[crowd]]
id = 'c'
source = 'test://ball'
[[crowd.zone]]
id = 'z'
polygon = [[0, 0], [1, 0], [1, 1]]
";

/// A row: a part of [`BASE`], its replacement, and the error that follows.
type Row = (&'static str, &'static str, &'static str);

fn check(rows: &[Row]) {
    Site::parse(BASE, Path::new("site.toml")).unwrap();
    for (from, to, expected) in rows {
        let text = BASE.replacen(from, to, 1);
        assert_ne!(text, BASE, "{from}");
        assert_eq!(summary(&errors_of(&text)), *expected, "{to}");
    }
}

/// One line for each error: `LINE:COLUMN PATH: MESSAGE (HELP)`.
fn summary(errors: &ConfigErrors) -> String {
    let line = |error: &gatehouse_config::ConfigError| {
        let help = error.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}:{} {}: {}{help}", error.line, error.column, error.path, error.message)
    };
    errors.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn errors_of(text: &str) -> ConfigErrors {
    Site::parse(text, Path::new("site.toml")).err().unwrap_or_else(|| panic!("the reader accepts {text}"))
}
