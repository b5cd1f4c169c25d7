//! How people are named without saying who they are.

use std::fmt;
use std::str::FromStr;

use gatehouse_core::time::WallTime;
use rusqlite::Row;
use rusqlite::types::Type;
use ulid::Ulid;

use crate::error::StoreError;
use crate::seal::random_bytes;

/// Names an enrolled person without saying who they are. A ULID: sorts by the time of enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PersonId(Ulid);

impl PersonId {
    /// The id as a number, for use inside the node.
    pub fn as_u128(self) -> u128 {
        self.0.into()
    }

    /// The id that [`Self::as_u128`] gave.
    pub fn from_u128(number: u128) -> Self {
        Self(number.into())
    }

    /// A new id.
    ///
    /// # Errors
    /// If the operating system gives no random numbers.
    pub fn new(now: WallTime) -> Result<Self, StoreError> {
        let mut random = [0; 16];
        random_bytes(&mut random)?;
        let millis = u64::try_from(now.unix_millis()).unwrap_or(0);
        Ok(Self(Ulid::from_parts(millis, u128::from_le_bytes(random))))
    }

    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0.to_bytes()
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Ulid::from_bytes(bytes))
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PersonId {
    type Err = ulid::DecodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Reads an id, or another value with a text form, that this crate wrote into column `index`.
pub(crate) fn from_column<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text = row.get_ref(index)?.as_str()?;
    text.parse().map_err(|e| rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(e)))
}
