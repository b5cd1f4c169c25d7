//! The name of a pass or a card.

use std::fmt;
use std::str::FromStr;

use gatehouse_core::time::WallTime;
use ulid::{ULID_LEN, Ulid};

/// Names a pass or a card for good. A ULID: sorts by the time of issue. It does not say whose the
/// pass is. `Display` writes it; `Debug` does not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PassId(Ulid);

/// Why a text is not the id of a pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PassIdError {
    /// Too short or too long.
    #[error("the id of a pass has {ULID_LEN} characters, this has {found}")]
    Length {
        /// Characters found.
        found: usize,
    },
    /// Something else than digits and letters, or `I`, `L`, `O` or `U`.
    #[error("the id of a pass is made of 0-9 and A-Z without I, L, O and U, and this has something else")]
    Character,
    /// More than 128 bits.
    #[error("the id of a pass begins with 0-7, this begins with {found}")]
    TooLarge {
        /// The first character.
        found: char,
    },
}

/// The operating system gives no random numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random numbers for a new id: {0}")]
pub struct NoRandomness(pub String);

/// A new ULID: 48 bits of time, 80 bits of the operating system's randomness.
pub(crate) fn new_ulid(now: WallTime) -> Result<Ulid, NoRandomness> {
    let mut random = [0; 16];
    getrandom::fill(&mut random[6..]).map_err(|e| NoRandomness(e.to_string()))?;
    let millis = u64::try_from(now.unix_millis()).unwrap_or(0);
    Ok(Ulid::from_parts(millis, u128::from_be_bytes(random)))
}

impl PassId {
    /// Bytes of an id.
    pub const BYTES: usize = 16;

    /// A new id: 48 bits of time, 80 bits from the operating system's randomness.
    ///
    /// # Errors
    /// If the operating system gives none.
    pub fn generate(now: WallTime) -> Result<Self, NoRandomness> {
        new_ulid(now).map(Self)
    }

    /// The id in its short binary form.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        self.0.to_bytes()
    }

    /// The id that [`Self::to_bytes`] gave. Any bytes are one.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(Ulid::from_bytes(bytes))
    }

    /// The id whose number this is.
    pub const fn from_u128(number: u128) -> Self {
        Self(Ulid(number))
    }

    /// The last eight characters: enough to tell passes apart on a list, or on paper.
    pub fn short(self) -> String {
        self.0.to_string().split_off(ULID_LEN - 8)
    }
}

impl fmt::Display for PassId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.array_to_str(&mut [0; ULID_LEN]))
    }
}

impl fmt::Debug for PassId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PassId([redacted])")
    }
}

impl FromStr for PassId {
    type Err = PassIdError;

    /// Reads what `Display` writes; lower-case letters are taken too, as people type them.
    fn from_str(text: &str) -> Result<Self, PassIdError> {
        let found = text.chars().count();
        if found != ULID_LEN {
            return Err(PassIdError::Length { found });
        }
        let ulid = Ulid::from_string(text).map_err(|_| PassIdError::Character)?;
        // 26 characters hold 130 bits; the two that don't fit would be dropped, and two texts name
        // one pass.
        match text.chars().next() {
            Some(first @ '8'..) => Err(PassIdError::TooLarge { found: first }),
            _ => Ok(Self(ulid)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_survives_its_text_and_its_bytes(bits: u128) {
            let id = PassId(Ulid(bits));
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(id.to_string().to_lowercase().parse(), Ok(id));
            prop_assert_eq!(PassId::from_bytes(id.to_bytes()), id);
            prop_assert!(id.to_string().ends_with(&id.short()));
        }

        #[test]
        fn any_text_is_read_or_refused_and_names_one_pass(text in "[0-9A-Za-z]{26}|.{0,30}") {
            if let Ok(id) = text.parse::<PassId>() {
                prop_assert_eq!(id.to_string(), text.to_uppercase());
            }
        }
    }

    #[test]
    fn a_new_id_begins_with_its_time_and_comes_once() {
        let now = WallTime::from_unix_nanos(1_790_000_000_123_000_000);
        let ids = [PassId::generate(now), PassId::generate(now)].map(|id| id.expect("the system has randomness"));
        assert_ne!(ids[0], ids[1]);
        assert!(ids.iter().all(|id| id.0.timestamp_ms() == 1_790_000_000_123));
    }

    #[test]
    fn a_wrong_text_is_named() {
        let error = |text: &str| text.parse::<PassId>().expect_err("it names no pass").to_string();
        assert_eq!(error("01ARZ3"), "the id of a pass has 26 characters, this has 6");
        assert!(error("01ARZ3NDEKTSV4RRFFQ69G5FAI").contains("something else"));
        assert_eq!(error("81ARZ3NDEKTSV4RRFFQ69G5FAV"), "the id of a pass begins with 0-7, this begins with 8");
    }
}
