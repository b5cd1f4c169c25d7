//! Errors of a store, and how to mend them.

use std::path::PathBuf;

use gatehouse_core::CameraId;
use gatehouse_core::time::WallTime;
use gatehouse_credential::{PassId, PersonId};

use crate::audit_verify::AuditFault;

/// An error of a store. No variant holds a name, a template or a key.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file can't be opened or made.
    #[error(
        "{}: can't open or make this file: {source}; check that its folder exists and that this user may write there",
        path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file is something else.
    #[error("{}: this file is not a gatehouse store, or has lost its beginning; it is left untouched", path.display())]
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
        /// The file.
        path: PathBuf,
        /// The schema's version there.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// A program from before the first release wrote it.
    #[error(
        "{}: an earlier development version of gatehouse made this store (schema {found}), and its templates can't be \
         protected afterwards; it is left untouched: move it away and enrol everybody again",
        path.display()
    )]
    Outdated {
        /// The store's file.
        path: PathBuf,
        /// The schema's version there.
        found: i64,
    },
    /// The store's file is not whole.
    #[error(
        "{}: the store is damaged or was cut short; it is left untouched: move it away and restore a backup",
        path.display()
    )]
    Damaged {
        /// The store's file.
        path: PathBuf,
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
    /// Another process has the store open, and what is to be done needs it alone.
    #[error("{}: another process has this store open; stop the node and whatever else uses it, and try again", path.display())]
    InUse {
        /// The store's file, or the keys file.
        path: PathBuf,
    },
    /// Somebody else was enrolled, withdrew or renewed since.
    #[error("{}: somebody was enrolled or withdrew meanwhile, so the face has to be looked for once more", path.display())]
    GalleryChanged {
        /// The store's file.
        path: PathBuf,
    },
    /// The new key is the old one.
    #[error("{}: the new site key is the one that this store has already; make a new one", path.display())]
    SameKey {
        /// The store's file.
        path: PathBuf,
    },
    /// A template that can't be protected with another key.
    #[error("{}: a template of {person} can't be protected anew ({reason}); nothing was changed", path.display())]
    Reprotect {
        /// The store's file.
        path: PathBuf,
        /// Whose.
        person: PersonId,
        /// Why not.
        reason: String,
    },
    /// The keys file is gone, and somebody's name is sealed with a key in it.
    #[error(
        "{}: the keys file is missing or empty, and without it the names and templates of the {people} people in {} \
         can't be read by anyone; put it back from its own copy. If it is lost for good, move the store away and enrol \
         everybody again",
        path.display(), store.display()
    )]
    KeysMissing {
        /// Where the keys file should be.
        path: PathBuf,
        /// The store's file.
        store: PathBuf,
        /// Number of people with a row that needs a key, and of holders of cards with a guardian.
        people: u64,
    },
    /// Some keys are missing that nobody destroyed.
    #[error(
        "{}: the keys of {missing} people in {} are not in this keys file: it is an older copy. Put back the newest \
         one; or move the store away and restore a backup, which drops the people without a key",
        path.display(), store.display()
    )]
    KeysOlder {
        /// The keys file.
        path: PathBuf,
        /// The store's file.
        store: PathBuf,
        /// How many keys are missing.
        missing: u64,
    },
    /// There are keys, but no store.
    #[error(
        "{}: there is a keys file, but no store beside it at {}; restore a backup of the store, or move the keys file \
         away to begin with nobody enrolled",
        path.display(), store.display()
    )]
    KeysWithoutStore {
        /// The keys file.
        path: PathBuf,
        /// Where the store should be.
        store: PathBuf,
    },
    /// The keys are another store's.
    #[error("{}: these are the keys of another store; put back the keys file that belongs to this one", path.display())]
    KeysOfAnother {
        /// The keys file.
        path: PathBuf,
    },
    /// The keys file is not whole.
    #[error(
        "{}: the keys file is damaged or was cut short; it is left untouched: put it back from its own copy",
        path.display()
    )]
    KeysDamaged {
        /// The keys file.
        path: PathBuf,
    },
    /// A key doesn't open although the site's key is right.
    #[error(
        "{}: the key of {owner} ({part}) was damaged or moved here from another row; put the keys file back from its \
         own copy, or forget that person and enrol them again",
        path.display()
    )]
    KeyTampered {
        /// The keys file.
        path: PathBuf,
        /// What the key seals: `name`, `face` or `card`.
        part: &'static str,
        /// The person's or the card's id.
        owner: String,
    },
    /// A file is in the way.
    #[error("{}: there is such a file already, and it is not overwritten; name another, or move it away", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A backup holds fewer people than there are keys.
    #[error(
        "{}: {people} people were enrolled after this backup was made and are not in it. Restore a newer backup if \
         there is one; or say that they are to be dropped: they then have to enrol again, and can't be brought back",
        path.display()
    )]
    NewerPeople {
        /// The backup.
        path: PathBuf,
        /// How many.
        people: u64,
    },
    /// The audit log is not what was written.
    #[error("{}: the audit log was tampered with: {fault}", path.display())]
    Audit {
        /// The store's file.
        path: PathBuf,
        /// What is wrong, and where.
        fault: AuditFault,
    },
    /// A sealed value doesn't open although the key is right.
    #[error(
        "{}: `{column}` of {row} in table `{table}` was damaged or moved here from another row; restore the store from \
         a backup, or remove that row's owner and enrol them again",
        path.display()
    )]
    Tampered {
        /// The store's file.
        path: PathBuf,
        /// Which table.
        table: &'static str,
        /// Which column.
        column: &'static str,
        /// Which row: the id of a person, a pass or an entry.
        row: String,
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
    /// Someone enrolled for recognition without a template.
    #[error("an enrolment for face recognition needs at least one template; enrol them for passes only instead")]
    NoTemplate,
    /// The person has no face enrolment.
    #[error("{}: {person} is enrolled for passes only: there is no face, and no consent to one", path.display())]
    NoFace {
        /// The store's file.
        path: PathBuf,
        /// Who.
        person: PersonId,
    },
    /// One of many enrolments is unsound, so none was made.
    #[error("person {number} of the batch: {source}; nobody of the batch was enrolled")]
    InBatch {
        /// Which, counted from 1.
        number: usize,
        /// What is wrong.
        source: Box<StoreError>,
    },
    /// A pass or card that can't be issued like this.
    #[error("pass {pass}: {reason}")]
    Pass {
        /// Which.
        pass: PassId,
        /// What is wrong.
        reason: &'static str,
    },
    /// No pass or card has that id.
    #[error("{}: there is no pass or card {pass}", path.display())]
    NoSuchPass {
        /// The store's file.
        path: PathBuf,
        /// The id asked for.
        pass: PassId,
    },
    /// A look into the entry log without a reason.
    #[error("a look into the entry log needs a reason, in 1 to {longest} characters; this has {found}")]
    NoReason {
        /// Characters found.
        found: usize,
        /// Characters allowed.
        longest: usize,
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
    #[error("{}: the entry {sequence} of gate {gate} doesn't fit its type: {source}", path.display())]
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
    #[error("cannot seal a value or draw an id: the operating system gave no random numbers: {0}")]
    Random(String),
    /// SQLite refused.
    #[error("{}: {doing}: {source}", path.display())]
    Sql {
        /// The store's file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// SQLite's error.
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
