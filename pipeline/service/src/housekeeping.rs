//! What a site does with its records while nobody looks: removes what is past its time, warns before limits that the law ties
//! to the number of stored people, and counts who is inside. On a thread of its own and with a store of its own, since it reads
//! more than a decision, or the gallery's watch, may wait for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use gatehouse_core::CameraId;
use gatehouse_core::log_limit::LogLimit;
use gatehouse_core::time::{Clock, Monotonic};
use gatehouse_store::{Actor, Applied, Retention, Store, warnings};

/// How often people inside are counted.
const COUNT_EVERY: Duration = Duration::from_secs(20);
/// How often old records are removed, and limits looked at.
const TIDY_EVERY: Duration = Duration::from_secs(3600);

/// How many people are inside; nothing where exits aren't watched, or it couldn't be counted.
#[derive(Debug)]
pub(crate) struct Present(AtomicU32);

const UNKNOWN: u32 = u32::MAX;

impl Default for Present {
    fn default() -> Self {
        Self(AtomicU32::new(UNKNOWN))
    }
}

impl Present {
    pub(crate) fn get(&self) -> Option<u32> {
        Some(self.0.load(Ordering::Relaxed)).filter(|count| *count != UNKNOWN)
    }

    fn set(&self, count: Option<u64>) {
        let count = count.map_or(UNKNOWN, |count| u32::try_from(count).unwrap_or(UNKNOWN - 1).min(UNKNOWN - 1));
        self.0.store(count, Ordering::Relaxed);
    }
}

/// The site's housekeeping.
pub(crate) struct Housekeeping {
    /// Opened for this alone: a store is used by one thread at a time.
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) retention: Retention,
    /// Stored people from which on the law asks for more.
    pub(crate) people_limit: u64,
    /// Gates whose threshold is computed for so many enrolled faces.
    pub(crate) targets: Vec<(CameraId, u64)>,
    /// Where to put the number of people inside; none where no exit is watched.
    pub(crate) present: Option<Arc<Present>>,
}

impl Housekeeping {
    /// Works until `stop` is closed.
    pub(crate) fn run(&self, stop: &Receiver<()>) {
        let failures = LogLimit::default();
        let mut tidied: Option<Monotonic> = None;
        loop {
            let now = self.clock.monotonic();
            if tidied.is_none_or(|at| now.since(at) >= TIDY_EVERY) {
                tidied = Some(now);
                self.tidy();
            }
            if let Some(present) = &self.present {
                let now = self.clock.wall();
                let count = self.store.present(now - self.retention.entry_log, now);
                present.set(
                    count.inspect_err(|e| self.complain(&failures, &format!("people inside aren't counted: {e}"))).ok(),
                );
            }
            if stop.recv_timeout(COUNT_EVERY) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    fn complain(&self, failures: &LogLimit, what: &str) {
        if let Some(times) = failures.count(self.clock.monotonic()) {
            tracing::error!(times, "{what}");
        }
    }

    fn tidy(&self) {
        match self.store.apply_retention(&self.retention, &Actor::gatehouse(), self.clock.wall()) {
            Ok(applied) if applied == Applied::default() => {}
            Ok(Applied { outbox, entry_log, people, faces, passes, audit, audit_fault }) => {
                tracing::info!(outbox, entry_log, people, faces, passes, audit, "records past their time were removed");
                if let Some(fault) = audit_fault {
                    tracing::error!("the audit log is not as it was written, so nothing of it was removed: {fault}");
                }
            }
            Err(e) => tracing::error!("records past their time are still there: {e}"),
        }
        match self.store.count(self.clock.wall()) {
            Ok(counts) => {
                if let Some(warning) = warnings(&counts, self.people_limit) {
                    tracing::warn!("{warning}; the law may ask for a filing or more: see store.people_limit");
                }
                for (gate, enrolled) in self.targets.iter().filter(|(_, enrolled)| counts.with_face > *enrolled) {
                    tracing::warn!(
                        %gate, faces = counts.with_face, enrolled,
                        "more faces are enrolled than the gate's target was set for, so more strangers are let in than it says: \
                         raise match_target's `enrolled`, and restart the node"
                    );
                }
            }
            Err(e) => tracing::error!("stored people can't be counted: {e}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_inside_is_not_the_same_as_not_known() {
        let present = Present::default();
        assert_eq!(present.get(), None);
        present.set(Some(0));
        assert_eq!(present.get(), Some(0));
        present.set(Some(u64::MAX));
        assert_eq!(present.get(), Some(u32::MAX - 1));
        present.set(None);
        assert_eq!(present.get(), None);
    }
}
