//! What a gate takes, and what it refuses: round trips, forgeries, and any text at all.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

use gatehouse_core::time::WallTime;
use gatehouse_credential::{
    CardContents, CardKey, CredentialError, ModelTag, OutOfTime, PREFIX, Pass, PassId, Presented, SiteSecret,
    SiteSigner, UnixSeconds, read, seal_card, sign_pass,
};
use proptest::prelude::*;
use qrcode::{EcLevel, QrCode, Version};

const SITE: &str = "gatehouse/v1/area/site";
const NOW: WallTime = WallTime::from_unix_nanos(1_790_000_000_000_000_000);

fn secret(byte: &str) -> SiteSecret {
    SiteSecret::from_text(&byte.repeat(32)).expect("it is a secret")
}

fn signer() -> SiteSigner {
    SiteSigner::new(&secret("42"))
}

fn pass() -> Pass {
    Pass {
        id: PassId::from_bytes([7; 16]),
        valid_from: UnixSeconds(1_790_000_000),
        valid_until: UnixSeconds(1_790_003_600),
    }
}

fn card_text() -> String {
    let contents = CardContents {
        template: [3; 128],
        model: ModelTag::of("faces", "1"),
        consent_until: UnixSeconds(1_790_000_000),
        valid_until: UnixSeconds(1_790_000_000),
    };
    let card = seal_card(&signer(), &CardKey::new(&secret("42")), SITE, NOW, &contents).expect("randomness");
    card.text.to_string()
}

fn read_here(text: &str) -> Result<Presented, CredentialError> {
    read(&signer().verifier(), SITE, text)
}

#[test]
fn a_pass_stays_the_same_for_good() {
    let text = sign_pass(&signer(), SITE, &pass());
    assert_eq!(
        text,
        concat!(
            "GH1:C12 5HB7P:*0:*0:*0:*0:*0:*0:*08.0BIMOAGPIMGAI:SBQN3-:K/JB%NCZRNN1S%XE3OOE3154NJZADW3.P",
            "GVXTP8L8FFH4BC8W$ NY585F0+5ACJGW*T-NCOOBTOPJQ6UK3BNBF0"
        )
    );
    assert_eq!(read_here(&text), Ok(Presented::Pass(pass())));
}

#[test]
fn a_pass_holds_from_its_start_until_just_before_its_end() {
    let at = |seconds: u32, nanos: i64| WallTime::from_unix_nanos(i64::from(seconds) * 1_000_000_000 + nanos);
    let pass = pass();
    assert_eq!(pass.check_time(at(1_790_000_000, -1)), Err(OutOfTime::NotYet { from: pass.valid_from }));
    assert_eq!(pass.check_time(at(1_790_000_000, 0)), Ok(()));
    assert_eq!(pass.check_time(at(1_790_003_600, -1)), Ok(()));
    let expired = pass.check_time(at(1_790_003_600, 0)).expect_err("it has ended");
    assert_eq!(expired, OutOfTime::Expired { until: pass.valid_until });
    assert_eq!(expired.to_string(), "expired at 2026-09-21T15:13:20.000Z");
    let longest = Pass { valid_from: UnixSeconds(0), valid_until: UnixSeconds(u32::MAX), ..pass };
    assert_eq!(read_here(&sign_pass(&signer(), SITE, &longest)), Ok(Presented::Pass(longest)));
    assert_eq!(longest.check_time(at(u32::MAX, -1)), Ok(()));
    assert!(longest.check_time(at(u32::MAX, 0)).is_err());
    assert_eq!(UnixSeconds::of(at(u32::MAX, 999_999_999)), Some(UnixSeconds(u32::MAX)));
    assert_eq!(UnixSeconds::of(at(u32::MAX, 1_000_000_000)), None);
    assert_eq!(UnixSeconds::of(at(0, -1)), None);
}

#[test]
fn what_is_not_ours_is_named() {
    let malformed = |what| Err(CredentialError::Malformed { what });
    for text in ["", "GH1", "gh1:", "GH2:ABC", "https://example.org/", " GH1:00"] {
        assert_eq!(read_here(text), Err(CredentialError::NotOurs), "{text}");
    }
    assert_eq!(read_here("GH1:"), malformed("nothing after the prefix"));
    assert_eq!(read_here("GH1:abc"), malformed("not base45"));
    assert_eq!(read_here("GH1:U5"), Err(CredentialError::UnknownKind { found: 255 }));
    let found = 3000;
    assert_eq!(read_here(&format!("{PREFIX}{}", "A".repeat(2996))), Err(CredentialError::TooLong { found }));
    let text = sign_pass(&signer(), SITE, &pass());
    assert!(matches!(read_here(&text[..text.len() - 2]), Err(CredentialError::Malformed { .. })));
    assert!(matches!(read_here(&format!("{text}\n")), Err(CredentialError::Malformed { .. })));
}

