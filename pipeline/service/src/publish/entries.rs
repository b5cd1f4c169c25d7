//! Publishes entries: numbered, signed and stored before they are sent. None is lost.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, select};
use gatehouse_core::event::{EntryEvent, EventId};
use gatehouse_core::log_limit::LogLimit;
use gatehouse_core::node_clock::RunId;
use gatehouse_core::time::Monotonic;
use gatehouse_core::{CameraId, Event};
use gatehouse_credential::{GrantTimes, SiteSigner, sign_grant};
use gatehouse_store::{Store, Who};

use super::entry_ids::EntryIds;
use super::minute_tally::MinuteTally;
use super::outbound::{Decided, Sent};
use super::sender::EventSender;
use crate::housekeeping::Present;
use crate::report::RoleMeter;
use crate::threads::pause;

/// Time between two tries to store an entry.
const STORE_RETRY: Duration = Duration::from_millis(500);
/// Longest time between two checks whether a minute's tally is due.
const CHECK_TALLIES_EVERY: Duration = Duration::from_secs(1);
/// Entries in one read of the outbox.
const REPLAY_BATCH: usize = 256;

/// Publishes entries, and each gate's tally every minute.
pub(super) struct EntryPublisher {
    pub(super) sender: EventSender,
    pub(super) store: Arc<Store>,
    /// Signs the grants of admissions.
    pub(super) signer: SiteSigner,
    /// The node's current run, which grants name.
    pub(super) run: RunId,
    pub(super) present: Arc<Present>,
    pub(super) meter: Arc<RoleMeter>,
    /// Closed when the node can't wait any longer for the store.
    pub(super) abandoned: Receiver<()>,
}

impl EntryPublisher {
    /// Works until the queue is empty and all its senders are dropped.
    pub(super) fn run(self, entries: &Receiver<Sent<Decided>>, gates: Vec<CameraId>) {
        let failures = LogLimit::default();
        let clock = Arc::clone(&self.sender.clock);
        self.publish_outbox(&failures);
        let mut ids = EntryIds::after(self.newest_id());
        let now = clock.wall();
        let mut tallies: Vec<MinuteTally> = gates.into_iter().map(|gate| MinuteTally::new(gate, now)).collect();
        loop {
            let check = clock.timer(clock.monotonic() + CHECK_TALLIES_EVERY);
            select! {
                recv(entries) -> sent => {
                    let Ok(Sent { item: decided, at }) = sent else { return };
                    let entry = &decided.outcome.entry;
                    let tally = tallies.iter_mut().find(|tally| tally.0.gate == decided.gate);
                    tally.into_iter().for_each(|tally| tally.count(entry.decision, entry.method));
                    let event_id = ids.next(entry.decided_at);
                    let Some(entry) = self.store_entry(&decided, event_id, &failures) else { return };
                    self.publish_entry(entry, &failures);
                    self.meter.record_published(at);
                }
                recv(check) -> _ => {}
            }
            let now = clock.wall();
            let present = *self.present.lock();
            for event in tallies.iter_mut().filter_map(|tally| tally.finish(now, present)) {
                self.sender.send(&Event::Tally(event), &failures);
            }
        }
    }

    /// The newest id of an earlier run.
    fn newest_id(&self) -> Option<EventId> {
        self.store.newest_entry_id().unwrap_or_else(|e| {
            tracing::error!("the entry log cannot be read, and new entries may get ids before those of old ones: {e}");
            None
        })
    }

    /// Writes an entry to the outbox, and the person to the site's own log. Retries until it
    /// succeeds; `None` if the node ends before.
    fn store_entry(&self, decided: &Decided, event_id: EventId, failures: &LogLimit) -> Option<EntryEvent> {
        let Decided { gate, direction, outcome } = decided;
        let draft = &outcome.entry;
        // The site's own log names people; the event does not.
        let who = outcome.admitted.map(|by| Who { person: by.person, pass: by.pass }).unwrap_or_default();
        let site = self.sender.key.to_string();
        self.retry(gate, failures, || {
            self.store.append_entry(gate, who, |sequence| {
                let mut entry = EntryEvent {
                    event_id,
                    sequence,
                    gate: gate.clone(),
                    direction: *direction,
                    decision: draft.decision,
                    reason: draft.reason,
                    method: draft.method,
                    capture_time: draft.capture_time,
                    latency_ms: draft.latency_ms,
                    grant: None,
                };
                entry.grant = draft.grant.and_then(|period| {
                    let times = GrantTimes {
                        run: self.run,
                        from_ms: since_start_ms(period.from),
                        until_ms: since_start_ms(period.until),
                        expires_at: period.until_wall,
                    };
                    sign_grant(&self.signer, &site, &entry, times)
                });
                entry
            })
        })
    }

    /// Repeats a write until it succeeds. `None` if the node ends before.
    fn retry<T, E: Display>(
        &self,
        camera: &CameraId,
        failures: &LogLimit,
        mut write: impl FnMut() -> Result<T, E>,
    ) -> Option<T> {
        let clock = self.sender.clock.as_ref();
        loop {
            let error = match write() {
                Ok(written) => return Some(written),
                Err(error) => error,
            };
            if let Some(times) = failures.count(clock.monotonic()) {
                tracing::error!(
                    %camera, times,
                    "an entry cannot be stored, and entries wait until it can; check the disk: {error}"
                );
            }
            if !pause(clock, STORE_RETRY, &self.abandoned) {
                tracing::error!(%camera, "the node ends, and an entry that could not be stored is lost");
                return None;
            }
        }
    }

