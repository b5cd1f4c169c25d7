//! The site's secret, and the keys derived from it.

use std::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of the secret, and of every key derived from it.
const LENGTH: usize = 32;

/// The secret of a site. Keep it away from the store's backups: together they can be read.
/// Overwritten in memory when dropped; never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SiteSecret([u8; LENGTH]);

/// The purpose of a derived key. Each purpose has its own key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Seals what the store holds.
    Store,
    /// Chains the audit log.
    Audit,
    /// Turns embeddings into the site's own templates.
    TemplateProtection,
    /// Signs passes, cards and grants (the seed of an Ed25519 key).
    Signing,
    /// Seals the template on a card.
    Card,
}

impl Purpose {
    /// Fixed for good: another text gives another key.
    fn label(self) -> &'static [u8] {
        match self {
            Self::Store => b"gatehouse store v1",
            Self::Audit => b"gatehouse audit v1",
            Self::TemplateProtection => b"gatehouse template protection v1",
            Self::Signing => b"gatehouse signing v1",
            Self::Card => b"gatehouse card v1",
        }
    }
}

/// Why a text is not a site secret, or none could be generated. Never contains the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretTextError {
    /// Too short or too long.
    #[error("a site key is {} hexadecimal digits; this has {found} characters", 2 * LENGTH)]
    Length {
        /// Characters found, without surrounding white space.
        found: usize,
    },
    /// A character other than `0`–`9` and `a`–`f`.
    #[error("a site key is {} hexadecimal digits; character {position} of this is not one", 2 * LENGTH)]
    Digit {
        /// Which character, counted from 1.
        position: usize,
    },
    /// The operating system gives no random numbers.
    #[error("the operating system gave no random numbers for a new key: {0}")]
    Random(String),
}

impl SiteSecret {
    /// A new secret from the operating system's randomness.
    ///
    /// # Errors
    /// If the operating system gives none.
    pub fn generate() -> Result<Self, SecretTextError> {
        let mut secret = Self([0; LENGTH]);
        getrandom::fill(&mut secret.0).map_err(|e| SecretTextError::Random(e.to_string()))?;
        Ok(secret)
    }

    /// Reads a secret as [`Self::to_text`] writes it; white space around it is ignored.
    ///
    /// # Errors
    /// If the text isn't 64 hexadecimal digits.
    pub fn from_text(text: &str) -> Result<Self, SecretTextError> {
        let text = text.trim();
        let found = text.chars().count();
        if found != 2 * LENGTH {
            return Err(SecretTextError::Length { found });
        }
        if let Some(at) = text.chars().position(|digit| !digit.is_ascii_hexdigit()) {
            return Err(SecretTextError::Digit { position: at + 1 });
        }
        let mut secret = Self([0; LENGTH]);
        base16ct::mixed::decode(text, &mut secret.0).map_err(|_| SecretTextError::Length { found })?;
        Ok(secret)
    }

    /// The secret as 64 hexadecimal digits, to be written to its file and nowhere else.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(base16ct::lower::encode_string(&self.0))
    }

    /// The key for one purpose, by HKDF-SHA256 (RFC 5869) without salt: the secret is random and of
    /// full length.
    pub fn derive(&self, purpose: Purpose) -> Zeroizing<[u8; LENGTH]> {
        let mut key = Zeroizing::new([0; LENGTH]);
        let info = [purpose.label(), b"\0"];
        Hkdf::<Sha256>::new(None, &self.0)
            .expand_multi_info(&info, key.as_mut())
            .unwrap_or_else(|_| unreachable!("32 bytes are far below HKDF's limit"));
        key
    }
}

impl fmt::Debug for SiteSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SiteSecret(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_survives_its_text_and_never_shows_in_debug() {
        let secret = SiteSecret::generate().expect("the system has randomness");
        let text = secret.to_text();
        assert_eq!(text.len(), 64);
        let back = SiteSecret::from_text(&format!("  {}\n", text.to_uppercase())).expect("it is a secret");
        assert_eq!(back.0, secret.0);
        assert_ne!(SiteSecret::generate().expect("randomness").0, secret.0);
        assert!(!format!("{secret:?}").contains(&text[..8]));
    }

    #[test]
    fn a_wrong_text_is_named_without_repeating_it() {
        let error = SiteSecret::from_text("secret").expect_err("too short");
        assert_eq!(error, SecretTextError::Length { found: 6 });
        assert_eq!(error.to_string(), "a site key is 64 hexadecimal digits; this has 6 characters");
        let text = format!("{}é{}", "a".repeat(10), "b".repeat(53));
        assert_eq!(SiteSecret::from_text(&text).expect_err("é is no digit"), SecretTextError::Digit { position: 11 });
    }

    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        let secret = SiteSecret::from_text(&"ab".repeat(32)).expect("it is a secret");
        let purposes = [Purpose::Store, Purpose::Audit, Purpose::TemplateProtection, Purpose::Signing, Purpose::Card];
        let keys = purposes.map(|purpose| secret.derive(purpose));
        for (i, key) in keys.iter().enumerate() {
            assert!(keys[..i].iter().all(|other| other.as_slice() != key.as_slice()));
            assert_ne!(key.as_slice(), secret.0);
        }
        assert_eq!(secret.derive(Purpose::Store).as_slice(), keys[0].as_slice(), "the same every time");
    }

    #[test]
    fn derived_keys_never_change() {
        let secret = SiteSecret::from_text(&"ab".repeat(32)).expect("it is a secret");
        // As Python's `hmac` computes RFC 5869.
        let expected = [
            (Purpose::Store, "46e6ab729abe2f4b0c99282363cc85f822e0129f52db18cdf78429342f08ecce"),
            (Purpose::Audit, "25db348911e220806f127243b5371ef765aeebd720dd6460ce565a52b40334a2"),
            (Purpose::TemplateProtection, "f37417bee381545ac0152d8befc5ed35fe7b1f450efe8c345cddaa3e0d4a8c8c"),
            (Purpose::Signing, "6801a504d1edf6390d005732d013a7f442e86a7337785d29e64849088654b75b"),
            (Purpose::Card, "00a8cec89dc1afc8f4fa16ad32c720b5104fa70ad6907f4fd3c10bb3a3fa2691"),
        ];
        for (purpose, key) in expected {
            assert_eq!(base16ct::lower::encode_string(secret.derive(purpose).as_slice()), key, "{purpose:?}");
        }
    }
}
