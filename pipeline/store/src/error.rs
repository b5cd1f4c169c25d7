//! What can go wrong with a store, and how to mend it.

use std::path::PathBuf;

use gatehouse_core::CameraId;
use gatehouse_core::time::WallTime;

use crate::people::PersonId;

/// What went wrong. No variant holds a name, a template or a key.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file can't be opened or made.
    #[error(
        "{}: can't open the store: {source}; check that its folder exists and that this user may write there",
        path.display()
    )]
    File {
        /// The store's file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is something else.
    #[error("{}: this file is not a gatehouse store and is left untouched; name another file", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer program wrote it.
    #[error(
        "{}: the store has schema {found}, this gatehouse knows {known}; run the newer gatehouse that wrote it",
        path.display()
    )]
    Newer {
        /// The store's file.
        path: PathBuf,
        /// The schema's version there.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The store was made with another key.
    #[error(
        "{}: the site key given is not the one that this store was made with; give that one (without it the names \
         and templates in the store can't be read by anyone)",
        path.display()
    )]
    WrongKey {
        /// The store's file.
        path: PathBuf,
    },
    /// A sealed value doesn't open although the key is right.
    #[error(
        "{}: `{column}` of {row} in table `{table}` was damaged or moved here from another row; restore the store from \
         a backup, or forget that person and enrol them again",
        path.display()
    )]
    Tampered {
        /// The store's file.
        path: PathBuf,
        /// Which table.
        table: &'static str,
        /// Which column.
        column: &'static str,
        /// Which row: the person's id.
        row: PersonId,
    },
    /// No person has that id.
    #[error("{}: no one with the id {person} is enrolled", path.display())]
    NoSuchPerson {
        /// The store's file.
        path: PathBuf,
        /// The id asked for.
        person: PersonId,
    },
    /// A person without a name, or with a name of unlikely length.
    #[error("a name has 1 to {longest} characters, this has {found}")]
    Name {
        /// Characters found.
        found: usize,
        /// Characters allowed.
        longest: usize,
    },
    /// The consent given for an enrolment doesn't hold at that moment.
    #[error("this consent holds from {given_at} until {valid_until}, and it is {now}: ask for a new one")]
    ConsentDoesNotHold {
        /// When it was given.
        given_at: WallTime,
        /// When it ends.
        valid_until: WallTime,
        /// When the enrolment was tried.
        now: WallTime,
    },
    /// A template that no model makes.
    #[error("template of model `{model}` version `{version}`: {reason}")]
    Template {
        /// The model that made it.
        model: String,
        /// Its version.
        version: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The caller made an entry for another place than the one it was given.
    #[error("an entry was to be number {sequence} of gate {gate}, and was made number {made_sequence} of {made_gate}")]
    EntryMismatch {
        /// The gate that the number was drawn for.
        gate: CameraId,
        /// The number drawn.
        sequence: u64,
        /// The gate that the entry names.
        made_gate: CameraId,
        /// The number that the entry has.
        made_sequence: u64,
    },
    /// No entry has that number.
    #[error("{}: the outbox has no entry {sequence} of gate {gate}", path.display())]
    NoSuchEntry {
        /// The store's file.
        path: PathBuf,
        /// The gate.
        gate: CameraId,
        /// The number asked for.
        sequence: u64,
    },
    /// An entry that can't be written as JSON or read back.
    #[error("{}: the outbox entry {sequence} of gate {gate} doesn't fit its type: {source}", path.display())]
    Entry {
        /// The store's file.
        path: PathBuf,
        /// The gate.
        gate: String,
        /// Its number.
        sequence: u64,
        /// What doesn't fit, and where.
        source: serde_json::Error,
    },
    /// Nothing can be sealed without randomness.
    #[error("can't seal a value: the operating system gave no random numbers: {0}")]
    Random(String),
    /// SQLite refused.
    #[error("{}: {doing}: {source}", path.display())]
    Sql {
        /// The store's file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

/// Why a transaction ended early: SQLite, or a rule of ours. Keeps `?` usable on both inside one.
#[derive(Debug)]
pub(crate) enum Abort {
    Sql(rusqlite::Error),
    Rule(StoreError),
}

impl From<rusqlite::Error> for Abort {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Abort {
    fn from(error: StoreError) -> Self {
        Self::Rule(error)
    }
}