#[test]
fn a_pass_of_another_site_or_another_key_is_refused() {
    let text = sign_pass(&signer(), "gatehouse/v1/area/other", &pass());
    assert_eq!(read_here(&text), Err(CredentialError::OtherSite));
    let text = sign_pass(&SiteSigner::new(&secret("43")), SITE, &pass());
    assert_eq!(read_here(&text), Err(CredentialError::Forged));
}

#[test]
fn the_sizes_that_the_documentation_states() {
    let smallest = |text: &str, level| {
        let code = QrCode::with_error_correction_level(text, level).expect("it fits");
        (code.version(), code.width())
    };
    let (pass, card) = (sign_pass(&signer(), SITE, &pass()), card_text());
    assert_eq!((pass.len(), card.len()), (144, 366));
    assert_eq!(smallest(&pass, EcLevel::L), (Version::Normal(5), 37));
    assert_eq!(smallest(&pass, EcLevel::M), (Version::Normal(6), 41));
    assert_eq!(smallest(&pass, EcLevel::Q), (Version::Normal(8), 49));
    assert_eq!(smallest(&card, EcLevel::L), (Version::Normal(10), 57));
    assert_eq!(smallest(&card, EcLevel::M), (Version::Normal(11), 61));
    assert_eq!(smallest(&card, EcLevel::Q), (Version::Normal(14), 73));
}

/// Every text that differs from `text` in one character.
fn altered(text: &str) -> impl Iterator<Item = String> {
    (PREFIX.len()..text.len()).flat_map(move |at| {
        b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:".iter().filter_map(move |c| {
            let mut bytes = text.as_bytes().to_vec();
            (bytes[at] != *c).then(|| bytes[at] = *c)?;
            String::from_utf8(bytes).ok()
        })
    })
}

#[test]
fn no_character_of_a_pass_or_a_card_can_be_altered() {
    let card = card_text();
    for text in altered(&sign_pass(&signer(), SITE, &pass())).chain(altered(&card).step_by(7)) {
        assert!(read_here(&text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn a_pass_survives_its_text(id: [u8; 16], from: u32, until: u32) {
        let pass =
            Pass { id: PassId::from_bytes(id), valid_from: UnixSeconds(from), valid_until: UnixSeconds(until) };
        let text = sign_pass(&signer(), SITE, &pass);
        prop_assert_eq!(read_here(&text), Ok(Presented::Pass(pass)));
    }

    #[test]
    fn a_card_survives_its_text(template in prop::collection::vec(any::<i8>(), 128), until: [u32; 2], now_ms in 0..1i64 << 41) {
        let (signer, key) = (signer(), CardKey::new(&secret("42")));
        let contents = CardContents {
            template: template.try_into().expect("128 values"),
            model: ModelTag::of("faces", "1"),
            consent_until: UnixSeconds(until[0]),
            valid_until: UnixSeconds(until[1]),
        };
        let now = WallTime::from_unix_nanos(now_ms * 1_000_000);
        let card = seal_card(&signer, &key, SITE, now, &contents).expect("randomness");
        let Ok(Presented::Card(sealed)) = read_here(&card.text) else { panic!("it is a card") };
        prop_assert_eq!(sealed.id, card.id);
        prop_assert!(sealed.open(&key) == Ok(contents));
    }

    #[test]
    fn any_text_at_all_is_refused_and_nothing_panics(text in "(GH1:)?[0-9A-Z $%*+./:-]{0,400}|(GH1:)?.{0,400}") {
        prop_assert!(read_here(&text).is_err());
    }

    #[test]
    fn any_bytes_in_the_right_form_are_refused(kind in 0..40u8, bytes: Vec<u8>, length in 80..250usize) {
        let mut whole = vec![kind];
        whole.extend(bytes.iter().cycle().take(length));
        let text = format!("{PREFIX}{}", base45(&whole));
        prop_assert!(read_here(&text).is_err());
    }
}

/// A second base45, to build what the crate never would.
fn base45(bytes: &[u8]) -> String {
    let digit = |value: u32| char::from(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"[value as usize % 45]);
    bytes
        .chunks(2)
        .flat_map(|pair| {
            let value = pair.iter().fold(0, |value, byte| value * 256 + u32::from(*byte));
            (0..=pair.len() as u32).map(move |i| digit(value / 45u32.pow(i)))
        })
        .collect()
}
