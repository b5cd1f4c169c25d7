//! Card-held templates: a QR code that carries the resident's own template, so that the site stores
//! none.
//!
//! ```text
//! "GH1:" base45( kind 1 B │ site tag 4 B │ id 16 B │ sealed 140 B │ AEAD tag 16 B │ Ed25519 signature 64 B )
//! sealed: template 128 × i8 │ model tag 4 B │ consent until 4 B │ valid until 4 B
//! ```
//! 241 bytes, 366 characters: exactly what QR version 11 (61 modules) holds at level M; version 14
//! (73 modules) at level Q.
//!
//! Sealed with XChaCha20-Poly1305 under a key that is derived from the site's secret, the id as
//! associated data: only the site can read it, and no card's contents fit another's id. The nonce
//! is the id, which [`seal_card`] draws itself, and only once: 80 random bits within one
//! millisecond. A nonce of its own would cost eight bytes more and buy nothing.

use std::fmt;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, Tag, XChaCha20Poly1305, XNonce};
use gatehouse_core::time::WallTime;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::envelope::{self, CredentialError, Kind};
use crate::signing::push_text;
use crate::{NoRandomness, OutOfTime, PassId, Purpose, SiteSecret, SiteSigner, UnixSeconds};

/// Values of a template.
const TEMPLATE: usize = 128;
/// Bytes of what is sealed.
const CONTENTS: usize = TEMPLATE + 12;
/// Bytes of the AEAD's tag.
const AEAD_TAG: usize = 16;

/// Which model made a template: the first four bytes of a hash over its name and version. Templates
/// of two models can't be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModelTag([u8; 4]);

impl ModelTag {
    /// The tag of a model. Whatever else makes templates incomparable, such as a new template key,
    /// belongs into the version.
    pub fn of(name: &str, version: &str) -> Self {
        let mut named = b"gatehouse model v1".to_vec();
        push_text(&mut named, name);
        push_text(&mut named, version);
        let hash = Sha256::digest(&named);
        Self([hash[0], hash[1], hash[2], hash[3]])
    }
}

/// The contents of a card. Overwritten in memory when dropped; never printed.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct CardContents {
    /// The site's own template of the resident, 8 bits a value.
    pub template: [i8; TEMPLATE],
    /// Which model made it.
    #[zeroize(skip)]
    pub model: ModelTag,
    /// End of the consent; no consent from this moment on.
    #[zeroize(skip)]
    pub consent_until: UnixSeconds,
    /// End of the card's validity; invalid from this moment on.
    #[zeroize(skip)]
    pub valid_until: UnixSeconds,
}

impl CardContents {
    /// Checks that the card is valid at `now`.
    ///
    /// # Errors
    /// If the consent or the card has ended; the consent first.
    pub fn check_time(&self, now: WallTime) -> Result<(), OutOfTime> {
        if now >= self.consent_until.to_wall() {
            Err(OutOfTime::ConsentEnded { until: self.consent_until })
        } else if now >= self.valid_until.to_wall() {
            Err(OutOfTime::Expired { until: self.valid_until })
        } else {
            Ok(())
        }
    }

    fn to_bytes(&self) -> Zeroizing<[u8; CONTENTS]> {
        let mut bytes = Zeroizing::new([0; CONTENTS]);
        let (template, rest) = bytes.split_at_mut(TEMPLATE);
        template.iter_mut().zip(&self.template).for_each(|(byte, value)| *byte = value.cast_unsigned());
        rest[..4].copy_from_slice(&self.model.0);
        rest[4..8].copy_from_slice(&self.consent_until.0.to_be_bytes());
        rest[8..].copy_from_slice(&self.valid_until.0.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; CONTENTS]) -> Self {
        let mut template = [0; TEMPLATE];
        template.iter_mut().zip(bytes).for_each(|(value, byte)| *value = byte.cast_signed());
        let four = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        Self {
            template,
            model: ModelTag(four(TEMPLATE)),
            consent_until: UnixSeconds(u32::from_be_bytes(four(TEMPLATE + 4))),
            valid_until: UnixSeconds(u32::from_be_bytes(four(TEMPLATE + 8))),
        }
    }
}

impl fmt::Debug for CardContents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CardContents(redacted)")
    }
}

/// Seals and opens the cards of one site. Overwritten in memory when dropped; never printed.
#[derive(Clone)]
pub struct CardKey(XChaCha20Poly1305);

