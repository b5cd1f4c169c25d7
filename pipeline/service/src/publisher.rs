//! Two threads that publish: one for entries, which must not be lost, and one for everything else, of which the last value
//! counts. They are apart so that a full disk, which holds up entries, doesn't blind the command centre as well.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded, never, select, tick};
use gatehouse_bus::Bus;
use gatehouse_core::event::{Direction, EntryEvent, EventId};
use gatehouse_core::key::SiteKey;
use gatehouse_core::log_limit::LogLimit;
use gatehouse_core::time::{Clock, Monotonic};
use gatehouse_core::{CameraId, Event};
use gatehouse_credential::{SiteSigner, sign_grant};
use gatehouse_crowd::CrowdEvents;
use gatehouse_crowd::rollup::{SiteSum, SummedCamera};
use gatehouse_gate::{Admitted, Outcome};
use gatehouse_store::{Store, Who};
use ulid::Ulid;

use crate::NodeError;
use crate::housekeeping::Present;
use crate::load::LoadBoard;
use crate::tally::Tally;
use crate::threads::Threads;
use crate::view::NodeView;

/// Entries that may wait for the disk. A gate makes a few a minute; a full queue means minutes of a dead disk.
const ENTRIES_WAITING: usize = 1024;
/// Other events that may wait for the bus.
const EVENTS_WAITING: usize = 1024;
/// Between two tries to write an entry that the store refused.
const STORE_RETRY: Duration = Duration::from_millis(500);
/// How often the entry thread looks at the clock for tallies.
const TICK: Duration = Duration::from_secs(1);
/// How often the site's crowd cameras are summed up.
const SUM_EVERY: Duration = Duration::from_secs(5);
/// Entries read from the outbox at a time.
const REPLAY_BATCH: usize = 256;

/// A gate's decision on its way out.
pub(crate) struct Decided {
    pub(crate) gate: CameraId,
    pub(crate) direction: Direction,
    pub(crate) outcome: Outcome,
}

/// Something on its way out, and when it was decided.
struct Sent<T> {
    what: T,
    at: Monotonic,
}

/// The pipeline's end of the publisher. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Outbound {
    entries: Sender<Sent<Decided>>,
    events: Sender<Sent<Event>>,
    dropped: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
}

impl Outbound {
    /// Hands over an entry. Waits when the queue is full: an entry is never dropped.
    pub(crate) fn enter(&self, decided: Decided) {
        if self.entries.send(self.sent(decided)).is_err() {
            tracing::error!("an entry was decided after the publisher had ended");
        }
    }

