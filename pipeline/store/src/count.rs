//! Counts people, templates and passes: some laws tie duties to these numbers.

use std::fmt;

use gatehouse_core::time::WallTime;
use rusqlite::params;

use crate::error::{Abort, StoreError};
use crate::open::Store;

/// How many people, templates, passes and cards a store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Enrolled people, for recognition or for passes only.
    pub people: u64,
    /// Those of them whose face is stored, those with an ended consent included.
    pub with_face: u64,
    /// Those enrolled for passes only.
    pub pass_only: u64,
    /// Those whose face is stored although their consent has ended, until renewal or retention.
    pub expired: u64,
    /// Templates.
    pub templates: u64,
    /// Passes of people that are neither revoked nor expired.
    pub passes: u64,
    /// Cards that are neither revoked nor expired, and whose holder's consent holds.
    pub cards: u64,
    /// People who withdrew since the store was made, or their face only.
    pub withdrawn: u64,
}

impl Store {
    /// How many people, templates, passes and cards there are at `now`.
    ///
    /// # Errors
    /// If the store can't be read.
    pub fn count(&self, now: WallTime) -> Result<Counts, StoreError> {
        self.read("counting people", |transaction| {
            let count = |sql: &str| -> Result<u64, Abort> {
                // One statement binds the time, so that each may use it or not.
                let sql = format!("SELECT count(*) FROM {sql} AND ?1 = ?1");
                Ok(transaction
                    .prepare_cached(&sql)?
                    .query_row(params![now.unix_nanos()], |row| row.get::<_, i64>(0))?
                    .unsigned_abs())
            };
            let (people, with_face) = (count("person WHERE true")?, count("consent WHERE true")?);
            Ok(Counts {
                people,
                with_face,
                pass_only: people.saturating_sub(with_face),
                expired: count("consent WHERE valid_until_unix_ns <= ?1")?,
                templates: count("template WHERE true")?,
                passes: count("pass WHERE kind = 'pass' AND revoked_at_unix_ns IS NULL AND valid_until_unix_ns > ?1")?,
                cards: count(
                    "pass JOIN card_consent USING (pass_id) WHERE revoked_at_unix_ns IS NULL
                         AND pass.valid_until_unix_ns > ?1 AND card_consent.valid_until_unix_ns > ?1",
                )?,
                withdrawn: count("withdrawal WHERE true")?,
            })
        })
    }
}

/// A limit that the law ties to the number of stored faces comes near, or is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitWarning {
    /// The share of the limit that is reached, in percent: 80, 90 or 100.
    pub percent: u64,
    /// People whose face is stored.
    pub stored: u64,
    /// The limit.
    pub limit: u64,
}

impl fmt::Display for LimitWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { percent, stored, limit } = self;
        match percent {
            100 => write!(f, "the faces of {stored} people are stored: the limit of {limit} is reached"),
            _ => write!(
                f,
                "the faces of {stored} people are stored: that is more than {percent} % of the limit of {limit}"
            ),
        }
    }
}

/// The warnings for a number of stored faces, with those whose consent has ended. China's 2025
/// measures on facial recognition, article 15, ask for a filing at 100,000 faces.
pub fn warnings(counts: &Counts, limit: u64) -> Option<LimitWarning> {
    let stored = counts.with_face;
    // Wide enough for any two counts.
    let reaches = |percent: &u64| u128::from(stored) * 100 >= u128::from(limit) * u128::from(*percent);
    let percent = [100, 90, 80].into_iter().find(reaches)?;
    Some(LimitWarning { percent, stored, limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_begin_at_80_percent_and_grow_at_90_and_100() {
        let reached = |with_face| {
            let counts = Counts { people: u64::MAX, with_face, ..Counts::default() };
            warnings(&counts, 100_000).map(|warning| warning.percent)
        };
        assert_eq!(reached(79_999), None);
        assert_eq!(reached(80_000), Some(80));
        assert_eq!(reached(89_999), Some(80));
        assert_eq!(reached(90_000), Some(90));
        assert_eq!(reached(99_999), Some(90));
        assert_eq!(reached(100_000), Some(100));
        assert_eq!(reached(u64::MAX), Some(100));
    }
}
