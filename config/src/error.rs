//! The mistakes in a configuration file, with their places and remedies.

use std::fmt;
use std::path::PathBuf;

/// One mistake in a configuration file. Its excerpt hides every value that may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, as the caller named it.
    pub file: PathBuf,
    /// The line, from 1; 0 where the error is about the file as a whole (it can't be read).
    pub line: usize,
    /// The column in characters, from 1; 0 where the error is about the file as a whole.
    pub column: usize,
    /// The key's path: `gate[0].analyse_fps`. Empty for mistakes in the syntax or the whole file.
    pub path: String,
    /// What is wrong, in one line.
    pub message: String,
    /// How to correct it.
    pub help: Option<String>,
    pub(crate) excerpt: Option<Excerpt>,
}

/// The line of an error, as far as it may be shown, and what to underline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Excerpt {
    pub(crate) text: String,
    /// Characters before the mark.
    pub(crate) before: usize,
    /// Characters under the mark, at least 1.
    pub(crate) marked: usize,
}

impl fmt::Display for ConfigError {
    /// `FILE:LINE:COLUMN: MESSAGE`, then the line with the place marked, then the help.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        write!(f, " {}", self.message)?;
        let number = self.line.to_string();
        let margin = number.len().max(4);
        if let Some(shown) = &self.excerpt {
            write!(f, "\n{number:>margin$} | {}", shown.text)?;
            let before: String = shown.text.chars().take(shown.before).map(as_wide).collect();
            let mark: String = shown
                .text
                .chars()
                .skip(shown.before)
                .take(shown.marked)
                .map(|c| if is_wide(c) { "^^" } else { "^" })
                .collect();
            write!(f, "\n{:>margin$} | {before}{}", "", if mark.is_empty() { "^" } else { &mark })?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n{:>margin$} = {help}", "")?;
        }
        Ok(())
    }
}

/// A blank as wide as the character on a terminal, so that the mark stands under its place.
fn as_wide(c: char) -> char {
    match c {
        '\t' => '\t',
        c if is_wide(c) => '\u{3000}',
        _ => ' ',
    }
}

/// True if a terminal draws the character two cells wide: roughly Unicode's annex 11.
fn is_wide(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}')
}

impl std::error::Error for ConfigError {}

/// Every mistake in a configuration file: at least one, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    pub(crate) fn new(mut errors: Vec<ConfigError>) -> ConfigErrors {
        errors.sort_by_key(|error| (error.line, error.column));
        ConfigErrors(errors)
    }

    /// The errors, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> ConfigErrors {
        ConfigErrors(vec![error])
    }
}

impl fmt::Display for ConfigErrors {
    /// One block for each error, with an empty line between two.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
