//! QR passes: signed, short, with a start and an end. They carry no name and no face data.
//!
//! ```text
//! "GH1:" base45( kind 1 B │ site tag 4 B │ id 16 B │ valid from 4 B │ valid until 4 B │ Ed25519 signature 64 B )
//! ```
//! 93 bytes, 144 characters, QR version 6 (41 modules) at level M. The site's store holds its
//! owner, its number of uses, and its revocation.

use gatehouse_core::time::WallTime;

use crate::envelope::{self, Kind};
use crate::{OutOfTime, PassId, SiteSigner, UnixSeconds};

/// The contents of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// Names the pass in the site's store.
    pub id: PassId,
    /// Start of its validity.
    pub valid_from: UnixSeconds,
    /// End of its validity; invalid from this moment on.
    pub valid_until: UnixSeconds,
}

impl Pass {
    /// Bytes of a pass before its signature and after kind and site.
    pub(crate) const BODY: usize = PassId::BYTES + 8;

    /// Checks that it is valid at `now`: from its start until just before its end.
    ///
    /// # Errors
    /// If it is too early or too late.
    pub fn check_time(&self, now: WallTime) -> Result<(), OutOfTime> {
        if now < self.valid_from.to_wall() {
            Err(OutOfTime::NotYet { from: self.valid_from })
        } else if now >= self.valid_until.to_wall() {
            Err(OutOfTime::Expired { until: self.valid_until })
        } else {
            Ok(())
        }
    }

    pub(crate) fn from_body(body: &[u8; Self::BODY]) -> Self {
        let (id, times) = body.split_first_chunk().unwrap_or_else(|| unreachable!("a body is longer than an id"));
        let second =
            |at: usize| UnixSeconds(u32::from_be_bytes([times[at], times[at + 1], times[at + 2], times[at + 3]]));
        Self { id: PassId::from_bytes(*id), valid_from: second(0), valid_until: second(4) }
    }
}

/// The text of a pass, for a QR code. `site` is the site's key, such as `gatehouse/v1/area/site`.
/// The same pass always has the same text.
pub fn sign_pass(signer: &SiteSigner, site: &str, pass: &Pass) -> String {
    let mut body = Vec::with_capacity(Pass::BODY);
    body.extend(pass.id.to_bytes());
    body.extend(pass.valid_from.0.to_be_bytes());
    body.extend(pass.valid_until.0.to_be_bytes());
    envelope::close(signer, site, Kind::Pass, &body)
}
