//! Reading values with a text form out of a row.

use std::str::FromStr;

use rusqlite::Row;
use rusqlite::types::Type;

/// Reads an id, or another value with a text form, that this crate wrote into column `index`.
pub(crate) fn from_column<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text = row.get_ref(index)?.as_str()?;
    text.parse().map_err(|e| rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(e)))
}
