//! What a node states about its own clock, so that a door can judge the age of a grant.
//!
//! Wall clocks may be wrong, and may be set at any moment. So a grant states times on the node's
//! monotonic clock, which begins at zero in each run. A door asks for the time on that clock.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::time::WallTime;

/// One run of a node, from its start to its end. Drawn at random at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RunId(#[schemars(with = "String", regex(pattern = r"^[0-9A-HJKMNP-TV-Z]{26}$"))] pub Ulid);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The answer to a query for a node's clock (`node/<node>/clock`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockStatement {
    /// The node's current run.
    pub run: RunId,
    /// Milliseconds since the start of this run, on the node's monotonic clock.
    pub now_ms: u64,
    /// The node's wall clock. No decision depends on it.
    pub at: WallTime,
    /// The text of the query, unchanged. It proves that the answer is new.
    pub nonce: String,
    /// The site's Ed25519 signature (RFC 8032) over site, run, `now_ms`, `at` and nonce: 128
    /// hexadecimal digits.
    #[schemars(regex(pattern = r"^[0-9a-f]{128}$"))]
    pub signature: String,
}

/// Longest nonce that a node signs, in bytes.
pub const LONGEST_NONCE: usize = 64;
