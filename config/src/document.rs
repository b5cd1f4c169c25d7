//! From a file to what it describes, or to everything that is wrong with it; the same for every kind of file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::error::{ConfigError, ConfigErrors};
use crate::keys;
use crate::reader::{Context, Finding, TableReader};
use crate::shown_line::shown_line;
use crate::spec::Table;
use crate::syntax::{Readable, readable};
use crate::text_position::Lines;

/// The most bytes a file may have. A site of a hundred cameras has about 50 kB.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// A kind of file: what messages call it, and its keys.
pub(crate) struct Document {
    pub(crate) name: &'static str,
    pub(crate) root: &'static Table,
}

/// Where in its file each value stands. Two of them are always equal: files that say the same are the same.
#[derive(Debug, Clone, Default)]
pub struct Places {
    pub(crate) file: PathBuf,
    pub(crate) of: BTreeMap<String, (usize, usize)>,
}

impl PartialEq for Places {
    fn eq(&self, _: &Places) -> bool {
        true
    }
}

impl Places {
    pub(crate) fn locate(&self, path: &str) -> Option<(usize, usize)> {
        self.of.get(path).copied()
    }

    pub(crate) fn error_at(&self, path: &str, message: String, help: Option<String>) -> ConfigError {
        let (line, column) = self.locate(path).unwrap_or_default();
        ConfigError { file: self.file.clone(), line, column, path: path.to_owned(), message, help, shown: None }
    }
}

/// Reads the top of a file.
pub(crate) type ReadRoot<T> = fn(&mut TableReader<'_, '_>) -> Option<T>;

impl Document {
    pub(crate) fn load<T>(&self, path: &Path, read: ReadRoot<T>) -> Result<(T, Places), ConfigErrors> {
        let about_the_file = |line, column, message, help: Option<&str>| {
            let help = help.map(str::to_owned);
            ConfigError { file: path.to_owned(), line, column, path: String::new(), message, help, shown: None }
        };
        let name = self.name;
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| about_the_file(0, 0, format!("the {name} can't be read: {error}"), None))?;
        if bytes.len() as u64 > MAX_BYTES {
            let message = format!("this is no {name}: it has more than {MAX_BYTES} bytes");
            return Err(about_the_file(0, 0, message, None).into());
        }
        match str::from_utf8(&bytes) {
            Ok(text) => self.parse(text, path, read),
            Err(error) => {
                let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                let at = Lines::new(&good).position(good.len());
                let help = Some("save the file with the encoding UTF-8");
                Err(about_the_file(at.line, at.column, "from here on this is not UTF-8 text".to_owned(), help).into())
            }
        }
    }

    pub(crate) fn parse<T>(
        &self,
        text: &str,
        file_name: &Path,
        read: ReadRoot<T>,
    ) -> Result<(T, Places), ConfigErrors> {
        let lines = Lines::new(text);
        let Readable { text: readable, errors: syntax_errors, rest_is_sound } = readable(text);
        let (document, _) = DeTable::parse_recoverable(&readable);
        let context = Context::new(self.root, file_name.parent().unwrap_or(Path::new("")), &lines);
        let value = if syntax_errors.is_empty() && is_of_another_version(&document) {
            // Its other keys may mean something else, so nothing can be said about them.
            TableReader::read_part(&context, self.root, document.get_ref(), |root| root.integer::<u32>(&keys::VERSION));
            None
        } else {
            TableReader::read(&context, self.root, document.get_ref(), String::new(), 0..0, read)
        };
        let (mut findings, spans) = context.into_parts();
        if !syntax_errors.is_empty() {
            // What the broken lines were meant to say isn't known, so nothing counts as missing or as ill matched.
            findings.retain(|finding| rest_is_sound && finding.local);
            findings.extend(syntax_errors);
        }
        match value {
            Some(value) if findings.is_empty() => {
                let place = |span: Range<usize>| {
                    let at = lines.position(span.start);
                    (at.line, at.column)
                };
                let of = spans.into_iter().map(|(path, span)| (path, place(span))).collect();
                Ok((value, Places { file: file_name.to_owned(), of }))
            }
            _ => {
                let errors = findings.into_iter().map(|finding| self.error(&lines, file_name, finding));
                Err(ConfigErrors::new(errors.collect()))
            }
        }
    }

    fn error(&self, lines: &Lines<'_>, file: &Path, finding: Finding) -> ConfigError {
        let Finding { span, path, message, help, .. } = finding;
        let at = lines.position(span.start);
        let shown = (span != (0..0)).then(|| shown_line(self.root, lines, at, &span)).flatten();
        ConfigError { file: file.to_owned(), line: at.line, column: at.column, path, message, help, shown }
    }
}

fn is_of_another_version(document: &toml::Spanned<DeTable<'_>>) -> bool {
    let version = document.get_ref().get(keys::VERSION.name).map(|value| value.get_ref());
    matches!(version, Some(DeValue::Integer(digits)) if digits.as_str() != "1")
}
