//! Grants: the site's signature on an entry. A gate controller opens for nothing else.

use gatehouse_core::event::{Decision, Direction, EntryEvent, Grant};
use gatehouse_core::node_clock::RunId;
use gatehouse_core::time::WallTime;

use crate::signing::{Signed, from_hex, push_text};
use crate::{SiteSigner, SiteVerifier};

/// Why an entry gives no right to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The gate referred the person to the staffed lane.
    #[error("the gate referred this person to staff")]
    NotAdmitted,
    /// An `admit` without a grant.
    #[error("this entry has no grant; does the gate have the site's key?")]
    Missing,
    /// Not 128 hexadecimal digits.
    #[error("the signature of this grant is not 128 hexadecimal digits (0-9, a-f) but {found} characters")]
    Unreadable {
        /// Characters found.
        found: usize,
    },
    /// Signed by another site, for another gate, or altered since.
    #[error("this site did not sign this grant: it is forged, altered, or from another site")]
    Forged,
}

/// When a grant may be used: on the clock of the node's run, and on its wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantTimes {
    /// The run of the node that gives it.
    pub run: RunId,
    /// Its start, in milliseconds since the start of the run.
    pub from_ms: u64,
    /// Its end, in milliseconds since the start of the run.
    pub until_ms: u64,
    /// Its end on the wall clock. Rounded down to whole milliseconds.
    pub expires_at: WallTime,
}

/// Signs the right to pass that comes with an entry. `site` is the site's key, such as
/// `gatehouse/v1/area/site`. `None` for an entry that isn't an `admit`.
///
/// The signature covers the site, the gate, the event's id and sequence number, the capture time,
/// the direction and all times of the grant.
pub fn sign_grant(signer: &SiteSigner, site: &str, entry: &EntryEvent, times: GrantTimes) -> Option<Grant> {
    let GrantTimes { run, from_ms, until_ms, expires_at } = times;
    // Events travel with milliseconds: what is signed must be what arrives.
    let expires_at = WallTime::from_unix_nanos(expires_at.unix_millis().saturating_mul(1_000_000));
    let mut grant = Grant { expires_at, run, from_ms, until_ms, signature: String::new() };
    grant.signature = base16ct::lower::encode_string(&signer.sign(Signed::Grant, site, &signed_bytes(entry, &grant)));
    (entry.decision == Decision::Admit).then_some(grant)
}

/// Checks that this site signed the grant of an entry. The receiver checks its age, and whether it
/// was used before.
///
/// # Errors
/// If the entry is no `admit`, has no grant, or the site did not sign it as it stands.
pub fn check_grant(verifier: &SiteVerifier, site: &str, entry: &EntryEvent) -> Result<(), GrantError> {
    if entry.decision != Decision::Admit {
        return Err(GrantError::NotAdmitted);
    }
    let grant = entry.grant.as_ref().ok_or(GrantError::Missing)?;
    let signature =
        from_hex(&grant.signature).ok_or_else(|| GrantError::Unreadable { found: grant.signature.chars().count() })?;
    if verifier.verifies(Signed::Grant, site, &signed_bytes(entry, grant), &signature) {
        Ok(())
    } else {
        Err(GrantError::Forged)
    }
}

