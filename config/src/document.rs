//! From a file of either kind to the struct that it describes, or to every mistake in it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::error::{ConfigError, ConfigErrors};
use crate::excerpt::excerpt;
use crate::reader::{Context, Mistake, Table, TableReader};
use crate::spec::TableSpec;
use crate::syntax::{Readable, readable};
use crate::text_position::Lines;

/// The largest file that is read, in bytes. A site of a hundred cameras has about 50 kB.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Line and column of each value. Any two are equal, so that files with the same content are.
#[derive(Debug, Clone, Default)]
pub struct SourceMap {
    file: PathBuf,
    positions: BTreeMap<String, (usize, usize)>,
}

impl PartialEq for SourceMap {
    fn eq(&self, _: &SourceMap) -> bool {
        true
    }
}

impl SourceMap {
    /// Line and column, from 1, of the value at a path like `gate[0].source`; `None` if left out.
    pub fn locate(&self, path: &str) -> Option<(usize, usize)> {
        self.positions.get(path).copied()
    }

    /// An error about a value that was found after the file was read, such as a model that does not
    /// exist. Where the file leaves the value out, the error is about the file as a whole.
    pub fn error_at(&self, path: &str, message: impl Into<String>, help: Option<String>) -> ConfigError {
        let (line, column) = self.locate(path).unwrap_or_default();
        let (file, path, message) = (self.file.clone(), path.to_owned(), message.into());
        ConfigError { file, line, column, path, message, help, excerpt: None }
    }
}

/// Reads a file, which messages call `name`.
pub(crate) fn load<T: Table>(path: &Path, name: &str) -> Result<(T, SourceMap), ConfigErrors> {
    let about_the_file = |line, column, message, help: Option<&str>| {
        let help = help.map(str::to_owned);
        ConfigError { file: path.to_owned(), line, column, path: String::new(), message, help, excerpt: None }
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| about_the_file(0, 0, format!("the {name} can't be read: {error}"), None))?;
    if bytes.len() as u64 > MAX_BYTES {
        let message = format!("this is no {name}: it has more than {MAX_BYTES} bytes");
        return Err(about_the_file(0, 0, message, None).into());
    }
    match str::from_utf8(&bytes) {
        Ok(text) => parse(text, path),
        Err(error) => {
            let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let at = Lines::new(&good).position(good.len());
            let help = Some("save the file with the encoding UTF-8");
            Err(about_the_file(at.line, at.column, "from here on this is not UTF-8 text".to_owned(), help).into())
        }
    }
}

pub(crate) fn parse<T: Table>(text: &str, file_name: &Path) -> Result<(T, SourceMap), ConfigErrors> {
    let root = const { &T::SPEC };
    let lines = Lines::new(text);
    let Readable { text: readable, errors: syntax_errors, is_rest_sound } = readable(text);
    let (document, _) = DeTable::parse_recoverable(&readable);
    let context = Context::new(root, file_name.parent().unwrap_or(Path::new("")), &lines);
    let table = TableReader::of_file(&context, document.get_ref());
    let value = if syntax_errors.is_empty() && is_of_another_version(&document) {
        // Its other keys may mean something else, so only the version is reported.
        table.read::<u32>(VERSION);
        None
    } else {
        table.read_all::<T>()
    };
    let (mut mistakes, spans) = (context.mistakes.into_inner(), context.spans.into_inner());
    if !syntax_errors.is_empty() {
        // Broken lines may hold what seems to be missing or ill matched.
        mistakes.retain(|mistake| is_rest_sound && mistake.is_local);
        mistakes.extend(syntax_errors);
    }
    match value {
        Some(value) if mistakes.is_empty() => {
            let position = |span: Range<usize>| {
                let at = lines.position(span.start);
                (at.line, at.column)
            };
            let positions = spans.into_iter().map(|(path, span)| (path, position(span))).collect();
            Ok((value, SourceMap { file: file_name.to_owned(), positions }))
        }
        _ => {
            let errors = mistakes.into_iter().map(|mistake| error(root, &lines, file_name, mistake));
            Err(ConfigErrors::new(errors.collect()))
        }
    }
}

fn error(root: &'static TableSpec, lines: &Lines<'_>, file: &Path, mistake: Mistake) -> ConfigError {
    let Mistake { span, path, message, help, .. } = mistake;
    let at = lines.position(span.start);
    let excerpt = (span != (0..0)).then(|| excerpt(root, lines, at, &span)).flatten();
    ConfigError { file: file.to_owned(), line: at.line, column: at.column, path, message, help, excerpt }
}

const VERSION: &str = "version";

fn is_of_another_version(document: &toml::Spanned<DeTable<'_>>) -> bool {
    let version = document.get_ref().get(VERSION).map(|value| value.get_ref());
    matches!(version, Some(DeValue::Integer(digits)) if digits.as_str() != "1")
}
