//! The site's signing key, and the public key that checks its signatures.

use std::fmt;

use ed25519_dalek::{SIGNATURE_LENGTH, Signature, Signer, SigningKey, VerifyingKey};

use crate::{Purpose, SiteSecret};

/// The kind of a signed message. It comes first in the message, so that none passes for another
/// kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signed {
    Pass,
    Card,
    Grant,
    Clock,
}

impl Signed {
    /// Fixed for good; no label is the start of another.
    fn label(self) -> &'static [u8] {
        match self {
            Self::Pass => b"gatehouse pass v1",
            Self::Card => b"gatehouse card v1",
            Self::Grant => b"gatehouse grant v2",
            Self::Clock => b"gatehouse clock v1",
        }
    }

    /// The message to sign: label, the site's key with its length before it, and what is signed.
    fn message(self, site: &str, what: &[u8]) -> Vec<u8> {
        let mut message = self.label().to_vec();
        push_text(&mut message, site);
        message.extend(what);
        message
    }
}

/// Appends a text with its length before it, so that its end can't be moved.
pub(crate) fn push_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_be_bytes());
    bytes.extend(text.as_bytes());
}

/// Reads exactly `2 × N` lower-case hexadecimal digits. Capitals are refused, so that each value
/// has one text.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let read = base16ct::lower::decode(text, &mut bytes).ok()?.len();
    (read == N).then_some(bytes)
}

/// Signs passes, cards, grants and statements of the clock of one site (Ed25519, RFC 8032).
/// Overwritten in memory when dropped; never printed.
#[derive(Clone)]
pub struct SiteSigner(SigningKey);

impl SiteSigner {
    /// The signing key that belongs to a site's secret.
    pub fn new(secret: &SiteSecret) -> Self {
        Self(SigningKey::from_bytes(&secret.derive(Purpose::Signing)))
    }

    /// The public key that checks this key's signatures.
    pub fn verifier(&self) -> SiteVerifier {
        SiteVerifier(self.0.verifying_key())
    }

    pub(crate) fn sign(&self, kind: Signed, site: &str, what: &[u8]) -> [u8; SIGNATURE_LENGTH] {
        self.0.sign(&kind.message(site, what)).to_bytes()
    }
}

impl fmt::Debug for SiteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SiteSigner(redacted)")
    }
}

/// A site's public key. It checks signatures and makes none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SiteVerifier(VerifyingKey);

/// Why a text is not a site's public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifierTextError {
    /// Not 64 hexadecimal digits.
    #[error(
        "a site's public key is 64 hexadecimal digits (0-9, a-f); this has {found} characters, or others among them"
    )]
    Digits {
        /// Characters found, without surrounding white space.
        found: usize,
    },
    /// 64 digits that are not a usable point of the curve.
    #[error("these 64 digits are not a public key; copy it again from the site that signs")]
    NoKey,
}

impl SiteVerifier {
    /// Reads a key as [`Self::to_text`] writes it; white space around it is ignored, and capitals
    /// are taken.
    ///
    /// # Errors
    /// If it isn't 64 hexadecimal digits, or they are no usable key.
    pub fn from_text(text: &str) -> Result<Self, VerifierTextError> {
        let text = text.trim();
        let bytes = from_hex(&text.to_ascii_lowercase())
            .ok_or_else(|| VerifierTextError::Digits { found: text.chars().count() })?;
        match VerifyingKey::from_bytes(&bytes) {
            // Under a weak key one signature fits many messages.
            Ok(key) if !key.is_weak() => Ok(Self(key)),
            _ => Err(VerifierTextError::NoKey),
        }
    }

    /// The key as 64 hexadecimal digits.
    pub fn to_text(&self) -> String {
        base16ct::lower::encode_string(self.0.as_bytes())
    }

    /// True if the site signed this. The strict check of RFC 8032, which accepts one signature per
    /// message only.
    pub(crate) fn verifies(&self, kind: Signed, site: &str, what: &[u8], signature: &[u8; SIGNATURE_LENGTH]) -> bool {
        self.0.verify_strict(&kind.message(site, what), &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Debug for SiteVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SiteVerifier({})", self.to_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> SiteSigner {
        SiteSigner::new(&SiteSecret::from_text(&"42".repeat(32)).expect("it is a secret"))
    }

    #[test]
    fn a_public_key_survives_its_text_and_stays_the_same_for_good() {
        let verifier = signer().verifier();
        assert_eq!(verifier.to_text(), "5e08d6eda7cd2e19f13ad1595e473b00fae9e138ac5732f8e93af57ffcd4fad7");
        assert_eq!(SiteVerifier::from_text(&format!(" {}\n", verifier.to_text().to_uppercase())), Ok(verifier));
        assert_eq!(format!("{:?}", signer()), "SiteSigner(redacted)");
    }

    #[test]
    fn a_text_that_is_no_key_is_named() {
        assert_eq!(SiteVerifier::from_text("abc"), Err(VerifierTextError::Digits { found: 3 }));
        assert_eq!(SiteVerifier::from_text(&"xy".repeat(32)), Err(VerifierTextError::Digits { found: 64 }));
        assert_eq!(SiteVerifier::from_text(&"ü".repeat(32)), Err(VerifierTextError::Digits { found: 32 }));
        // The neutral element, and y = 2, which is on no point of the curve.
        assert_eq!(SiteVerifier::from_text(&format!("01{}", "00".repeat(31))), Err(VerifierTextError::NoKey));
        assert_eq!(SiteVerifier::from_text(&format!("02{}", "00".repeat(31))), Err(VerifierTextError::NoKey));
    }

    #[test]
    fn a_signature_binds_kind_site_and_message() {
        let (signer, kinds) = (signer(), [Signed::Pass, Signed::Card, Signed::Grant, Signed::Clock]);
        let verifier = signer.verifier();
        for kind in kinds {
            let signature = signer.sign(kind, "a/b", b"c");
            for other in kinds {
                assert_eq!(verifier.verifies(other, "a/b", b"c", &signature), kind == other);
            }
            assert!(!verifier.verifies(kind, "a/", b"bc", &signature), "the site's end can't be moved");
            assert!(!verifier.verifies(kind, "a/b", b"d", &signature));
            let stranger = SiteSigner::new(&SiteSecret::from_text(&"43".repeat(32)).expect("it is a secret"));
            assert!(!stranger.verifier().verifies(kind, "a/b", b"c", &signature));
        }
    }
}
