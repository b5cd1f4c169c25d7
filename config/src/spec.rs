//! The description of a file's tables and keys, which [`table!`](crate::table) makes.

use crate::kind::Kind;

#[derive(Debug)]
pub(crate) struct TableSpec {
    /// Its name in messages: `[site]`, `[[crowd.zone]]`, `` `levels` ``.
    pub(crate) heading: &'static str,
    pub(crate) about: &'static str,
    /// For keys that stand in another table: the value of its `kind` that needs them.
    pub(crate) only_for: Option<&'static str>,
    pub(crate) entries: &'static [Entry],
}

#[derive(Debug)]
pub(crate) enum Entry {
    Key(Key),
    /// Keys that stand in the table itself, declared in a struct of their own.
    Flattened(&'static TableSpec),
}

#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) presence: Presence,
    /// A value that the reader accepts, as TOML text.
    pub(crate) example: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) change: ChangeEffect,
}

/// What happens when a key is left out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Presence {
    /// The file is rejected.
    Required,
    /// This TOML text is read in its place.
    Default(&'static str),
    /// There is no value; the text says what that means.
    Optional(&'static str),
}

/// What a change of a key needs while the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeEffect {
    /// It is applied without interruption.
    Live,
    /// The camera's pipeline is restarted; other cameras go on.
    CameraRestart,
    /// The whole process is restarted.
    ProcessRestart,
}

/// A key, and the value of `kind` that needs it, if only one does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyIn {
    pub(crate) key: &'static Key,
    pub(crate) only_for: Option<&'static str>,
}

impl TableSpec {
    /// Every key of the table, in the order of the declaration.
    pub(crate) fn keys(&'static self) -> impl Iterator<Item = KeyIn> {
        let own = |entry: &'static Entry| -> Vec<KeyIn> {
            match entry {
                Entry::Key(key) => vec![KeyIn { key, only_for: self.only_for }],
                Entry::Flattened(table) => table.keys().collect(),
            }
        };
        self.entries.iter().flat_map(own)
    }

    pub(crate) fn key(&'static self, name: &str) -> Option<KeyIn> {
        self.keys().find(|found| found.key.name == name)
    }

    pub(crate) fn names(&'static self) -> impl Iterator<Item = &'static str> {
        self.keys().map(|found| found.key.name)
    }

    /// This table and all below it, in the order of the file.
    pub(crate) fn with_all_below(&'static self) -> Vec<&'static TableSpec> {
        let below = self.keys().filter_map(|found| found.key.kind.table()).flat_map(TableSpec::with_all_below);
        std::iter::once(self).chain(below).collect()
    }

    /// Whether it stands under a header of its own, and not as `{ … }` behind a key.
    pub(crate) fn has_header(&self) -> bool {
        self.heading.starts_with('[')
    }
}

impl Key {
    /// Completes "must be …".
    pub(crate) fn requirement(&self) -> String {
        match self.kind {
            Kind::Table(table) if !table.has_header() => format!("a table, written as `{}`", self.example),
            _ => self.kind.to_string(),
        }
    }

    pub(crate) fn how_to_add(&self) -> String {
        match self.kind.table().filter(|table| table.has_header()) {
            Some(table) => format!("add {} and its keys", table.heading),
            None => format!("add for example `{} = {}`", self.name, self.example),
        }
    }
}
