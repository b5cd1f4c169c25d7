//! The envelope of passes and cards: prefix, kind, site and signature, and the function that reads
//! them.

use sha2::{Digest, Sha256};

use crate::card::SealedCard;
use crate::pass::Pass;
use crate::signing::Signed;
use crate::{SiteSigner, SiteVerifier, base45};

/// Prefix of every pass and card, in the alphabet of QR's alphanumeric mode.
pub const PREFIX: &str = "GH1:";

/// Bytes of a signature.
const SIGNATURE: usize = 64;
/// Bytes that say which site it is. Only for the message "other site": the signature covers the
/// site's whole key.
const TAG: usize = 4;
/// Kind and site.
const HEAD: usize = 1 + TAG;

/// First byte of a credential. Fixed for good: a new layout gets a new number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Pass = 0x10,
    Card = 0x20,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Pass, Self::Card];

    fn signed(self) -> Signed {
        match self {
            Self::Pass => Signed::Pass,
            Self::Card => Signed::Card,
        }
    }

    /// Bytes of the whole.
    pub(crate) const fn length(self) -> usize {
        HEAD + SIGNATURE
            + match self {
                Self::Pass => Pass::BODY,
                Self::Card => SealedCard::BODY,
            }
    }
}

/// Characters of the longest text of ours: a card's.
const LONGEST: usize = PREFIX.len() + base45::text_length(Kind::Card.length());

/// Something that the site signed, as shown to a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presented {
    /// A pass. Whether it is in time, taken back or used up is still to be checked.
    Pass(Pass),
    /// A card with a template, still sealed.
    Card(SealedCard),
}

/// Why a text is not a credential of this site.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Any other QR code: an advertisement, a ticket. A gate takes no notice of it.
    #[error("not a pass or card of gatehouse: those begin with `{PREFIX}`")]
    NotOurs,
    /// Longer than any of ours.
    #[error("too long for a pass or a card: {found} bytes of text, at most {LONGEST} expected")]
    TooLong {
        /// Length found, in bytes of UTF-8.
        found: usize,
    },
    /// Cut short, mistyped, or not made by us.
    #[error("damaged: {what}")]
    Malformed {
        /// The fault.
        what: &'static str,
    },
    /// A kind that this version doesn't know.
    #[error("a kind of pass that this version doesn't know (0x{found:02x}); was it issued by a newer version?")]
    UnknownKind {
        /// The kind's number.
        found: u8,
    },
    /// Of another site.
    #[error("issued by another site")]
    OtherSite,
    /// The site did not sign this.
    #[error("this site did not sign it: forged, altered, or signed with a key that is no longer the site's")]
    Forged,
    /// A card that opens with another key only.
    #[error("the site's key cannot open this card")]
    Unopened,
}

/// The site's tag: the first bytes of SHA-256 over its key.
fn tag(site: &str) -> [u8; TAG] {
    let hash = Sha256::new().chain_update(b"gatehouse site v1\0").chain_update(site).finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// Signs a body and writes it as text.
pub(crate) fn close(signer: &SiteSigner, site: &str, kind: Kind, body: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(kind.length());
    bytes.push(kind as u8);
    bytes.extend(tag(site));
    bytes.extend(body);
    let signature = signer.sign(kind.signed(), site, &bytes);
    bytes.extend(signature);
    let mut text = String::with_capacity(LONGEST);
    text.push_str(PREFIX);
    base45::encode(&bytes, &mut text);
    text
}

/// Reads the text of a QR code, and checks that this site signed it. `site` is the site's key, such
/// as `gatehouse/v1/area/site`. Any text may be given. The validity period is not checked: see
/// [`Pass::check_time`].
///
/// # Errors
/// Why it is no credential of this site; [`CredentialError::NotOurs`] is for a gate to ignore.
pub fn read(verifier: &SiteVerifier, site: &str, text: &str) -> Result<Presented, CredentialError> {
    let malformed = |what| CredentialError::Malformed { what };
    let encoded = text.strip_prefix(PREFIX).ok_or(CredentialError::NotOurs)?;
    if text.len() > LONGEST {
        return Err(CredentialError::TooLong { found: text.len() });
    }
    let bytes = base45::decode(encoded).ok_or(malformed("not base45"))?;
    let first = *bytes.first().ok_or(malformed("nothing after the prefix"))?;
    let kind =
        *Kind::ALL.iter().find(|kind| **kind as u8 == first).ok_or(CredentialError::UnknownKind { found: first })?;
    if bytes.len() != kind.length() {
        return Err(malformed("cut short or run together: its length fits no pass and no card"));
    }
    if bytes[1..HEAD] != tag(site) {
        return Err(CredentialError::OtherSite);
    }
    let (signed, signature) = bytes.split_last_chunk::<SIGNATURE>().ok_or(malformed("no signature"))?;
    if !verifier.verifies(kind.signed(), site, signed, signature) {
        return Err(CredentialError::Forged);
    }
    let body = &signed[HEAD..];
    let length = |_| malformed("its length fits no pass and no card");
    Ok(match kind {
        Kind::Pass => Presented::Pass(Pass::from_body(body.try_into().map_err(length)?)),
        Kind::Card => Presented::Card(SealedCard::from_body(body.try_into().map_err(length)?)),
    })
}
