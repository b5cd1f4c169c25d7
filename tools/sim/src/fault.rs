//! Faults of a camera, on demand.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer};

/// A fault of a camera. A mount has at most one lasting fault; a new fault replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// All clients are disconnected once; new connections are accepted. Needs no clearing.
    Drop,
    /// All clients are disconnected and every new request is answered with 503.
    Refuse,
    /// The same picture is repeated in new frames.
    Freeze,
    /// The picture is black.
    Black,
    /// The picture size changes within the same RTP session.
    Resolution {
        /// Pixels, even.
        width: u32,
        /// Pixels, even.
        height: u32,
    },
    /// The connection stays, but sends no RTP data. Sender reports continue.
    Silence,
    /// The camera's password is changed: clients are disconnected, and their old login is rejected.
    /// A mount without a login requires one.
    WrongPassword,
}

/// A fault that could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a fault; expected drop, refuse, freeze, black, resolution WIDTHxHEIGHT, silence or wrong-password"
)]
pub struct FaultError(String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drop => f.write_str("drop"),
            Self::Refuse => f.write_str("refuse"),
            Self::Freeze => f.write_str("freeze"),
            Self::Black => f.write_str("black"),
            Self::Resolution { width, height } => write!(f, "resolution {width}x{height}"),
            Self::Silence => f.write_str("silence"),
            Self::WrongPassword => f.write_str("wrong-password"),
        }
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let error = || FaultError(text.to_owned());
        let mut words = text.split_whitespace();
        let fault = match words.next().ok_or_else(error)? {
            "drop" => Self::Drop,
            "refuse" => Self::Refuse,
            "freeze" => Self::Freeze,
            "black" => Self::Black,
            "silence" => Self::Silence,
            "wrong-password" => Self::WrongPassword,
            "resolution" => {
                let (width, height) = words.next().and_then(|size| size.split_once('x')).ok_or_else(error)?;
                let pixels = |text: &str| text.parse().ok().filter(|n| (16..=7680).contains(n) && n % 2 == 0);
                Self::Resolution { width: pixels(width).ok_or_else(error)?, height: pixels(height).ok_or_else(error)? }
            }
            _ => return Err(error()),
        };
        if words.next().is_some() { Err(error()) } else { Ok(fault) }
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_reads_back_what_it_prints() {
        for fault in [
            Fault::Drop,
            Fault::Refuse,
            Fault::Freeze,
            Fault::Black,
            Fault::Resolution { width: 640, height: 480 },
            Fault::Silence,
            Fault::WrongPassword,
        ] {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "blck", "black now", "resolution", "resolution 640", "resolution 641x480", "resolution 0x0"] {
            assert_eq!(text.parse::<Fault>(), Err(FaultError(text.to_owned())), "{text}");
        }
    }
}
