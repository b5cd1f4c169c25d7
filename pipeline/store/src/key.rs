//! The site's key.

use std::fmt;

use chacha20poly1305::aead::OsRng;
use chacha20poly1305::aead::rand_core::RngCore;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of a key.
const LENGTH: usize = 32;

/// Seals names and templates of one site. Kept outside the store, and never beside its backups: whoever has both can
/// read both. Overwritten in memory when dropped; never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SiteEncryptionKey([u8; LENGTH]);

/// Why a text is no key, or none could be made. Never says what the text was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Too short or too long.
    #[error("a site key is {} hexadecimal digits, this has {found} characters", 2 * LENGTH)]
    Length {
        /// Characters found, without surrounding white space.
        found: usize,
    },
    /// Something else than `0`–`9` and `a`–`f`.
    #[error("a site key is {} hexadecimal digits, character {position} of this is none", 2 * LENGTH)]
    Digit {
        /// Which character, counted from 1.
        position: usize,
    },
    /// The operating system gives no random numbers.
    #[error("the operating system gave no random numbers for a new key: {0}")]
    Random(String),
}

impl SiteEncryptionKey {
    /// A new key from the operating system's randomness.
    ///
    /// # Errors
    /// If the operating system gives none.
    pub fn generate() -> Result<Self, KeyError> {
        let mut key = Self([0; LENGTH]);
        random_bytes(&mut key.0).map_err(KeyError::Random)?;
        Ok(key)
    }

    /// Reads a key as [`Self::to_text`] writes it; white space around it is ignored.
    ///
    /// # Errors
    /// If the text isn't 64 hexadecimal digits.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let found = text.chars().count();
        if found != 2 * LENGTH {
            return Err(KeyError::Length { found });
        }
        let mut key = Self([0; LENGTH]);
        for (i, digit) in text.chars().enumerate() {
            let value = digit.to_digit(16).ok_or(KeyError::Digit { position: i + 1 })?;
            key.0[i / 2] = key.0[i / 2] << 4 | value as u8;
        }
        Ok(key)
    }

    /// The key as 64 hexadecimal digits, to be written to its file and nowhere else.
    pub fn to_text(&self) -> Zeroizing<String> {
        // Sized up front: growing would leave copies behind that nobody overwrites.
        let mut text = Zeroizing::new(String::with_capacity(2 * LENGTH));
        for byte in self.0 {
            for half in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(u32::from(half), 16));
            }
        }
        text
    }

    pub(crate) fn bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

impl fmt::Debug for SiteEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SiteEncryptionKey(redacted)")
    }
}

/// Fills `into` from the operating system, or says why not.
pub(crate) fn random_bytes(into: &mut [u8]) -> Result<(), String> {
    OsRng.try_fill_bytes(into).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_text_and_never_shows_in_debug() {
        let key = SiteEncryptionKey::generate().expect("the system has randomness");
        let text = key.to_text();
        assert_eq!(text.len(), 64);
        let back = SiteEncryptionKey::from_text(&format!("  {}\n", text.to_uppercase())).expect("it is a key");
        assert_eq!(back.bytes(), key.bytes());
        assert_ne!(SiteEncryptionKey::generate().expect("randomness").bytes(), key.bytes());
        assert!(!format!("{key:?}").contains(&text[..8]));
    }

    #[test]
    fn a_wrong_text_is_named_without_repeating_it() {
        let error = SiteEncryptionKey::from_text("secret").expect_err("too short");
        assert_eq!(error, KeyError::Length { found: 6 });
        assert_eq!(error.to_string(), "a site key is 64 hexadecimal digits, this has 6 characters");
        let text = format!("{}é{}", "a".repeat(10), "b".repeat(53));
        assert_eq!(SiteEncryptionKey::from_text(&text).expect_err("é is no digit"), KeyError::Digit { position: 11 });
    }
}
