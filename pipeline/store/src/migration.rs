//! Which schema a file has, and the steps from one version to the next.

use rusqlite::{Connection, Transaction};

/// Step `i` leads to version `oldest + i`; the first makes the file. None changes once shipped.
pub(crate) struct Schema {
    /// Marks our files (`PRAGMA application_id`).
    application_id: i64,
    /// The first version that this program still reads.
    oldest: i64,
    steps: &'static [&'static str],
}

/// The store: `gths`. Version 1 was never released; no step can protect its raw embeddings.
pub(crate) const STORE: Schema = Schema {
    application_id: 0x6774_6873,
    oldest: 2,
    steps: &[include_str!("schema.sql"), include_str!("schema_3.sql")],
};

/// The keys file beside it: `gthk`.
pub(crate) const KEYS: Schema =
    Schema { application_id: 0x6774_686b, oldest: 1, steps: &[include_str!("keys_schema.sql")] };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Empty: nobody's yet.
    Nothing,
    /// Ours, of a version that this program reads.
    Ours(i64),
    /// Ours, from before the first version that this program reads.
    Older(i64),
    /// Ours, from a newer program.
    Newer(i64),
    /// Something else.
    Foreign,
}

impl Schema {
    pub(crate) fn known(&self) -> i64 {
        self.oldest + self.steps.len() as i64 - 1
    }

    pub(crate) fn find(&self, connection: &Connection) -> rusqlite::Result<Found> {
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let version = pragma("user_version")?;
        if pragma("application_id")? == self.application_id {
            return Ok(match version {
                v if v < self.oldest => Found::Older(v),
                v if v > self.known() => Found::Newer(v),
                v => Found::Ours(v),
            });
        }
        let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok(if version == 0 && objects == 0 { Found::Nothing } else { Found::Foreign })
    }

    /// Takes every step from `found` to the version known, inside the caller's transaction.
    pub(crate) fn migrate(&self, transaction: &Transaction<'_>, found: Found) -> rusqlite::Result<()> {
        let taken = if let Found::Ours(version) = found { version - self.oldest + 1 } else { 0 };
        let left = self.steps.iter().skip(usize::try_from(taken).unwrap_or(0));
        if left.len() == 0 {
            return Ok(());
        }
        for step in left {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "application_id", self.application_id)?;
        transaction.pragma_update(None, "user_version", self.known())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [&str; 2] =
        ["CREATE TABLE a (x); INSERT INTO a VALUES (1)", "CREATE TABLE b AS SELECT x + 1 AS y FROM a"];
    const FIRST: Schema = Schema { application_id: 7, oldest: 2, steps: &[STEPS[0]] };
    const SECOND: Schema = Schema { application_id: 7, oldest: 2, steps: &STEPS };

    fn migrate(schema: &Schema, connection: &mut Connection) {
        let found = schema.find(connection).expect("reads");
        let transaction = connection.transaction().expect("begins");
        schema.migrate(&transaction, found).expect("migrates");
        transaction.commit().expect("commits");
    }

    #[test]
    fn migration_applies_missing_steps_only_and_keeps_rows() {
        let mut connection = Connection::open_in_memory().expect("opens");
        assert_eq!(SECOND.find(&connection).expect("reads"), Found::Nothing);
        migrate(&FIRST, &mut connection);
        assert_eq!(SECOND.find(&connection).expect("reads"), Found::Ours(2));
        connection.execute("UPDATE a SET x = 41", []).expect("writes");
        for _ in 0..2 {
            migrate(&SECOND, &mut connection);
            assert_eq!(SECOND.find(&connection).expect("reads"), Found::Ours(3), "and taking no step changes nothing");
        }
        let y: i64 = connection.query_row("SELECT y FROM b", [], |row| row.get(0)).expect("the second step ran once");
        assert_eq!(y, 42);
        assert_eq!(FIRST.find(&connection).expect("reads"), Found::Newer(3));
    }

    #[test]
    fn old_files_and_foreign_files_are_distinguished() {
        let connection = Connection::open_in_memory().expect("opens");
        connection.execute_batch("PRAGMA application_id = 7; PRAGMA user_version = 1").expect("writes");
        assert_eq!(SECOND.find(&connection).expect("reads"), Found::Older(1));
        assert_eq!(KEYS.find(&connection).expect("reads"), Found::Foreign);
    }
}