    /// Hands over an event of which the last value counts. Dropped and counted when the queue is full.
    pub(crate) fn offer(&self, event: Event) {
        if let Err(TrySendError::Full(_)) = self.events.try_send(self.sent(event)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn sent<T>(&self, what: T) -> Sent<T> {
        Sent { what, at: self.clock.monotonic() }
    }

    /// Hands over what a crowd camera has counted, in the order in which it is to be understood.
    pub(crate) fn crowd(&self, events: CrowdEvents) {
        self.offer(Event::Density(events.density));
        self.offer(Event::Map(events.map));
        events.levels.into_iter().for_each(|level| self.offer(Event::Level(level)));
    }

    /// Events dropped so far because the bus took them too slowly.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// The publisher's end.
pub(crate) struct Inbound {
    entries: Receiver<Sent<Decided>>,
    events: Receiver<Sent<Event>>,
}

/// The two queues.
pub(crate) fn channel(clock: &Arc<dyn Clock>) -> (Outbound, Inbound) {
    let (entries_in, entries) = bounded(ENTRIES_WAITING);
    let (events_in, events) = bounded(EVENTS_WAITING);
    let (dropped, clock) = (Arc::new(AtomicU64::new(0)), Arc::clone(clock));
    let outbound = Outbound { entries: entries_in, events: events_in, dropped, clock };
    (outbound, Inbound { entries, events })
}

#[cfg(test)]
pub(crate) fn channel_for_tests(clock: &Arc<dyn Clock>) -> (Outbound, impl Iterator<Item = Event> + use<>) {
    let (outbound, inbound) = channel(clock);
    (outbound, std::iter::from_fn(move || inbound.events.try_recv().ok().map(|sent| sent.what)))
}

/// What the publisher's threads share.
pub(crate) struct Publisher {
    pub(crate) bus: Arc<Bus>,
    pub(crate) store: Arc<Store>,
    pub(crate) view: Arc<NodeView>,
    pub(crate) key: SiteKey,
    pub(crate) clock: Arc<dyn Clock>,
    /// Signs the grants that come with admissions.
    pub(crate) signer: SiteSigner,
    /// How many people are inside, where that is known.
    pub(crate) present: Arc<Present>,
    /// Takes note of how long publishing takes.
    pub(crate) load: Arc<LoadBoard>,
    /// Closed when the node can't wait any longer for the store.
    pub(crate) abandoned: Receiver<()>,
}

impl Publisher {
    /// Starts both threads. They end when every [`Outbound`] is gone and the queues are empty.
    pub(crate) fn start(
        self,
        inbound: Inbound,
        gates: Vec<CameraId>,
        crowds: Vec<SummedCamera>,
        threads: &mut Threads,
    ) -> Result<(), NodeError> {
        let for_entries = Arc::new(self);
        let for_events = Arc::clone(&for_entries);
        let Inbound { entries, events } = inbound;
        threads.spawn("pub-entries", move || for_entries.run_entries(&entries, gates))?;
        threads.spawn("pub-events", move || for_events.run_events(&events, crowds))
    }

    fn run_events(&self, events: &Receiver<Sent<Event>>, crowds: Vec<SummedCamera>) {
        let failures = LogLimit::default();
        let due = if crowds.is_empty() { never() } else { tick(SUM_EVERY) };
        let mut sum = SiteSum::new(self.key.place().to_owned(), crowds, self.clock.wall());
        loop {
            let Sent { what: event, at } = select! {
                recv(events) -> event => match event {
                    Ok(event) => event,
                    Err(_) => return,
                },
                recv(due) -> _ => {
                    let at = self.clock.monotonic();
                    Sent { what: Event::RollUp(sum.sum(at, self.clock.wall())), at }
                }
            };
            if let Event::Density(counted) = &event {
                sum.count(counted, self.clock.monotonic());
            }
            self.send(&event, &failures);
            if let Event::Density(_) = &event {
                self.load.crowds.published(at);
            }
        }
    }

    fn run_entries(&self, entries: &Receiver<Sent<Decided>>, gates: Vec<CameraId>) {
        let failures = LogLimit::default();
        self.publish_leftovers(&failures);
        let now = self.clock.wall();
        let mut tallies: Vec<Tally> = gates.into_iter().map(|gate| Tally::new(gate, now)).collect();
        loop {
            match entries.recv_timeout(TICK) {
                Ok(Sent { what: decided, at }) => {
                    let counted = &decided.outcome.entry;
                    let tally = tallies.iter_mut().find(|t| *t.gate() == decided.gate);
                    tally.into_iter().for_each(|tally| tally.count(counted.decision, counted.method));
                    let Some(entry) = self.store(&decided, &failures) else { return };
                    self.publish_entry(entry, &failures);
                    self.load.gates.published(at);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = self.clock.wall();
            for event in tallies.iter_mut().filter_map(|tally| tally.finish(now, self.present.get())) {
                self.send(&Event::Tally(event), &failures);
            }
        }
    }

    /// Writes an entry to the outbox, and whom it is about to the site's own log, however long that takes. `None` only when
    /// the node can't wait any longer.
    fn store(&self, decided: &Decided, failures: &LogLimit) -> Option<EntryEvent> {
        let Decided { gate, direction, outcome } = decided;
        let draft = &outcome.entry;
        let millis = u64::try_from(draft.capture_time.at.unix_millis()).unwrap_or_default();
        let event_id = EventId(Ulid::from_parts(millis, rand::random()));
        let who = outcome.admitted.map(who).unwrap_or_default();
        let site = self.key.to_string();
        loop {
            let stored = self.store.append_entry(gate, who, |sequence| {
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
                entry.grant = draft.expires_at.and_then(|end| sign_grant(&self.signer, &site, &entry, end));
                entry
            });
            match stored {
                Ok(entry) => return Some(entry),
                Err(e) => {
                    if let Some(times) = failures.count(self.clock.monotonic()) {
                        tracing::error!(%gate, times, "an entry can't be stored, it is tried again: {e}");
                    }
                    if self.abandoned.recv_timeout(STORE_RETRY) != Err(RecvTimeoutError::Timeout) {
                        tracing::error!(%gate, "the node ends and an entry could not be stored");
                        return None;
                    }
                }
            }
        }
    }

    fn publish_leftovers(&self, failures: &LogLimit) {
        loop {
            match self.store.unpublished(REPLAY_BATCH) {
                Ok(entries) if entries.is_empty() => return,
                Ok(entries) => {
                    tracing::info!(
                        entries = entries.len(),
                        "publishing entries that an earlier run left in the outbox"
                    );
                    if !entries.into_iter().all(|entry| self.publish_entry(entry, failures)) {
                        return; // The bus doesn't take them; they stay for the next start and for whoever asks.
                    }
                }
                Err(e) => return tracing::error!("the outbox can't be read: {e}"),
            }
        }
    }

    /// Whether the bus took it.
    fn publish_entry(&self, entry: EntryEvent, failures: &LogLimit) -> bool {
        let (gate, sequence) = (entry.gate.clone(), entry.sequence);
        if !self.send(&Event::Entry(entry), failures) {
            return false;
        }
        if let Err(e) = self.store.mark_published(&gate, sequence) {
            tracing::warn!(%gate, sequence, "published, but it can't be marked so: {e}");
            return false;
        }
        true
    }

    /// Publishes an event and shows it on the console, which works without a bus too.
    fn send(&self, event: &Event, failures: &LogLimit) -> bool {
        self.view.record(&self.key.of(event), event);
        match self.bus.publish(event) {
            Ok(()) => true,
            Err(e) => {
                if let Some(times) = failures.count(self.clock.monotonic()) {
                    tracing::error!(times, "events can't be published: {e}");
                }
                false
            }
        }
    }
}

/// Whom the site's own log names; the event doesn't.
fn who(admitted: Admitted) -> Who {
    Who { person: admitted.person, pass: admitted.pass }
}
