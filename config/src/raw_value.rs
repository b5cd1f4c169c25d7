//! A value as it stands in the file, before it is read.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use crate::kind::Kind;
use crate::reader::{Table, TableReader};
use crate::spec::Key;
use crate::value::Invalid;

pub(crate) struct RawValue<'a, 'c> {
    pub(crate) table: &'a TableReader<'a, 'c>,
    pub(crate) key: &'static Key,
    /// The key's kind, or that of an item of its list.
    pub(crate) kind: &'static Kind,
    pub(crate) path: String,
    pub(crate) span: Range<usize>,
    pub(crate) value: &'a DeValue<'a>,
}

impl<'a, 'c> RawValue<'a, 'c> {
    pub(crate) fn of_key(
        table: &'a TableReader<'a, 'c>,
        key: &'static Key,
        path: String,
        span: Range<usize>,
        value: &'a DeValue<'a>,
    ) -> RawValue<'a, 'c> {
        RawValue { table, key, kind: &key.kind, path, span, value }
    }

    pub(crate) fn part(
        &'a self,
        kind: &'static Kind,
        index: usize,
        part: &'a Spanned<DeValue<'a>>,
    ) -> RawValue<'a, 'c> {
        let path = format!("{}[{index}]", self.path);
        RawValue { table: self.table, key: self.key, kind, path, span: part.span(), value: part.get_ref() }
    }

    pub(crate) fn text<T>(&self, read: impl FnOnce(&str) -> Result<T, Invalid>) -> Option<T> {
        let read = self.value.as_str().map_or(Err(Invalid::NotOfKind), read);
        read.map_err(|invalid| self.reject(invalid)).ok()
    }

    pub(crate) fn table<T: Table>(&self) -> Option<T> {
        match (self.value, self.kind.table()) {
            (DeValue::Table(values), Some(spec)) => self.table.read_inner(spec, values, &self.path, self.span.clone()),
            _ => {
                self.reject(Invalid::NotOfKind);
                None
            }
        }
    }

    pub(crate) fn not_of_kind(&self) -> String {
        let Key { name, .. } = self.key;
        let found = self.found();
        match (self.key.kind, self.kind) {
            (Kind::List(_), Kind::List(_)) => format!("`{name}` must be {}{found}", self.key.kind),
            (Kind::List(_), item) => format!("each item of `{name}` must be {item}{found}"),
            _ => format!("`{name}` must be {}{found}", self.key.requirement()),
        }
    }

    pub(crate) fn help(&self) -> Option<&'static str> {
        match (self.value, self.kind) {
            (DeValue::String(_), Kind::Text(format)) => format.help(),
            _ => None,
        }
    }

    /// ", found …", or nothing where even that could reveal a secret.
    pub(crate) fn found(&self) -> String {
        let is_secret = self.kind.may_hold_a_secret();
        let what = match self.value {
            DeValue::String(_) if is_secret => return String::new(),
            DeValue::String(text) => format!("the text {:?}", shortened(text)),
            DeValue::Integer(_) | DeValue::Float(_) if is_secret => "a number".to_owned(),
            DeValue::Integer(digits) => shortened(&digits.to_string()),
            DeValue::Float(digits) => shortened(digits.as_str()),
            DeValue::Boolean(boolean) => format!("`{boolean}`"),
            DeValue::Datetime(_) => "a date or time".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        };
        format!(", found {what}")
    }
}

/// A whole number, if the value is one that fits.
pub(crate) fn integer(value: &DeValue<'_>) -> Option<i64> {
    let DeValue::Integer(digits) = value else { return None };
    i64::from_str_radix(digits.as_str(), digits.radix()).ok()
}

/// A number, whole or not.
pub(crate) fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Float(digits) => digits.as_str().parse().ok(),
        // Every whole number in a declared range is exact as a float.
        other => integer(other).map(|whole| whole as f64),
    }
}

/// At most 40 characters of something from the file, without control characters.
pub(crate) fn shortened(text: &str) -> String {
    let short: String = text.chars().take(40).map(printable).collect();
    if text.chars().nth(40).is_some() { short + "…" } else { short }
}

pub(crate) fn printable(c: char) -> char {
    if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }
}
