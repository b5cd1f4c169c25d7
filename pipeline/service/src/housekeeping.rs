//! Housekeeping: removes records past their retention, warns before limits that the law ties to the
//! number of stored people, and counts the people inside.
//!
//! It has a thread and a store of its own, because it reads more than a decision or the gallery may
//! wait for.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;
use gatehouse_config::{GateCamera, Site};
use gatehouse_core::CameraId;
use gatehouse_core::event::Direction;
use gatehouse_core::log_limit::LogLimit;
use gatehouse_core::time::{Clock, Monotonic};
use gatehouse_store::{Actor, Applied, Retention, Store, warnings};
use parking_lot::Mutex;

use crate::threads::pause;

/// Time between two counts of the people inside.
const COUNT_EVERY: Duration = Duration::from_secs(20);
/// Time between two removals of old records, and two checks of the limits.
const TIDY_EVERY: Duration = Duration::from_secs(3600);

/// The number of people inside. `None` if no camera watches an exit, or the count failed.
pub(crate) type Present = Mutex<Option<u32>>;

/// The site's housekeeping.
pub(crate) struct Housekeeping {
    /// Used by this thread alone.
    store: Store,
    clock: Arc<dyn Clock>,
    retention: Retention,
    /// Number of stored people from which on the law may ask for a filing.
    people_limit: u64,
    /// Gates whose threshold is computed for a number of enrolled faces, with that number.
    targets: Vec<(CameraId, u64)>,
    /// `None` if no camera watches an exit.
    present: Option<Arc<Present>>,
}

/// Builds the housekeeping of a site, on a store that nothing else uses.
pub(crate) fn build(site: &Site, store: Store, clock: &Arc<dyn Clock>, present: Arc<Present>) -> Housekeeping {
    let target = |gate: &GateCamera| Some((gate.id.clone(), gate.match_target.as_ref()?.enrolled));
    Housekeeping {
        store,
        clock: Arc::clone(clock),
        retention: Retention {
            outbox: site.store.outbox,
            entry_log: site.store.entry_log,
            ended_consents: site.store.ended_consent,
            audit: site.store.audit,
            ended_passes: site.store.ended_pass,
        },
        people_limit: site.store.people_limit,
        targets: site.gates.iter().filter_map(target).collect(),
        present: site.gates.iter().any(|gate| gate.direction == Direction::Out).then_some(present),
    }
}

impl Housekeeping {
    /// Works until `stopped` is closed.
    pub(crate) fn run(&self, stopped: &Receiver<()>) {
        let failures = LogLimit::default();
        let mut tidied: Option<Monotonic> = None;
        loop {
            let now = self.clock.monotonic();
            if tidied.is_none_or(|at| now.since(at) >= TIDY_EVERY) {
                tidied = Some(now);
                self.tidy();
            }
            if let Some(present) = &self.present {
                self.count_people_inside(present, &failures);
            }
            if !pause(self.clock.as_ref(), COUNT_EVERY, stopped) {
                return;
            }
        }
    }

    fn count_people_inside(&self, present: &Present, failures: &LogLimit) {
        let now = self.clock.wall();
        let count = self.store.present(now - self.retention.entry_log, now);
        if let Err(e) = &count
            && let Some(times) = failures.count(self.clock.monotonic())
        {
            tracing::error!(times, "the store cannot count the people inside, and tallies leave the number out: {e}");
        }
        *present.lock() = count.ok().map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    }

    fn tidy(&self) {
        match self.store.apply_retention(&self.retention, &Actor::gatehouse(), self.clock.wall()) {
            Ok(applied) if applied == Applied::default() => {}
            Ok(Applied { outbox, entry_log, people, faces, passes, audit, audit_fault }) => {
                tracing::info!(
                    outbox,
                    entry_log,
                    people,
                    faces,
                    passes,
                    audit,
                    "records past their retention were removed"
                );
                if let Some(fault) = audit_fault {
                    tracing::error!("the audit log was changed by another program, and no row was removed: {fault}");
                }
            }
            Err(e) => {
                tracing::error!("records past their retention cannot be removed; the next try is in an hour: {e}")
            }
        }
        match self.store.count(self.clock.wall()) {
            Ok(counts) => {
                if let Some(warning) = warnings(&counts, self.people_limit) {
                    tracing::warn!("{warning}; the law may ask for a filing or more: see store.people_limit");
                }
                for (gate, enrolled) in self.targets.iter().filter(|(_, enrolled)| counts.with_face > *enrolled) {
                    tracing::warn!(
                        camera = %gate, faces = counts.with_face, enrolled,
                        "more faces are enrolled than the gate's target was set for, so the gate admits more strangers than its \
                         target says: raise `enrolled` in `match_target`, and restart the node"
                    );
                }
            }
            Err(e) => tracing::error!("the store cannot count stored people, and limits are not checked: {e}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crossbeam_channel::bounded;
    use gatehouse_credential::SiteSecret;
    use gatehouse_testing::clock::ManualClock;

    use super::*;

    #[test]
    fn people_inside_are_counted_every_twenty_seconds() {
        let text = r#"
            version = 1
            [site]
            id = "north-gate"
            area = "riverside"
            [store]
            key = "file:site.key"
            [[gate]]
            id = "gate-1"
            source = "rtsp://192.0.2.11/main"
            liveness = "off"
            direction = "out"
        "#;
        let site = Site::parse(text, Path::new("site.toml")).expect("a sound site file");
        let folder = tempfile::tempdir().expect("a folder for the test");
        let secret = SiteSecret::generate().expect("the system has randomness");
        let store = Store::open(&folder.path().join("site.db"), &secret).expect("the store opens");
        let manual = Arc::new(ManualClock::default());
        let (clock, present): (Arc<dyn Clock>, _) = (manual.clone(), Arc::new(Present::default()));
        let housekeeping = build(&site, store, &clock, Arc::clone(&present));
        let (stop, stopped) = bounded(0);
        let thread = std::thread::spawn(move || housekeeping.run(&stopped));
        for count in 1..=3 {
            manual.wait_for_timer(COUNT_EVERY * count);
            assert_eq!(present.lock().take(), Some(0));
            manual.set(COUNT_EVERY * count);
        }
        drop(stop);
        thread.join().expect("it ends");
    }
}
