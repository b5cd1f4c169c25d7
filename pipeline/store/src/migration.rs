//! Which schema a file has, and the steps from one version to the next.

use rusqlite::{Connection, Transaction};

/// Marks our files (`PRAGMA application_id`): the letters `gths`.
const APPLICATION_ID: i64 = 0x6774_6873;

/// Step `i` leads from version `i` to version `i + 1`. A step that has shipped is never changed.
const STEPS: [&str; 1] = [include_str!("schema.sql")];

/// The version that this program writes.
pub(crate) const KNOWN: i64 = STEPS.len() as i64;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Empty: nobody's yet.
    Nothing,
    /// A store of ours, of this version.
    Store(i64),
    /// Something else.
    Foreign,
}

pub(crate) fn find(connection: &Connection) -> rusqlite::Result<Found> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let version = pragma("user_version")?;
    if pragma("application_id")? == APPLICATION_ID {
        return Ok(Found::Store(version));
    }
    let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(if version == 0 && objects == 0 { Found::Nothing } else { Found::Foreign })
}

/// Takes every step from version `from` to [`KNOWN`], inside the caller's transaction.
pub(crate) fn migrate(transaction: &Transaction<'_>, from: i64) -> rusqlite::Result<()> {
    for step in STEPS.iter().skip(usize::try_from(from).unwrap_or(0)) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", KNOWN)
}
