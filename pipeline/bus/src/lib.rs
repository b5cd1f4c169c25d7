//! Events on zenoh: the only crate that names it.
//!
//! A node opens a [`Bus`] and publishes; a receiver opens a [`Watcher`]. No router is needed,
//! though one may stand between them. Each end is a client of one router or node, or a peer that
//! listens or connects to several ([`BusOptions`]). Ends are found by the addresses that they are
//! given, never by multicast, and by gossip only where it is asked for.
//!
//! How events travel:
//!
//! | event | on a slow network | for late receivers | priority |
//! |---|---|---|---|
//! | entry | waits up to a second; then the slow receiver is disconnected | the last 100 | interactive high |
//! | health | dropped | the last one | interactive low |
//! | tally, density | dropped | the last one | data |
//! | map | dropped | the last one | data low |
//!
//! Entries are also numbered and announced again after half a second, so that a [`Watcher`] fetches
//! missed entries by itself while the node is up. A [`GapDetector`] notices entries missed while
//! the watcher was away, and [`Watcher::replay`] fetches them from the node's outbox.
//!
//! # Queries
//! - `<site>/status`: a JSON object, one reply from each node.
//! - `<site>/node/<node>/clock?nonce=<text>`: the node's clock, signed together with the nonce; see
//!   [`ClockStatement`](gatehouse_core::node_clock::ClockStatement).
//! - `<site>/history/gate/<gate>/entry?from=<sequence>;limit=<count>`: the gate's entries in order,
//!   as one JSON array. One array and not one reply per entry, since zenoh keeps only the last of
//!   several replies on one key unless asked otherwise. `from` is 1 or more, `limit` at most 1000;
//!   without them, the first 100. Zenoh separates parameters by `;`. A parameter that can't be
//!   understood gets an error reply that says what is expected.
//!
//! # Threads
//! zenoh brings its own threads. Every call here is synchronous, for use from a plain thread; from
//! a task, use a blocking thread. Called on a current-thread tokio runtime, where zenoh would
//! panic, opening is refused with an error.

mod announcer;
mod answer;
mod bus;
mod error;
mod gap;
mod history;
mod node;
mod options;
mod session;
mod travel;
mod watcher;

pub use announcer::Announcer;
pub use bus::Bus;
pub use error::BusError;
pub use gap::{Arrival, Gap, GapDetector};
pub use history::HistoryRequest;
pub use node::{NodeChange, NodeWatch};
pub use options::BusOptions;
pub use watcher::{Received, RecvError, Watcher};
