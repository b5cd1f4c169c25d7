//! A receiver's side of the bus.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gatehouse_core::Event;
use gatehouse_core::bus_mode::BusMode;
use gatehouse_core::event::EntryEvent;
use gatehouse_core::key::{DecodeError, SiteKey, decode};
use gatehouse_core::node_clock::ClockStatement;
use serde_json::Value;
use zenoh::Wait;
use zenoh::query::{ConsolidationMode, QueryTarget, Reply};
use zenoh::sample::{Sample, SampleKind};
use zenoh_ext::{AdvancedSubscriber, AdvancedSubscriberBuilderExt, HistoryConfig, RecoveryConfig};

use crate::announcer::Announcer;
use crate::error::BusError;
use crate::gap::Gap;
use crate::history;
use crate::node::NodeWatch;
use crate::options::BusOptions;
use crate::session::{self, BusSession, close_within};

/// Samples that may wait for the receiver. zenoh's threads never wait: the next sample is dropped
/// and counted. A dropped entry shows as a gap at the following entry.
const WAITING: usize = 4096;
/// Timeout of a query, and longest time that samples are held back while older ones are fetched.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// A message from the bus.
#[derive(Debug)]
pub struct Received {
    /// Its key.
    pub key: String,
    /// Its payload, unchanged.
    pub payload: Vec<u8>,
    /// The decoded event, or the reason why key or payload are not gatehouse's.
    pub event: Result<Event, DecodeError>,
}

/// Why nothing was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecvError {
    /// Nothing arrived in time.
    #[error("nothing arrived in time")]
    Timeout,
    /// The watcher's session has ended; nothing will arrive any more.
    #[error("the watcher is closed")]
    Closed,
}

/// Receives events: first the last ones of each key that nodes still hold, then each as it comes.
/// Samples that a slow network dropped are asked for again while their node is up.
pub struct Watcher {
    session: BusSession,
    mode: BusMode,
    /// Dropping it ends the subscription.
    _subscriber: AdvancedSubscriber<()>,
    samples: flume::Receiver<(String, Vec<u8>)>,
    dropped: Arc<AtomicU64>,
}

