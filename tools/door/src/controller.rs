//! Decides which entries open the door: a pure function of the entries seen, their signatures and
//! the time.

use std::collections::BTreeSet;
use std::time::Duration;

use gatehouse_core::CameraId;
use gatehouse_core::event::{EntryEvent, EventId};
use gatehouse_core::time::WallTime;
use gatehouse_credential::{GrantError, SiteVerifier, check_grant};
use serde::{Deserialize, Serialize};

/// Tolerance between the order of sequence numbers and the order of capture times, which event ids
/// carry. A gate decides by no picture that is older than this.
const ORDER_TOLERANCE: Duration = Duration::from_secs(3);
/// Upper bound on the clock error that an entry states: a node uses no camera clock that is further
/// off.
const MAX_STATED_ERROR: Duration = Duration::from_secs(10);

/// Which grants open the door.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The site's key on the bus, `gatehouse/v1/<area>/<site>`, which every signature covers.
    pub site: String,
    /// The gate whose decisions count.
    pub gate: CameraId,
    pub verifier: SiteVerifier,
    /// Age of a capture at which its grant no longer opens the door.
    pub max_age: Duration,
    /// Largest expected difference between the clocks here and at the node.
    pub clock_error: Duration,
}

/// Why an entry does not open the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("it is another gate's decision")]
    OtherGate,
    #[error(transparent)]
    Grant(GrantError),
    #[error("its grant ended {} ms ago", .ago.as_millis())]
    Expired { ago: Duration },
    #[error("its picture is {} ms old; are the clocks here and at the node right?", .age.as_millis())]
    Stale { age: Duration },
    #[error("it is from {} ms in the future; are the clocks here and at the node right?", .ahead.as_millis())]
    FromTheFuture { ahead: Duration },
    /// It is older than this controller, which does not know for which entries the door had opened
    /// then.
    #[error("it is older than this controller's start, and earlier openings are not known")]
    BeforeStart,
    #[error("the door has already opened for it")]
    Repeated,
    #[error("it is number {sequence}, and the door has already opened for number {last}")]
    OutOfOrder { sequence: u64, last: u64 },
}

impl Refusal {
    /// True if it points to a fault or an attack. Decisions that never open a door, and entries
    /// that the bus repeats to a late watcher, do not.
    pub(crate) fn is_noteworthy(&self) -> bool {
        match self {
            Self::OtherGate | Self::Grant(GrantError::NotAdmitted) | Self::Repeated | Self::BeforeStart => false,
            Self::Grant(_)
            | Self::FromTheFuture { .. }
            | Self::OutOfOrder { .. }
            | Self::Expired { .. }
            | Self::Stale { .. } => true,
        }
    }
}

/// State that must survive a restart, so that no grant opens the door twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Memory {
    /// Nothing captured earlier opens the door, in milliseconds since 1970.
    not_before_ms: i64,
    /// Highest sequence number of the current count that opened the door; 0 for none.
    last_sequence: u64,
    /// Latest time in the id of an event that opened the door, in milliseconds since 1970.
    last_made_ms: u64,
    /// Events within [`ORDER_TOLERANCE`] before that. Older ones are refused for their time.
    recent: BTreeSet<EventId>,
}

impl Memory {
    /// The memory of a controller that starts for the first time.
    pub(crate) fn new(now: WallTime) -> Self {
        Self { not_before_ms: now.unix_millis(), last_sequence: 0, last_made_ms: 0, recent: BTreeSet::new() }
    }
}

/// Decides for each entry whether it opens the door. Each grant opens it once at most: entries may
/// be replayed, delayed, reordered or altered on the way, and the controller may restart as long as
/// [`Memory`] is kept.
#[derive(Debug)]
pub(crate) struct Controller {
    pub(crate) rules: Rules,
    /// State to save. Changes with each entry that opens the door.
    pub(crate) memory: Memory,
}

impl Controller {
    /// Decides about an entry from the bus, at the wall time `now`. `Ok` opens the door once,
    /// before the end of the grant.
    pub(crate) fn decide(&mut self, entry: &EntryEvent, now: WallTime) -> Result<WallTime, Refusal> {
        let until = self.check(entry, now)?;
        self.remember(entry);
        Ok(until)
    }

    /// The end of the grant, if the entry opens the door.
    fn check(&self, entry: &EntryEvent, now: WallTime) -> Result<WallTime, Refusal> {
        let Rules { site, gate, verifier, max_age, clock_error } = &self.rules;
        if entry.gate != *gate {
            return Err(Refusal::OtherGate);
        }
        // The signature first: no field of an unsigned entry is read any further.
        check_grant(verifier, site, entry).map_err(Refusal::Grant)?;
        let grant = entry.grant.as_ref().ok_or(Refusal::Grant(GrantError::Missing))?;
        let (captured, memory) = (entry.capture_time.at, &self.memory);
        if captured.unix_millis() < memory.not_before_ms {
            return Err(Refusal::BeforeStart);
        }
        if now >= grant.expires_at {
            return Err(Refusal::Expired { ago: now.distance(grant.expires_at) });
        }
        if captured < now && now.distance(captured) > *max_age {
            return Err(Refusal::Stale { age: now.distance(captured) });
        }
        // A camera's clock may be ahead of its node's by the error that the entry states.
        let stated = Duration::from_millis(entry.capture_time.error_ms.into()).min(MAX_STATED_ERROR);
        let latest_capture = now + *clock_error + stated;
        if captured > latest_capture {
            return Err(Refusal::FromTheFuture { ahead: captured.distance(now) });
        }
        let made_ms = entry.event_id.0.timestamp_ms();
        let latest_made_ms = (now + *clock_error).unix_millis().max(0).unsigned_abs();
        if made_ms > latest_made_ms {
            let ahead = Duration::from_millis(made_ms.saturating_sub(now.unix_millis().max(0).unsigned_abs()));
            return Err(Refusal::FromTheFuture { ahead });
        }
        if memory.recent.contains(&entry.event_id) {
            return Err(Refusal::Repeated);
        }
        let moment = ORDER_TOLERANCE.as_millis() as u64;
        let is_next = entry.sequence > memory.last_sequence && made_ms.saturating_add(moment) >= memory.last_made_ms;
        // A gate that lost its store counts from 1 again. Its new decisions are later than all old
        // ones.
        let count_restarted =
            entry.sequence <= memory.last_sequence && made_ms > memory.last_made_ms.saturating_add(moment);
        if !is_next && !count_restarted {
            return Err(Refusal::OutOfOrder { sequence: entry.sequence, last: memory.last_sequence });
        }
        Ok(grant.expires_at)
    }

    fn remember(&mut self, entry: &EntryEvent) {
        let memory = &mut self.memory;
        memory.last_sequence = entry.sequence;
        memory.last_made_ms = memory.last_made_ms.max(entry.event_id.0.timestamp_ms());
        memory.recent.insert(entry.event_id);
        let oldest = memory.last_made_ms.saturating_sub(ORDER_TOLERANCE.as_millis() as u64);
        memory.recent.retain(|id| id.0.timestamp_ms() >= oldest);
    }
}

#[cfg(test)]
mod tests;
