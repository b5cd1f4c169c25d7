//! The name of an enrolled person.

use std::fmt;
use std::str::FromStr;

use gatehouse_core::time::WallTime;
use ulid::Ulid;

use crate::NoRandomness;

/// Names an enrolled person without saying who they are. A ULID: sorts by the time of enrolment.
/// `Display` writes it; `Debug` does not, so that no log of a whole structure shows whom a gate
/// saw.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PersonId(Ulid);

impl PersonId {
    /// Draws a new id: 48 bits of time, 80 bits of the operating system's randomness.
    ///
    /// # Errors
    /// If the operating system gives none.
    pub fn generate(now: WallTime) -> Result<Self, NoRandomness> {
        crate::pass_id::new_ulid(now).map(Self)
    }

    /// The id whose number this is.
    pub const fn from_u128(number: u128) -> Self {
        Self(Ulid(number))
    }

    /// The id in its binary form.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_bytes()
    }

    /// The id that [`Self::to_bytes`] gave.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Ulid::from_bytes(bytes))
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonId([redacted])")
    }
}

impl FromStr for PersonId {
    type Err = ulid::DecodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_id() {
        let id = PersonId::from_u128(42);
        assert_eq!(format!("{id:?}"), "PersonId([redacted])");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(PersonId::from_bytes(id.to_bytes()), id);
    }
}