impl CardKey {
    /// The key that belongs to a site's secret.
    pub fn new(secret: &SiteSecret) -> Self {
        Self(XChaCha20Poly1305::new((&*secret.derive(Purpose::Card)).into()))
    }

    fn nonce(id: PassId) -> XNonce {
        let mut nonce = XNonce::default();
        nonce[..PassId::BYTES].copy_from_slice(&id.to_bytes());
        nonce
    }
}

impl fmt::Debug for CardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CardKey(redacted)")
    }
}

/// A card that this site signed, still sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedCard {
    /// Names the card in the site's store.
    pub id: PassId,
    sealed: [u8; CONTENTS],
    tag: [u8; AEAD_TAG],
}

impl SealedCard {
    /// Bytes of a card before its signature and after kind and site.
    pub(crate) const BODY: usize = PassId::BYTES + CONTENTS + AEAD_TAG;

    pub(crate) fn from_body(body: &[u8; Self::BODY]) -> Self {
        let (mut id, mut sealed, mut tag) = ([0; PassId::BYTES], [0; CONTENTS], [0; AEAD_TAG]);
        id.copy_from_slice(&body[..PassId::BYTES]);
        sealed.copy_from_slice(&body[PassId::BYTES..PassId::BYTES + CONTENTS]);
        tag.copy_from_slice(&body[PassId::BYTES + CONTENTS..]);
        Self { id: PassId::from_bytes(id), sealed, tag }
    }

    /// Opens the card.
    ///
    /// # Errors
    /// If it was sealed with another key.
    pub fn open(&self, key: &CardKey) -> Result<CardContents, CredentialError> {
        let mut contents = Zeroizing::new(self.sealed);
        key.0
            .decrypt_inout_detached(
                &CardKey::nonce(self.id),
                &self.id.to_bytes(),
                contents.as_mut_slice().into(),
                &Tag::from(self.tag),
            )
            .map_err(|_| CredentialError::Unopened)?;
        Ok(CardContents::from_bytes(&contents))
    }
}

impl fmt::Debug for SealedCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedCard({}, redacted)", self.id)
    }
}

/// A card just made.
#[derive(Clone)]
pub struct NewCard {
    /// Names it in the site's store.
    pub id: PassId,
    /// Its text, for the QR code. Given to the resident, and kept nowhere.
    pub text: Zeroizing<String>,
}

impl fmt::Debug for NewCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewCard({}, redacted)", self.id)
    }
}

/// Seals and signs a new card, under an id of its own. `site` is the site's key, such as
/// `gatehouse/v1/area/site`.
///
/// # Errors
/// If the operating system gives no randomness for the id.
pub fn seal_card(
    signer: &SiteSigner,
    key: &CardKey,
    site: &str,
    now: WallTime,
    contents: &CardContents,
) -> Result<NewCard, NoRandomness> {
    let id = PassId::generate(now)?;
    Ok(NewCard { id, text: seal_as(signer, key, site, id, contents) })
}

