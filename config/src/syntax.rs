//! Mistakes in the TOML syntax: all of them where possible, not just the first.

use toml::de::{DeTable, Error};

use crate::reader::Mistake;
use crate::text_position::Lines;

/// The search ends here: a file with more mistakes is no site file.
const MAX_ERRORS: usize = 50;

/// A text with its broken lines blanked, and what was wrong with them.
pub(crate) struct Readable {
    /// The text with blank lines for broken ones. All other bytes are where they were.
    pub(crate) text: String,
    pub(crate) errors: Vec<Mistake>,
    /// Whether the rest keeps its meaning. A lost `[header]` would give its keys to another table.
    pub(crate) is_rest_sound: bool,
}

/// Finds the syntax errors of a text. A slip can make the parser misread the following lines, so
/// only its first error counts; then that line is blanked and the text parsed again.
pub(crate) fn readable(text: &str) -> Readable {
    let mut readable = Readable { text: text.to_owned(), errors: Vec::new(), is_rest_sound: true };
    while readable.errors.len() < MAX_ERRORS {
        let (_, errors) = DeTable::parse_recoverable(&readable.text);
        let start = |error: &Error| error.span().map_or(text.len(), |span| span.start);
        let Some(error) = errors.iter().min_by_key(|error| start(error)) else { return readable };
        readable.errors.push(mistake(text, error));
        let lines = Lines::new(&readable.text);
        let broken = lines.position(start(error)).line;
        if is_in_brackets(text, error) || lines.line(broken).trim().is_empty() {
            break;
        }
        let is_header = |number: usize| {
            let line = lines.line(number).trim_start();
            // `site]` has lost its first bracket.
            line.starts_with('[') || (line.contains(']') && !line.contains('='))
        };
        let mut after = broken + 1;
        if is_header(broken) {
            readable.is_rest_sound = false;
            while after <= lines.count() && !is_header(after) {
                after += 1;
            }
        }
        let (from, to) = (lines.before(broken).len(), lines.before(after).len());
        let blank = |byte| if byte == b'\n' || byte == b'\r' { char::from(byte) } else { ' ' };
        readable.text = text_with(&readable.text, from, to, blank);
    }
    readable.is_rest_sound = false;
    readable
}

fn text_with(text: &str, from: usize, to: usize, replace: impl Fn(u8) -> char) -> String {
    let replaced = text[from..to].bytes().map(replace);
    text[..from].chars().chain(replaced).chain(text[to..].chars()).collect()
}

/// True within a list or table of several lines that may be open: the rest is read as part of it.
fn is_in_brackets(text: &str, error: &Error) -> bool {
    let message = error.message();
    let about_brackets =
        ["array elements", "inline table", "key-value pairs"].iter().any(|part| message.contains(part));
    about_brackets
        || message == "unclosed array, expected `]`"
        || (is_unquoted(text, error) && !follows_equals(text, error))
}

fn is_unquoted(text: &str, error: &Error) -> bool {
    let message = error.message();
    let given = error.span().and_then(|span| text.get(span)).unwrap_or_default();
    message.starts_with("string values must be quoted")
        || (message.starts_with("invalid ") && given.starts_with(|c: char| c.is_alphabetic()))
}

fn follows_equals(text: &str, error: &Error) -> bool {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    before.rsplit('\n').next().is_some_and(|line| line.contains('='))
}

fn mistake(text: &str, error: &Error) -> Mistake {
    let span = error.span().unwrap_or(text.len()..text.len());
    let given = text.get(span.clone()).unwrap_or_default();
    let message = match error.message() {
        "duplicate key" => format!("`{given}` is given twice"),
        message if message.starts_with("invalid basic string, expected `\"`") => {
            "the text has no closing quote".to_owned()
        }
        // The text is not repeated: it may be a password.
        _ if is_unquoted(text, error) => "not valid TOML: text must be in quotes".to_owned(),
        message => format!("not valid TOML: {message}"),
    };
    let help = is_in_brackets(text, error).then(|| "is a bracket in the lines before not closed?".to_owned());
    Mistake { span, path: String::new(), message, help, is_local: true }
}
