//! Decides which entries open the door: a pure function of the entries seen, their signatures and
//! the node's clock. No wall clock takes part.

use std::time::Duration;

use gatehouse_core::CameraId;
use gatehouse_core::event::EntryEvent;
use gatehouse_core::node_clock::RunId;
use gatehouse_core::time::Monotonic;
use gatehouse_credential::{GrantError, SiteVerifier, check_grant};
use serde::{Deserialize, Serialize};

use crate::node_clock::{NodeClock, NodeTime};

/// Runs of the node that are remembered. The newest is last.
const REMEMBERED_RUNS: usize = 64;

/// Which grants open the door.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The site's key on the bus, `gatehouse/v1/<area>/<site>`, which every signature covers.
    pub site: String,
    /// The gate whose decisions count.
    pub gate: CameraId,
    pub verifier: SiteVerifier,
    /// Age of a picture at which its grant no longer opens the door.
    pub max_age: Duration,
    /// Longest round trip of a query for the node's clock.
    pub clock_error: Duration,
}

/// Why an entry does not open the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("it is another gate's decision")]
    OtherGate,
    #[error(transparent)]
    Grant(GrantError),
    #[error("its age is not known: the node has not answered the door's queries for its clock")]
    NoClock,
    #[error("an earlier run of the node decided it; the node has restarted since")]
    EarlierRun,
    #[error("its grant ended {} ms ago", .ago.as_millis())]
    Expired { ago: Duration },
    #[error("its picture is {} ms old, and `max_age_s` allows {} ms", .age.as_millis(), .allowed.as_millis())]
    Stale { age: Duration, allowed: Duration },
    #[error("it is {} ms ahead of the node's own clock", .ahead.as_millis())]
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
            | Self::NoClock
            | Self::EarlierRun
            | Self::FromTheFuture { .. }
            | Self::OutOfOrder { .. }
            | Self::Expired { .. }
            | Self::Stale { .. } => true,
        }
    }

    /// True if the node's next answer about its clock may lead to another decision: it may have
    /// restarted.
    pub(crate) fn waits_for_clock(&self) -> bool {
        matches!(self, Self::NoClock | Self::EarlierRun | Self::FromTheFuture { .. })
    }
}

/// State that must survive a restart, so that no grant opens the door twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Memory {
    /// The node's runs in which the door opened. Empty until it has opened.
    runs: Vec<RunMemory>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunMemory {
    run: RunId,
    /// No grant from earlier opens the door, in milliseconds since the start of the run.
    not_before_ms: u64,
    /// Highest sequence number that opened the door.
    last_sequence: u64,
}

/// Decides for each entry whether it opens the door. Each grant opens it once at most: entries may
/// be replayed, delayed, reordered or altered on the way, and the controller may restart as long as
/// [`Memory`] is kept.
#[derive(Debug)]
pub(crate) struct Controller {
    pub(crate) rules: Rules,
    /// State to save. Changes with each entry that opens the door.
    pub(crate) memory: Memory,
    /// When the controller started.
    pub(crate) started: Monotonic,
}

impl Controller {
    /// Decides about an entry that arrived from the bus by `now`. `Ok` opens the door once, within
    /// this time from `now`.
    pub(crate) fn decide(
        &mut self,
        entry: &EntryEvent,
        clock: &NodeClock,
        now: Monotonic,
    ) -> Result<Duration, Refusal> {
        let (run, left) = self.check(entry, clock, now)?;
        self.remember(run);
        Ok(left)
    }

    /// What to remember, and how long the grant is good, if the entry opens the door.
    fn check(&self, entry: &EntryEvent, clock: &NodeClock, now: Monotonic) -> Result<(RunMemory, Duration), Refusal> {
        let Rules { site, gate, verifier, max_age, .. } = &self.rules;
        if entry.gate != *gate {
            return Err(Refusal::OtherGate);
        }
        // The signature first: no field of an unsigned entry is read any further.
        check_grant(verifier, site, entry).map_err(Refusal::Grant)?;
        let grant = entry.grant.as_ref().ok_or(Refusal::Grant(GrantError::Missing))?;
        let node = clock.time(now).ok_or(Refusal::NoClock)?;
        if grant.run != node.run {
            return Err(Refusal::EarlierRun);
        }
        let mut run = self.run_memory(&node, now);
        if grant.from_ms < run.not_before_ms {
            return Err(Refusal::BeforeStart);
        }
        if entry.sequence == run.last_sequence {
            return Err(Refusal::Repeated);
        }
        if entry.sequence < run.last_sequence {
            return Err(Refusal::OutOfOrder { sequence: entry.sequence, last: run.last_sequence });
        }
        let ms = Duration::from_millis;
        if grant.from_ms > node.latest_ms {
            return Err(Refusal::FromTheFuture { ahead: ms(grant.from_ms - node.latest_ms) });
        }
        if node.latest_ms >= grant.until_ms {
            return Err(Refusal::Expired { ago: ms(node.latest_ms - grant.until_ms) });
        }
        let age = ms(node.latest_ms - grant.from_ms);
        if age > *max_age {
            return Err(Refusal::Stale { age, allowed: *max_age });
        }
        run.last_sequence = entry.sequence;
        Ok((run, ms(grant.until_ms - node.latest_ms)))
    }

    /// The node's time at this controller's start, at most.
    fn start_ms(&self, node: &NodeTime, now: Monotonic) -> u64 {
        let running = u64::try_from(now.since(self.started).as_millis()).unwrap_or(u64::MAX);
        node.latest_ms.saturating_sub(running)
    }

    fn run_memory(&self, node: &NodeTime, now: Monotonic) -> RunMemory {
        if let Some(known) = self.memory.runs.iter().find(|known| known.run == node.run) {
            return *known;
        }
        // Without any memory, an earlier controller may have opened for what came before.
        let not_before_ms = if self.memory.runs.is_empty() { self.start_ms(node, now) } else { 0 };
        RunMemory { run: node.run, not_before_ms, last_sequence: 0 }
    }

    fn remember(&mut self, run: RunMemory) {
        let runs = &mut self.memory.runs;
        match runs.iter_mut().find(|known| known.run == run.run) {
            Some(known) => *known = run,
            None => runs.push(run),
        }
        if runs.len() > REMEMBERED_RUNS {
            runs.remove(0);
        }
    }

    /// True if a signed entry was decided before this controller started: the bus repeats old
    /// entries to a watcher that joins late.
    pub(crate) fn is_from_before_start(&self, entry: &EntryEvent, clock: &NodeClock, now: Monotonic) -> bool {
        let (Some(grant), Some(node)) = (&entry.grant, clock.time(now)) else { return false };
        grant.run == node.run && grant.from_ms < self.start_ms(&node, now)
    }
}

#[cfg(test)]
mod tests;
