//! The site's signature on what a node states about its clock.

use gatehouse_core::node_clock::{ClockStatement, RunId};
use gatehouse_core::time::WallTime;

use crate::signing::{Signed, from_hex, push_text};
use crate::{SiteSigner, SiteVerifier};

/// States a node's clock in answer to a query with this nonce: `now_ms` milliseconds after the
/// start of `run`, and `at` on its wall clock (rounded down to whole milliseconds).
pub fn state_clock(
    signer: &SiteSigner,
    site: &str,
    run: RunId,
    now_ms: u64,
    at: WallTime,
    nonce: String,
) -> ClockStatement {
    let at = WallTime::from_unix_nanos(at.unix_millis().saturating_mul(1_000_000));
    let mut statement = ClockStatement { run, now_ms, at, nonce, signature: String::new() };
    let signature = signer.sign(Signed::Clock, site, &signed_bytes(&statement));
    statement.signature = base16ct::lower::encode_string(&signature);
    statement
}

/// True if this site signed the statement as it stands. The receiver compares the nonce with its
/// own.
pub fn is_clock_of(verifier: &SiteVerifier, site: &str, statement: &ClockStatement) -> bool {
    from_hex(&statement.signature)
        .is_some_and(|signature| verifier.verifies(Signed::Clock, site, &signed_bytes(statement), &signature))
}

fn signed_bytes(statement: &ClockStatement) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    bytes.extend(statement.run.0.to_bytes());
    bytes.extend(statement.now_ms.to_be_bytes());
    bytes.extend(statement.at.unix_millis().to_be_bytes());
    push_text(&mut bytes, &statement.nonce);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SiteSecret;
    use ulid::Ulid;

    const SITE: &str = "gatehouse/v1/area/site";

    #[test]
    fn a_statement_survives_the_bus_and_no_altered_one_passes() {
        let signer = SiteSigner::new(&SiteSecret::from_text(&"42".repeat(32)).expect("it is a secret"));
        let at = WallTime::from_unix_nanos(1_790_000_000_123_456_789);
        let stated = state_clock(&signer, SITE, RunId(Ulid(5)), 1234, at, "a nonce".into());
        let text = serde_json::to_string(&stated).expect("it is JSON");
        let arrived: ClockStatement = serde_json::from_str(&text).expect("it reads back");
        assert_eq!(arrived, stated);
        let verifier = signer.verifier();
        assert!(is_clock_of(&verifier, SITE, &arrived));
        assert!(!is_clock_of(&verifier, "gatehouse/v1/area/other", &arrived));
        let alterations: [fn(&mut ClockStatement); 5] = [
            |s| s.run.0.0 += 1,
            |s| s.now_ms += 1,
            |s| s.at = s.at + std::time::Duration::from_millis(1),
            |s| s.nonce.push('x'),
            |s| s.signature = s.signature.to_uppercase(),
        ];
        for alter in alterations {
            let mut altered = stated.clone();
            alter(&mut altered);
            assert!(!is_clock_of(&verifier, SITE, &altered), "{altered:?}");
        }
    }
}