fn signed_bytes(entry: &EntryEvent, grant: &Grant) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(160);
    push_text(&mut bytes, entry.gate.as_str());
    bytes.extend(entry.event_id.0.to_bytes());
    bytes.extend(entry.sequence.to_be_bytes());
    bytes.extend(entry.capture_time.at.unix_millis().to_be_bytes());
    bytes.extend(grant.expires_at.unix_millis().to_be_bytes());
    bytes.extend(grant.run.0.to_bytes());
    bytes.extend(grant.from_ms.to_be_bytes());
    bytes.extend(grant.until_ms.to_be_bytes());
    bytes.push(match entry.direction {
        Direction::In => 0,
        Direction::Out => 1,
    });
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SiteSecret;
    use gatehouse_core::event::{EntryLatency, EventId, Method, Reason};
    use gatehouse_core::id::CameraId;
    use gatehouse_core::time::{CaptureTime, ClockSource};
    use proptest::prelude::*;
    use ulid::Ulid;

    const SITE: &str = "gatehouse/v1/area/site";
    const MILLISECOND: i64 = 1_000_000;

    fn signer() -> SiteSigner {
        SiteSigner::new(&SiteSecret::from_text(&"42".repeat(32)).expect("it is a secret"))
    }

    fn entry(event: u128, sequence: u64, capture_ms: i64) -> EntryEvent {
        let at = WallTime::from_unix_nanos(capture_ms * MILLISECOND);
        EntryEvent {
            event_id: EventId(Ulid(event)),
            sequence,
            gate: CameraId::new("north"),
            direction: Direction::In,
            decision: Decision::Admit,
            reason: Reason::Matched,
            method: Method::Face,
            capture_time: CaptureTime { at, source: ClockSource::Rtcp, error_ms: 100, clock_offset_ms: None },
            latency_ms: EntryLatency::default(),
            grant: None,
        }
    }

    fn signed(mut entry: EntryEvent, expires_ms: i64) -> EntryEvent {
        entry.grant = sign_grant(&signer(), SITE, &entry, until(expires_ms));
        entry
    }

    fn until(ms: i64) -> GrantTimes {
        let expires_at = WallTime::from_unix_nanos(ms * MILLISECOND);
        GrantTimes { run: RunId(Ulid(77)), from_ms: 1000, until_ms: 6000, expires_at }
    }

    #[test]
    fn a_grant_stays_the_same_for_good() {
        let entry = signed(entry(1, 2, 1_790_000_000_000), 1_790_000_005_000);
        assert_eq!(
            entry.grant.expect("an admit has one").signature,
            "32b718fa5854b63714b99bea81f58fa09eab8bcb140058fd753fbda0d3406bbd611d2a238fba7ff68ff25cdf14ff548a19a440792d8c5d67404910b560114803"
        );
    }

    #[test]
    fn only_an_admit_with_a_grant_passes() {
        let mut entry = entry(1, 2, 3);
        let check = |entry: &EntryEvent| check_grant(&signer().verifier(), SITE, entry);
        assert_eq!(check(&entry), Err(GrantError::Missing));
        entry.decision = Decision::Refer;
        assert_eq!(sign_grant(&signer(), SITE, &entry, until(9)), None);
        assert_eq!(check(&signed(entry.clone(), 9)), Err(GrantError::NotAdmitted));
        entry.decision = Decision::Admit;
        let entry = signed(entry, 9);
        assert_eq!(check(&entry), Ok(()));
        let refer = EntryEvent { decision: Decision::Refer, ..entry.clone() };
        assert_eq!(check(&refer), Err(GrantError::NotAdmitted));
        for text in ["", "00", &"é".repeat(64), &entry.grant.as_ref().expect("signed").signature.to_uppercase()] {
            let mut entry = entry.clone();
            entry.grant.as_mut().expect("signed").signature = text.to_owned();
            assert_eq!(check(&entry), Err(GrantError::Unreadable { found: text.chars().count() }));
        }
    }

    #[test]
    fn a_grant_survives_the_bus() {
        let mut entry = entry(7, 8, 0);
        entry.capture_time.at = WallTime::from_unix_nanos(1_790_000_000_123_456_789);
        let expires_at = WallTime::from_unix_nanos(1_790_000_005_999_999_999);
        entry.grant = sign_grant(&signer(), SITE, &entry, GrantTimes { expires_at, ..until(0) });
        let text = serde_json::to_string(&entry).expect("an event is JSON");
        let arrived: EntryEvent = serde_json::from_str(&text).expect("it reads back");
        assert_eq!(check_grant(&signer().verifier(), SITE, &arrived), Ok(()));
        assert_eq!(arrived.grant, entry.grant);
    }

    proptest! {
        #[test]
        fn a_signed_grant_passes_and_one_with_any_field_altered_fails(
            event: u128, sequence: u64, capture_ms in 0..4_000_000_000_000i64, life_ms in 1..100_000i64,
            other: u64, bit in 0..512usize,
        ) {
            prop_assume!(other != 0);
            let (verifier, good) = (signer().verifier(), signed(entry(event, sequence, capture_ms), capture_ms + life_ms));
            prop_assert_eq!(check_grant(&verifier, SITE, &good), Ok(()));

            let later = |at: WallTime| WallTime::from_unix_nanos(at.unix_nanos() + MILLISECOND * (other % 100_000 + 1) as i64);
            let alterations: [&dyn Fn(&mut EntryEvent); 11] = [
                &|e| e.event_id.0.0 ^= u128::from(other),
                &|e| e.event_id.0.0 ^= u128::from(other) << 64,
                &|e| e.sequence ^= other,
                &|e| e.gate = CameraId::new("south"),
                &|e| e.direction = Direction::Out,
                &|e| e.capture_time.at = later(e.capture_time.at),
                &|e| e.grant.iter_mut().for_each(|grant| grant.expires_at = later(grant.expires_at)),
                &|e| e.grant.iter_mut().for_each(|grant| grant.run.0.0 ^= u128::from(other)),
                &|e| e.grant.iter_mut().for_each(|grant| grant.from_ms ^= other),
                &|e| e.grant.iter_mut().for_each(|grant| grant.until_ms ^= other),
                &|e| e.grant.iter_mut().for_each(|grant| {
                    let mut signature: [u8; 64] = from_hex(&grant.signature).expect("signed");
                    signature[bit / 8] ^= 1 << (bit % 8);
                    grant.signature = base16ct::lower::encode_string(&signature);
                }),
            ];
            for (i, alter) in alterations.iter().enumerate() {
                let mut entry = good.clone();
                alter(&mut entry);
                prop_assert_eq!(check_grant(&verifier, SITE, &entry), Err(GrantError::Forged), "alteration {}", i);
            }
            prop_assert_eq!(check_grant(&verifier, "gatehouse/v1/area/other", &good), Err(GrantError::Forged));
            let stranger = SiteSigner::new(&SiteSecret::from_text(&"43".repeat(32)).expect("it is a secret")).verifier();
            prop_assert_eq!(check_grant(&stranger, SITE, &good), Err(GrantError::Forged));
        }
    }
}
