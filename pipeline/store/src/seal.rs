//! Seals values at rest: XChaCha20-Poly1305 with a random nonce, bound to the place of the value.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::error::StoreError;

/// Bytes of a nonce. Long enough to be drawn at random for as many values as a site will ever have.
const NONCE: usize = 24;
pub(crate) type Key = Zeroizing<[u8; 32]>;

/// The place of a sealed value. A value sealed for one place does not open in another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    /// The row: the person, say, and for a template also its model and version.
    pub(crate) row: &'a [&'a str],
}

impl Place<'_> {
    /// Each part after its length, so that no two places have the same bytes.
    fn associated_data(&self) -> Vec<u8> {
        let mut data = Vec::new();
        for part in [self.table, self.column].iter().chain(self.row) {
            data.extend_from_slice(&(part.len() as u64).to_le_bytes());
            data.extend_from_slice(part.as_bytes());
        }
        data
    }
}

/// The cipher of the site, or of one person. It overwrites its key when dropped.
pub(crate) struct Seal(XChaCha20Poly1305);

impl Seal {
    pub(crate) fn new(key: &Key) -> Self {
        Self(XChaCha20Poly1305::new((&**key).into()))
    }

    /// Nonce and ciphertext.
    pub(crate) fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0; NONCE];
        random_bytes(&mut nonce)?;
        let payload = Payload { msg: plain, aad: &place.associated_data() };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload);
        Ok([&nonce[..], &sealed.map_err(|e| StoreError::Random(e.to_string()))?].concat())
    }

    /// The value; none if it was not sealed with this key for this place, or was altered.
    pub(crate) fn open(&self, place: Place<'_>, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: sealed, aad: &place.associated_data() };
        self.0.decrypt(&XNonce::from(*nonce), payload).ok().map(Zeroizing::new)
    }
}

pub(crate) fn new_key() -> Result<Key, StoreError> {
    let mut key = Zeroizing::new([0; 32]);
    random_bytes(key.as_mut())?;
    Ok(key)
}

/// Fills `into` from the operating system.
pub(crate) fn random_bytes(into: &mut [u8]) -> Result<(), StoreError> {
    getrandom::fill(into).map_err(|e| StoreError::Random(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Place<'static> = Place { table: "person", column: "name_sealed", row: &["ab", "c"] };

    fn seal() -> Seal {
        Seal::new(&new_key().expect("randomness"))
    }

    #[test]
    fn a_value_opens_only_where_it_was_sealed_and_unaltered() {
        let seal_here = seal();
        let sealed = seal_here.seal(HERE, b"value").expect("seals");
        assert_eq!(seal_here.open(HERE, &sealed).expect("opens").as_slice(), b"value");
        for elsewhere in [
            Place { table: "consent", ..HERE },
            Place { column: "other", ..HERE },
            Place { row: &["a", "bc"], ..HERE },
            Place { row: &["ab"], ..HERE },
        ] {
            assert!(seal_here.open(elsewhere, &sealed).is_none(), "{elsewhere:?}");
        }
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(seal_here.open(HERE, &altered).is_none(), "byte {at}");
        }
        assert!(seal_here.open(HERE, &sealed[..10]).is_none(), "too short to be one");
        assert!(seal().open(HERE, &sealed).is_none(), "another key");
    }

    #[test]
    fn a_value_sealed_by_an_earlier_version_opens() {
        let seal = Seal::new(&Zeroizing::new([0x42; 32]));
        // Nonce, ciphertext and tag, from an independent implementation (draft-irtf-cfrg-xchacha).
        let sealed =
            ["000102030405060708090a0b0c0d0e0f1011121314151617", "fa9de892a2", "f02ad94aa7cd6a03c4d12f3f0055701f"];
        let sealed = base16ct::lower::decode_vec(sealed.concat()).expect("hexadecimal");
        assert_eq!(seal.open(HERE, &sealed).expect("opens").as_slice(), b"value");
    }

    #[test]
    fn the_same_value_is_never_sealed_alike() {
        let seal = seal();
        assert_ne!(seal.seal(HERE, b"value").expect("seals"), seal.seal(HERE, b"value").expect("seals"));
    }
}
