//! Base45 (RFC 9285): bytes in the 45 characters that a QR code packs tightest, 5.5 bits each.
//!
//! Decoding is strict: no two texts give the same bytes.

const ALPHABET: &[u8; 45] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

/// Characters that `bytes` bytes take.
pub(crate) const fn text_length(bytes: usize) -> usize {
    bytes / 2 * 3 + bytes % 2 * 2
}

/// Appends the text of `bytes`.
pub(crate) fn encode(bytes: &[u8], text: &mut String) {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut push = |mut value: u16, digits: usize| {
        for _ in 0..digits {
            text.push(char::from(ALPHABET[usize::from(value % 45)]));
            value /= 45;
        }
    };
    pairs.iter().for_each(|pair| push(u16::from_be_bytes(*pair), 3));
    rest.iter().for_each(|byte| push(u16::from(*byte), 2));
}

/// The bytes of a text; `None` if it has another character, a length that no bytes have, or a group
/// beyond its range.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 2 / 3 + 1);
    for group in text.as_bytes().chunks(3) {
        // The first digit of a group is the lowest.
        let value = group.iter().rev().try_fold(0u32, |value, c| Some(value * 45 + digit(*c)?))?;
        match group.len() {
            3 => bytes.extend(u16::try_from(value).ok()?.to_be_bytes()),
            2 => bytes.push(u8::try_from(value).ok()?),
            _ => return None,
        }
    }
    Some(bytes)
}

fn digit(c: u8) -> Option<u32> {
    ALPHABET.iter().position(|known| *known == c).and_then(|at| u32::try_from(at).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(bytes: &[u8]) -> String {
        let mut text = String::new();
        encode(bytes, &mut text);
        text
    }

    #[test]
    fn the_examples_of_rfc_9285() {
        for (bytes, text) in
            [("AB", "BB8"), ("Hello!!", "%69 VD92EX0"), ("base-45", "UJCLQE7W581"), ("ietf!", "QED8WEX0")]
        {
            assert_eq!(encoded(bytes.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
        }
    }

    #[test]
    fn what_no_bytes_give_is_refused() {
        for text in ["GGW", ":::", "V5", "A", "BB8A", "bb8", "B B8\n", "Ü5A", "BB,"] {
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(decode("FGW"), Some(vec![255, 255]), "the largest pair");
        assert_eq!(decode("U5"), Some(vec![255]), "the largest single byte");
    }

    proptest! {
        #[test]
        fn bytes_survive_their_text(bytes: Vec<u8>) {
            let text = encoded(&bytes);
            prop_assert_eq!(text.len(), text_length(bytes.len()));
            prop_assert_eq!(decode(&text), Some(bytes));
        }

        #[test]
        fn no_second_text_gives_the_same_bytes(text in "[0-9A-Z $%*+./:-]{0,20}|.{0,20}") {
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(encoded(&bytes), text);
            }
        }
    }
}
