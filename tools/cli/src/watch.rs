//! `gatehouse watch`: prints the events of the bus as they arrive.

use std::fmt::Display;
use std::time::Duration;

use clap::Args;
use gatehouse_bus::{Arrival, GapDetector, Received, RecvError, Watcher};
use gatehouse_core::Event;
use gatehouse_core::event::EntryEvent;
use gatehouse_core::key::EVERYTHING;
use gatehouse_terminal::{Failure, event_text, print};

use crate::connect::ConnectArgs;

/// Print events from the bus as they arrive
///
/// Connects to a node or a router. Prints the last value of each key first, then every event.
/// Requests entries that were missed, and prints them too.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    bus: ConnectArgs,
    /// Keys to print, as a zenoh key expression: `gatehouse/v1/riverside/**` for one city,
    /// `**/entry` for entries
    #[arg(long, value_name = "EXPRESSION", default_value = EVERYTHING)]
    key: String,
    /// Print one JSON object a line: `{"key": …, "event": …}`, with the event as on the bus
    #[arg(long)]
    json: bool,
    /// End after this many events
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

/// How often the command warns that no node is connected.
const WARN_EVERY: Duration = Duration::from_secs(10);

pub(crate) fn watch(args: &WatchArgs) -> Result<(), Failure> {
    let watcher = Watcher::open(&args.bus.options(), &args.key)?;
    let mut gaps = GapDetector::default();
    let mut printed = 0;
    while args.count.is_none_or(|count| printed < count) {
        let received = match watcher.recv_timeout(WARN_EVERY) {
            Ok(received) => received,
            Err(RecvError::Timeout) => {
                let at = args.bus.connect.join(", ");
                if watcher.peers() == 0 {
                    tracing::warn!("no node or router answers at {at}; still trying");
                } else if printed == 0 && watcher.is_peer_at_router() {
                    tracing::warn!(
                        "nothing heard from the router at {at}: a peer does not hear the peers there; use --mode client"
                    );
                }
                continue;
            }
            Err(RecvError::Closed) => break,
        };
        for line in lines(&watcher, &mut gaps, &received, args.json) {
            if !print::line_while_read(&line)? {
                return Ok(());
            }
            printed += 1;
        }
    }
    watcher.close(Duration::from_secs(2))?;
    Ok(())
}

/// The lines for what arrived: the entries missed before an entry, then itself if it is new.
fn lines(watcher: &Watcher, gaps: &mut GapDetector, received: &Received, as_json: bool) -> Vec<String> {
    let event = received.event.as_ref();
    let own = event_text::line(&received.key, event.map_err(|e| e as &dyn Display), as_json);
    let Ok(Event::Entry(entry)) = event else { return vec![own] };
    let missed = match missed_before(watcher, gaps, &received.key, entry) {
        Some(missed) => missed,
        None => return Vec::new(),
    };
    let missed = missed.into_iter().map(|e| event_text::line(&received.key, Ok(&Event::Entry(e)), as_json));
    missed.chain([own]).collect()
}

/// The entries before this one that were missed. `None` if this one arrived before.
fn missed_before(watcher: &Watcher, gaps: &mut GapDetector, key: &str, entry: &EntryEvent) -> Option<Vec<EntryEvent>> {
    let gap = match gaps.observe(key, entry) {
        Arrival::Old => return None,
        Arrival::After(gap) | Arrival::Restarted(Some(gap)) => gap,
        Arrival::First | Arrival::Next | Arrival::Filled | Arrival::Restarted(None) => return Some(Vec::new()),
    };
    match watcher.replay(&gap) {
        Ok(missed) => Some(missed.into_iter().filter(|missed| gaps.observe(key, missed).is_new()).collect()),
        Err(e) => {
            tracing::warn!(
                "entries {} to {} of {key} were missed, and the node did not send them: {e}",
                gap.from,
                gap.until
            );
            Some(Vec::new())
        }
    }
}