    /// Publishes the entries that an earlier run stored and could not publish.
    fn publish_outbox(&self, failures: &LogLimit) {
        loop {
            match self.store.unpublished(REPLAY_BATCH) {
                Ok(entries) if entries.is_empty() => return,
                Ok(entries) => {
                    tracing::info!(entries = entries.len(), "publishing entries of an earlier run from the outbox");
                    if !entries.into_iter().all(|entry| self.publish_entry(entry, failures)) {
                        return; // The bus refuses them: they stay for the next start and for replays.
                    }
                }
                Err(e) => {
                    tracing::error!("the outbox cannot be read, and entries of an earlier run stay unpublished: {e}");
                    return;
                }
            }
        }
    }

    /// False if the bus refused the entry, or it could not be marked as published.
    fn publish_entry(&self, entry: EntryEvent, failures: &LogLimit) -> bool {
        let (gate, sequence) = (entry.gate.clone(), entry.sequence);
        if !self.sender.send(&Event::Entry(entry), failures) {
            return false;
        }
        if let Err(e) = self.store.mark_published(&gate, sequence) {
            tracing::warn!(camera = %gate, sequence, "a published entry cannot be marked, and is sent again after a restart: {e}");
            return false;
        }
        true
    }
}

fn since_start_ms(at: Monotonic) -> u64 {
    u64::try_from(at.since_start().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::{Sender, bounded, unbounded};
    use gatehouse_core::time::Clock;
    use gatehouse_credential::SiteSecret;
    use gatehouse_testing::clock::ManualClock;

    use super::*;
    use crate::publish::testing::{open_sender, site};

    /// A publisher on a store of its own, and what closes its `abandoned`.
    fn publisher(clock: &Arc<ManualClock>) -> (EntryPublisher, Sender<()>, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let secret = SiteSecret::generate().expect("the system has randomness");
        let store = Store::open(&folder.path().join("site.db"), &secret).expect("the store opens");
        let shared: Arc<dyn Clock> = clock.clone();
        let (abandon, abandoned) = bounded(0);
        let publisher = EntryPublisher {
            sender: open_sender(&shared),
            store: Arc::new(store),
            signer: SiteSigner::new(&secret),
            run: RunId(ulid::Ulid(1)),
            present: Arc::default(),
            meter: RoleMeter::new(&shared),
            abandoned,
        };
        (publisher, abandon, folder)
    }

    #[test]
    fn a_write_is_repeated_every_half_second() {
        let clock = Arc::new(ManualClock::default());
        let (publisher, _abandon, _folder) = publisher(&clock);
        let gate = site().gates[0].id.clone();
        let (tried, tries) = unbounded();
        let thread = std::thread::spawn(move || {
            let mut failures_left = 2;
            publisher.retry(&gate, &LogLimit::default(), || {
                tried.send(()).expect("the test listens");
                failures_left -= 1;
                if failures_left < 0 { Ok("written") } else { Err("the disk is full") }
            })
        });
        for (tries_so_far, next) in [(1, 500), (2, 1000)] {
            clock.wait_for_timer(Duration::from_millis(next));
            assert_eq!(tries.len(), tries_so_far);
            clock.set(Duration::from_millis(next));
        }
        assert_eq!(thread.join().expect("it returns"), Some("written"));
        assert_eq!(tries.len(), 3);
    }

    #[test]
    fn a_node_that_ends_gives_up_a_write() {
        let clock = Arc::new(ManualClock::default());
        let (publisher, abandon, _folder) = publisher(&clock);
        let gate = site().gates[0].id.clone();
        let write = || Err::<(), _>("the disk is full");
        let thread = std::thread::spawn(move || publisher.retry(&gate, &LogLimit::default(), write));
        clock.wait_for_timer(STORE_RETRY);
        drop(abandon);
        assert_eq!(thread.join().expect("it returns"), None);
    }

    #[test]
    fn a_gate_is_tallied_each_minute() {
        let clock = Arc::new(ManualClock::default());
        let (publisher, _abandon, _folder) = publisher(&clock);
        let (_, mut messages) = publisher.sender.view.subscribe();
        let gate = site().gates[0].id.clone();
        let (queue, entries) = unbounded();
        let thread = std::thread::spawn(move || publisher.run(&entries, vec![gate]));
        for minute in 0..3 {
            let start = Duration::from_secs(60 * minute);
            clock.fire_timer(start + Duration::from_secs(1));
            clock.wait_for_timer(start + Duration::from_secs(2));
            assert!(messages.try_recv().is_err(), "minute {minute} is not over");
            clock.set(start + Duration::from_secs(60));
            assert_eq!(messages.blocking_recv().expect("it is sent").kind, "tally");
        }
        drop(queue);
        thread.join().expect("it ends");
    }
}
