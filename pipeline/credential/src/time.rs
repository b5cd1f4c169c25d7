//! Times as credentials carry them, and whether one is good now.

use std::fmt;

use gatehouse_core::time::WallTime;

const NANOS: i64 = 1_000_000_000;

/// Whole seconds since 1970-01-01T00:00:00Z, up to the year 2106: four bytes in a QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnixSeconds(pub u32);

impl UnixSeconds {
    /// The second that a moment lies in; `None` before 1970 and after 2106.
    pub fn of(at: WallTime) -> Option<Self> {
        u32::try_from(at.unix_nanos().div_euclid(NANOS)).ok().map(Self)
    }

    /// The moment at which the second begins.
    pub fn to_wall(self) -> WallTime {
        WallTime::from_unix_nanos(i64::from(self.0) * NANOS)
    }
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_wall().fmt(f)
    }
}

/// Why a genuine credential is not good at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutOfTime {
    /// It begins later.
    #[error("not valid before {from}")]
    NotYet {
        /// Its first moment.
        from: UnixSeconds,
    },
    /// It has ended.
    #[error("expired at {until}")]
    Expired {
        /// The first moment at which it is worth nothing.
        until: UnixSeconds,
    },
    /// The consent that a card's template stands on has ended.
    #[error("the consent on this card ended at {until}")]
    ConsentEnded {
        /// The first moment without consent.
        until: UnixSeconds,
    },
}
