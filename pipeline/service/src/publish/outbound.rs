//! The queues between the cameras' workers and the publishers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use gatehouse_core::event::Direction;
use gatehouse_core::time::{Clock, Monotonic};
use gatehouse_core::{CameraId, Event};
use gatehouse_crowd::CrowdEvents;
use gatehouse_gate::Outcome;

/// Entries that may wait for the disk. A gate makes a few a minute: a full queue means that the
/// disk has failed for minutes.
const MAX_ENTRIES: usize = 1024;
/// Other events that may wait for the bus.
const MAX_EVENTS: usize = 1024;

/// A gate's decision.
pub(crate) struct Decided {
    pub(crate) gate: CameraId,
    pub(crate) direction: Direction,
    pub(crate) outcome: Outcome,
}

/// An item in a queue, and when it was decided.
pub(super) struct Sent<T> {
    pub(super) item: T,
    pub(super) at: Monotonic,
}

/// The sending end of both queues. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Outbound {
    entries: Sender<Sent<Decided>>,
    events: Sender<Sent<Event>>,
    dropped: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
}

/// The receiving end.
pub(super) struct Inbound {
    pub(super) entries: Receiver<Sent<Decided>>,
    pub(super) events: Receiver<Sent<Event>>,
}

impl Outbound {
    /// Sends an entry. Waits while the queue is full: no entry is dropped.
    pub(crate) fn enter(&self, decided: Decided) {
        if let Err(e) = self.entries.send(self.sent(decided)) {
            let camera = &e.0.item.gate;
            tracing::error!(%camera, "an entry was decided after its publisher ended, and is lost");
        }
    }

    /// Sends another event. Drops and counts it if the queue is full.
    pub(crate) fn offer(&self, event: Event) {
        if let Err(TrySendError::Full(_)) = self.events.try_send(self.sent(event)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends the counts of a crowd camera, then the levels that follow from them.
    pub(crate) fn crowd(&self, events: CrowdEvents) {
        self.offer(Event::Density(events.density));
        self.offer(Event::Map(events.map));
        events.levels.into_iter().for_each(|level| self.offer(Event::Level(level)));
    }

    /// Events dropped so far because the queue was full.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn sent<T>(&self, item: T) -> Sent<T> {
        Sent { item, at: self.clock.monotonic() }
    }
}

/// Both queues.
pub(super) fn channel(clock: &Arc<dyn Clock>) -> (Outbound, Inbound) {
    let (entries_in, entries) = bounded(MAX_ENTRIES);
    let (events_in, events) = bounded(MAX_EVENTS);
    let (dropped, clock) = (Arc::new(AtomicU64::new(0)), Arc::clone(clock));
    let outbound = Outbound { entries: entries_in, events: events_in, dropped, clock };
    (outbound, Inbound { entries, events })
}

#[cfg(test)]
pub(crate) fn channel_for_tests(clock: &Arc<dyn Clock>) -> (Outbound, impl Iterator<Item = Event> + use<>) {
    let (outbound, inbound) = channel(clock);
    (outbound, std::iter::from_fn(move || inbound.events.try_recv().ok().map(|sent| sent.item)))
}