/// Never twice with one id: it is the nonce.
fn seal_as(signer: &SiteSigner, key: &CardKey, site: &str, id: PassId, contents: &CardContents) -> Zeroizing<String> {
    let mut sealed = contents.to_bytes();
    let tag = key
        .0
        .encrypt_inout_detached(&CardKey::nonce(id), &id.to_bytes(), sealed.as_mut_slice().into())
        .unwrap_or_else(|_| unreachable!("{CONTENTS} bytes are far below the cipher's limit"));
    let mut body = Vec::with_capacity(SealedCard::BODY);
    body.extend(id.to_bytes());
    body.extend(sealed.as_slice());
    body.extend(tag);
    Zeroizing::new(envelope::close(signer, site, Kind::Card, &body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PREFIX, Presented, read};

    const SITE: &str = "gatehouse/v1/area/site";

    fn contents() -> CardContents {
        let mut template = [0; TEMPLATE];
        template.iter_mut().zip(-64..64).for_each(|(value, i)| *value = i);
        CardContents {
            template,
            model: ModelTag::of("faces", "1"),
            consent_until: UnixSeconds(1_800_000_000),
            valid_until: UnixSeconds(1_795_000_000),
        }
    }

    fn secret(byte: &str) -> SiteSecret {
        SiteSecret::from_text(&byte.repeat(32)).expect("it is a secret")
    }

    #[test]
    fn a_card_stays_the_same_for_good() {
        let (signer, key) = (SiteSigner::new(&secret("42")), CardKey::new(&secret("42")));
        let text = seal_as(&signer, &key, SITE, PassId::from_bytes([7; 16]), &contents());
        assert_eq!(
            text.as_str(),
            concat!(
                "GH1:D24 5HB7P:*0:*0:*0:*0:*0:*0:*0B+0EA60LI9G6DH97LO.MRHKDY93+ETZW9I BFY5*KA00C5-IOHCPT6DF",
                "J:RQ$.9 T4VP1:M5QCJ+AQR5C3JL4Z2OBLH HY6CK$O%1VNKS83QUQ386SI8V5WI.:6IMUMUO YPV5MDNOT+EB CYG",
                "4$69W:3:JRJFLQNJX 6+LDQWM563BRODD6:S1ZMAUUNMV5P+IDVNF5N7IP16VF MG$V9PH:7L +QEY6TJN242X2N4.",
                "8HT7B2JUCKF76A5H8P2DVL51JKGDJXT3-2271SAHREFPFNL81N8DABP.:9X:S53R%%SA55TYBK14-C9L5OQ3JBJ1ZG",
                "2GM650"
            )
        );
        let Ok(Presented::Card(card)) = read(&signer.verifier(), SITE, &text) else { panic!("it is a card") };
        assert_eq!(card.open(&key), Ok(contents()));
    }

    #[test]
    fn only_the_sites_own_key_opens_a_card_and_only_under_its_id() {
        let (signer, key) = (SiteSigner::new(&secret("42")), CardKey::new(&secret("42")));
        let card = seal_card(&signer, &key, SITE, WallTime::from_unix_nanos(0), &contents()).expect("randomness");
        let Ok(Presented::Card(sealed)) = read(&signer.verifier(), SITE, &card.text) else { panic!("it is a card") };
        assert_eq!(sealed.id, card.id);
        assert_eq!(sealed.open(&CardKey::new(&secret("43"))), Err(CredentialError::Unopened));
        let moved = SealedCard { id: PassId::from_bytes([7; 16]), ..sealed.clone() };
        assert_eq!(moved.open(&key), Err(CredentialError::Unopened));
        for bit in 0..8 * (CONTENTS + AEAD_TAG) {
            let mut altered = sealed.clone();
            match altered.sealed.get_mut(bit / 8) {
                Some(byte) => *byte ^= 1 << (bit % 8),
                None => altered.tag[bit / 8 - CONTENTS] ^= 1 << (bit % 8),
            }
            assert_eq!(altered.open(&key), Err(CredentialError::Unopened));
        }
    }

    #[test]
    fn nothing_of_a_card_shows_in_debug() {
        let (signer, key) = (SiteSigner::new(&secret("42")), CardKey::new(&secret("42")));
        let card = seal_card(&signer, &key, SITE, WallTime::from_unix_nanos(0), &contents()).expect("randomness");
        let Ok(sealed) = read(&signer.verifier(), SITE, &card.text) else { panic!("it is a card") };
        assert_eq!(format!("{:?} {:?}", contents(), key), "CardContents(redacted) CardKey(redacted)");
        assert_eq!(format!("{card:?}"), format!("NewCard({}, redacted)", card.id));
        assert_eq!(format!("{sealed:?}"), format!("Card(SealedCard({}, redacted))", card.id));
        assert!(!format!("{card:?}").contains(PREFIX));
    }

    #[test]
    fn a_model_tag_depends_on_name_and_version() {
        let tag = ModelTag::of("faces", "1");
        assert_eq!(tag, ModelTag::of("faces", "1"));
        for (name, version) in [("faces", "2"), ("face", "1"), ("faces1", ""), ("", "faces1")] {
            assert_ne!(tag, ModelTag::of(name, version));
        }
    }

    #[test]
    fn a_card_ends_with_itself_or_with_the_consent() {
        let at =
            |seconds: u32, nanos: i64| WallTime::from_unix_nanos(UnixSeconds(seconds).to_wall().unix_nanos() + nanos);
        let card = contents();
        assert_eq!(card.check_time(at(1_795_000_000, -1)), Ok(()));
        assert_eq!(card.check_time(at(1_795_000_000, 0)), Err(OutOfTime::Expired { until: card.valid_until }));
        let card = CardContents { consent_until: UnixSeconds(1_790_000_000), ..contents() };
        assert_eq!(card.check_time(at(1_790_000_000, -1)), Ok(()));
        assert_eq!(card.check_time(at(1_790_000_000, 0)), Err(OutOfTime::ConsentEnded { until: card.consent_until }));
    }
}