impl Watcher {
    /// Subscribes to a key expression, such as [`gatehouse_core::key::EVERYTHING`]. Takes up to
    /// half a second while no node is there; they are then looked for in the background.
    ///
    /// # Errors
    /// If an endpoint or the key expression can't be used, or this is a current-thread tokio
    /// runtime.
    pub fn open(options: &BusOptions, key_expr: &str) -> Result<Self, BusError> {
        let session = session::open(options)?;
        let (sender, samples) = flume::bounded(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&dropped);
        let take = move |sample: Sample| {
            if sample.kind() == SampleKind::Put {
                let taken = (sample.key_expr().to_string(), sample.payload().to_bytes().into_owned());
                if let Err(flume::TrySendError::Full(_)) = sender.try_send(taken) {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        let subscriber = session
            .declare_subscriber(key_expr.to_owned())
            .callback(take)
            .history(HistoryConfig::default().detect_late_publishers())
            .recovery(RecoveryConfig::default().heartbeat())
            .query_timeout(ANSWER_WITHIN)
            .wait();
        let subscriber = subscriber.map_err(|error| BusError::declare(key_expr, "subscriber", error))?;
        Ok(Self { session, mode: options.mode(), _subscriber: subscriber, samples, dropped })
    }

    /// The next event, waited for no longer than `timeout`.
    ///
    /// # Errors
    /// If none came, or none will.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Received, RecvError> {
        match self.samples.recv_timeout(timeout) {
            Ok((key, payload)) => Ok(Received::new(key, payload)),
            Err(flume::RecvTimeoutError::Timeout) => Err(RecvError::Timeout),
            Err(flume::RecvTimeoutError::Disconnected) => Err(RecvError::Closed),
        }
    }

    /// The next event; none once the watcher is closed. For tasks; safe to cancel.
    pub async fn recv(&self) -> Option<Received> {
        let (key, payload) = self.samples.recv_async().await.ok()?;
        Some(Received::new(key, payload))
    }

    /// Every event from now on, each waited for, until the watcher is closed.
    pub fn iter(&self) -> impl Iterator<Item = Received> + '_ {
        self.samples.iter().map(|(key, payload)| Received::new(key, payload))
    }

    /// Number of events dropped because the receiver was too slow.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// The addresses at which others reach this watcher, if it listens.
    pub fn locators(&self) -> Vec<String> {
        session::locators(&self.session)
    }

    /// How many peers and routers are connected: zero says that no node was found yet.
    pub fn peers(&self) -> usize {
        let info = self.session.info();
        info.peers_zid().wait().count() + info.routers_zid().wait().count()
    }

    /// True for a peer that is connected to a router: it does not hear the other peers there.
    pub fn is_peer_at_router(&self) -> bool {
        self.mode == BusMode::Peer && self.session.info().routers_zid().wait().next().is_some()
    }

    /// Reports nodes that are there, come and go, for a key expression such as
    /// `gatehouse/v1/**/node/*/alive`.
    ///
    /// # Errors
    /// If the key expression can't be used.
    pub fn nodes(&self, key_expr: &str) -> Result<NodeWatch, BusError> {
        NodeWatch::open(&self.session, key_expr)
    }

    /// Makes an [`Announcer`] that publishes this receiver's own state on a key, such as that of
    /// its door.
    ///
    /// # Errors
    /// If the key can't be used.
    pub fn announcer(&self, key: &str) -> Result<Announcer, BusError> {
        Announcer::open(&self.session, key)
    }

    /// Up to `limit` (at most 1000) past entries from number `from`, in order, of the gate whose
    /// entries have this key.
    ///
    /// # Errors
    /// If no node answers within 3 s, or one answers with an error.
    pub fn entries(&self, entry_key: &str, from: u64, limit: usize) -> Result<Vec<EntryEvent>, BusError> {
        let (key, gate) = history::history_key(entry_key)?;
        let selector = format!("{key}?from={from};limit={limit}");
        let mut entries = Vec::new();
        for answer in self.ask(&selector)? {
            let some: Vec<EntryEvent> = serde_json::from_value(answer)
                .map_err(|e| BusError::Answer { selector: selector.clone(), reason: format!("not entries: {e}") })?;
            entries.extend(some.into_iter().filter(|entry| entry.gate == gate && entry.sequence >= from));
        }
        entries.sort_by_key(|entry| entry.sequence);
        entries.dedup_by_key(|entry| entry.sequence);
        entries.truncate(limit);
        Ok(entries)
    }

    /// Fetches the entries of a gap that its node still has, in order. Pass them to the
    /// [`crate::GapDetector`] too: entries that it still counts as missing afterwards are lost.
    ///
    /// # Errors
    /// If no node answers within 3 s, or one answers with an error.
    pub fn replay(&self, gap: &Gap) -> Result<Vec<EntryEvent>, BusError> {
        let mut replayed: Vec<EntryEvent> = Vec::new();
        let mut from = gap.from;
        loop {
            let wanted = usize::try_from(gap.until - from).unwrap_or(usize::MAX).saturating_add(1);
            let page = self.entries(&gap.key, from, wanted.min(history::MOST))?;
            let last = page.last().map(|entry| entry.sequence);
            replayed.extend(page.into_iter().filter(|entry| entry.sequence <= gap.until));
            match last {
                Some(last) if last < gap.until => from = last + 1,
                _ => return Ok(replayed),
            }
        }
    }

    /// The status of each node of a site.
    ///
    /// # Errors
    /// If no node answers within 3 s, or one answers with an error.
    pub fn status(&self, site: &SiteKey) -> Result<Vec<Value>, BusError> {
        self.ask(&site.status())
    }

    /// Asks a node for its clock, and returns at once. `on_answer` gets each answer on a thread of
    /// zenoh, at its arrival; it must be quick. Answers after `timeout` are dropped.
    ///
    /// # Errors
    /// If the query can't be sent.
    pub fn ask_clock(
        &self,
        clock_key: &str,
        nonce: &str,
        timeout: Duration,
        on_answer: impl Fn(ClockStatement) + Send + Sync + 'static,
    ) -> Result<(), BusError> {
        let selector = format!("{clock_key}?nonce={nonce}");
        let take = move |reply: Reply| match reply.into_result() {
            Ok(sample) => match serde_json::from_slice(&sample.payload().to_bytes()) {
                Ok(statement) => on_answer(statement),
                Err(error) => tracing::debug!("the answer about a node's clock cannot be read: {error}"),
            },
            Err(error) => tracing::debug!("no answer about a node's clock: {error}"),
        };
        let sent = self
            .session
            .get(selector.as_str())
            .target(QueryTarget::All)
            .consolidation(ConsolidationMode::None)
            .timeout(timeout)
            .callback(take)
            .wait();
        sent.map_err(|error| BusError::Answer { selector, reason: error.to_string() })
    }

    /// The answers of every node that serves this, as JSON.
    fn ask(&self, selector: &str) -> Result<Vec<Value>, BusError> {
        let wrong = |reason| BusError::Answer { selector: selector.to_owned(), reason };
        let replies = self
            .session
            .get(selector)
            .target(QueryTarget::All)
            .consolidation(ConsolidationMode::None)
            .timeout(ANSWER_WITHIN)
            .wait()
            .map_err(|error| wrong(error.to_string()))?;
        let mut answers = Vec::new();
        while let Ok(reply) = replies.recv() {
            let text = match reply.into_result() {
                Ok(sample) => sample.payload().to_bytes().into_owned(),
                Err(error) => return Err(wrong(String::from_utf8_lossy(&error.payload().to_bytes()).into_owned())),
            };
            answers.push(serde_json::from_slice(&text).map_err(|e| wrong(format!("the answer is not JSON: {e}")))?);
        }
        if answers.is_empty() {
            return Err(BusError::NoAnswer { selector: selector.to_owned(), within: ANSWER_WITHIN });
        }
        Ok(answers)
    }

    /// Ends the session, within `deadline`.
    ///
    /// # Errors
    /// If it isn't done by then, or zenoh reports one.
    pub fn close(self, deadline: Duration) -> Result<(), BusError> {
        close_within(deadline, move || self.session.close())
    }
}

impl Received {
    fn new(key: String, payload: Vec<u8>) -> Self {
        let event = decode(&key, &payload);
        Self { key, payload, event }
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}
