//! Tables of a manifest that another crate reads.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de};

use super::ManifestError;

/// A table of a manifest as TOML: the crate that knows its keys parses it.
///
/// It keeps the text of the whole manifest, so that an error names the file and the line.
#[derive(Clone, PartialEq, Eq)]
pub struct RawTable {
    key: &'static str,
    file: String,
    text: String,
}

impl RawTable {
    pub(super) fn new(key: &'static str, file: &str, text: &str) -> Self {
        Self { key, file: file.to_owned(), text: text.to_owned() }
    }

    /// Parses the table.
    ///
    /// # Errors
    /// If a key is unknown or missing or a value is wrong, with the file and the line.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ManifestError> {
        let fail = |error: toml::de::Error| ManifestError::at(&error, &self.text, &self.file);
        let document = toml::Deserializer::parse(&self.text).map_err(fail)?;
        document.deserialize_map(TableVisitor { key: self.key, value: PhantomData }).map_err(fail)
    }

    /// An error about the table as a whole.
    pub fn error(&self, message: impl fmt::Display) -> ManifestError {
        ManifestError { file: self.file.clone(), line: None, message: message.to_string() }
    }
}

impl fmt::Debug for RawTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawTable({}: [{}])", self.file, self.key)
    }
}

/// Checks that the value is a table. [`super::Manifest::parse`] adds the text.
pub(super) fn unread<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RawTable>, D::Error> {
    toml::Table::deserialize(deserializer).map(|_| Some(RawTable::new("", "", "")))
}

struct TableVisitor<T> {
    key: &'static str,
    value: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for TableVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a table `{}`", self.key)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == self.key {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        found.ok_or_else(|| de::Error::missing_field(self.key))
    }
}
