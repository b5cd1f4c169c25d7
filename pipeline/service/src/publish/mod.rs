//! The publishers: one thread for entries, which must not be lost, and one for all other events, of
//! which the last value counts. They are apart so that a full disk holds up entries only.

mod entries;
mod entry_ids;
mod events;
mod minute_tally;
mod outbound;
mod sender;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use crossbeam_channel::{Sender, bounded};
use gatehouse_config::Site;
use gatehouse_core::node_clock::RunId;
use gatehouse_core::time::{Clock, Monotonic};
use gatehouse_credential::{SiteSecret, SiteSigner};
use gatehouse_store::Store;

#[cfg(test)]
pub(crate) use outbound::channel_for_tests;
pub(crate) use outbound::{Decided, Outbound};
pub(crate) use sender::EventSender;

use crate::NodeError;
use crate::crowd::summed;
use crate::housekeeping::Present;
use crate::report::Meters;
use crate::threads::Threads;
use entries::EntryPublisher;
use events::EventPublisher;

/// What the publishers need of the rest of the node.
pub(crate) struct Deps<'a> {
    pub(crate) sender: EventSender,
    pub(crate) store: &'a Arc<Store>,
    pub(crate) secret: &'a SiteSecret,
    pub(crate) run: RunId,
    pub(crate) present: &'a Arc<Present>,
    pub(crate) meters: &'a Meters,
}

/// The publishers of a running node.
pub(crate) struct Publishers {
    /// Where the rest of the node sends its events.
    pub(crate) outbound: Outbound,
    threads: Threads,
    /// Dropped to end a publisher that waits for the store.
    abandon: Sender<()>,
}

/// Builds and starts the publishers. They end when every [`Outbound`] is dropped and the queues are
/// empty.
///
/// # Errors
/// If the system gives no thread.
pub(crate) fn build(site: &Site, deps: Deps<'_>) -> Result<Publishers, NodeError> {
    let Deps { sender, store, secret, run, present, meters } = deps;
    let (outbound, inbound) = outbound::channel(&sender.clock);
    let (abandon, abandoned) = bounded(0);
    let entries = EntryPublisher {
        sender: sender.clone(),
        store: Arc::clone(store),
        signer: SiteSigner::new(secret),
        run,
        present: Arc::clone(present),
        meter: Arc::clone(&meters.gates),
        abandoned,
    };
    let events = EventPublisher { sender, meter: Arc::clone(&meters.crowds) };
    let gates = site.gates.iter().map(|gate| gate.id.clone()).collect();
    let crowds = site.crowds.iter().map(summed).collect();
    let mut threads = Threads::new();
    threads.spawn("pub-entries", move || entries.run(&inbound.entries, gates))?;
    threads.spawn("pub-events", move || events.run(&inbound.events, crowds))?;
    Ok(Publishers { outbound, threads, abandon })
}

impl Publishers {
    /// Publishes what the queues hold, until the deadline. Returns a line for each thread that is
    /// late.
    pub(crate) fn drain(self, until: Monotonic, clock: &dyn Clock) -> Vec<String> {
        let dropped = self.outbound.dropped();
        if dropped > 0 {
            tracing::warn!(dropped, "events were dropped because the bus was too slow");
        }
        drop(self.outbound);
        let late = self.threads.join(until, clock);
        drop(self.abandon);
        late
    }
}
