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
use crate::wall_clock::WallClock;

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
    wall_clock: Arc<WallClock>,
    retention: Retention,
    /// Number of stored people from which on the law may ask for a filing.
    people_limit: u64,
    /// Gates whose threshold is computed for a number of enrolled faces, with that number.
    targets: Vec<(CameraId, u64)>,
    /// `None` if no camera watches an exit.
    present: Option<Arc<Present>>,
}

/// Builds the housekeeping of a site, on a store that nothing else uses.
pub(crate) fn build(
    site: &Site,
    store: Store,
    clock: &Arc<dyn Clock>,
    wall_clock: &Arc<WallClock>,
    present: Arc<Present>,
) -> Housekeeping {
    let target = |gate: &GateCamera| Some((gate.id.clone(), gate.match_target.as_ref()?.enrolled));
    Housekeeping {
        store,
        clock: Arc::clone(clock),
        wall_clock: Arc::clone(wall_clock),
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
        let (mut checked, mut tidied) = (None::<Monotonic>, None::<Monotonic>);
        loop {
            let now = self.clock.monotonic();
            let is_due = |last: Option<Monotonic>| last.is_none_or(|at| now.since(at) >= TIDY_EVERY);
            // A clock that is wrong just now must not destroy anything.
            if is_due(tidied) && self.wall_clock.allows_removal() {
                tidied = Some(now);
                self.tidy();
            }
            if is_due(checked) {
                checked = Some(now);
                self.check_limits();
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
        let count = self.store.present(now - self.retention.entry_log);
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
    }

    fn check_limits(&self) {
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
    use gatehouse_core::time::WallTime;
    use gatehouse_credential::SiteSecret;
    use gatehouse_store::{Consent, ConsentDraft, Enrolment, HowGiven, NewPerson, NewTemplate};
    use gatehouse_testing::clock::ManualClock;

    use super::*;

    /// A running housekeeping of a site with an exit.
    struct Running {
        manual: Arc<ManualClock>,
        present: Arc<Present>,
        secret: SiteSecret,
        folder: tempfile::TempDir,
        stop: crossbeam_channel::Sender<()>,
        thread: std::thread::JoinHandle<()>,
    }

    impl Running {
        fn start(prepare: impl FnOnce(&Store)) -> Self {
            let site = site();
            let folder = tempfile::tempdir().expect("a folder for the test");
            let secret = SiteSecret::generate().expect("the system has randomness");
            let store = Store::open(&folder.path().join("site.db"), &secret).expect("the store opens");
            prepare(&store);
            let manual = Arc::new(ManualClock::default());
            let (clock, present): (Arc<dyn Clock>, _) = (manual.clone(), Arc::new(Present::default()));
            let housekeeping = build(&site, store, &clock, &WallClock::new(&clock), Arc::clone(&present));
            let (stop, stopped) = bounded(0);
            let thread = std::thread::spawn(move || housekeeping.run(&stopped));
            Self { manual, present, secret, folder, stop, thread }
        }

        /// Goes on to this round, and waits until it is done.
        fn finish_round(&self, round: u32) {
            self.manual.set(COUNT_EVERY * (round - 1));
            self.manual.wait_for_timer(COUNT_EVERY * round);
        }

        fn stop(self) {
            drop(self.stop);
            self.thread.join().expect("it ends");
        }
    }

    #[test]
    fn a_clock_that_is_wrong_for_a_while_destroys_nothing() {
        // Consent and pass end in a year; both clocks start at zero.
        let year = Duration::from_secs(366 * 86_400);
        let running = Running::start(|store| enrol(store, WallTime::from_unix_nanos(0), year));
        let store = Store::open(&running.folder.path().join("site.db"), &running.secret).expect("it opens");
        let people = || store.count(WallTime::from_unix_nanos(0)).expect("counts").people;
        running.finish_round(1);
        // 30 years ahead, for nine minutes; then right.
        running.manual.set_wall_offset_ms(30 * 366 * 86_400_000);
        (2..=28).for_each(|round| running.finish_round(round));
        assert_eq!(people(), 1);
        running.manual.set_wall_offset_ms(0);
        (29..=70).for_each(|round| running.finish_round(round));
        assert_eq!(people(), 1);
        // A clock that is steady for ten minutes is believed.
        running.manual.set_wall_offset_ms(30 * 366 * 86_400_000);
        (71..=101).for_each(|round| running.finish_round(round));
        assert_eq!(people(), 1, "the next removal is due an hour after the last");
        (102..=300).for_each(|round| running.finish_round(round));
        assert_eq!(people(), 0);
        running.stop();
    }

    fn enrol(store: &Store, now: WallTime, lasts: Duration) {
        let draft = ConsentDraft {
            purpose: "entry at the gate".into(),
            notice_version: "2026-01".into(),
            how_given: HowGiven::Paper,
            given_at: now,
            valid_until: now + lasts,
            under_14: false,
            guardian: None,
        };
        let templates = [NewTemplate { model: "sface", model_version: "2021dec", values: &[1.0; 128] }];
        let consent = Consent::new(draft).expect("a sound consent");
        let enrolment = Enrolment::Face { consent, templates: &templates };
        store.enrol(NewPerson { name: "Zebedee Quill", enrolment }, &Actor::gatehouse(), now).expect("enrols");
    }

    fn site() -> Site {
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
        Site::parse(text, Path::new("site.toml")).expect("a sound site file")
    }

    #[test]
    fn people_inside_are_counted_every_twenty_seconds() {
        let running = Running::start(|_| {});
        for count in 1..=3 {
            running.finish_round(count);
            assert_eq!(running.present.lock().take(), Some(0));
        }
        running.stop();
    }
}
