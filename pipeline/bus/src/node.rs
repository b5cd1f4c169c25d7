//! Watches nodes come and go, by their liveliness tokens.

use std::time::Duration;

use zenoh::pubsub::Subscriber;
use zenoh::sample::{Sample, SampleKind};
use zenoh::{Session, Wait};

use crate::error::BusError;
use crate::watcher::RecvError;

/// Changes that may wait for the receiver; further ones are dropped.
const WAITING: usize = 1024;

/// A node that came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeChange {
    /// Its key, `…/node/<node>/alive`.
    pub key: String,
    /// True if it is alive now.
    pub alive: bool,
}

/// Reports the nodes that are there, then each change.
pub struct NodeWatch {
    /// Dropping it ends the subscription.
    _subscriber: Subscriber<()>,
    changes: flume::Receiver<NodeChange>,
}

impl NodeWatch {
    pub(crate) fn open(session: &Session, key_expr: &str) -> Result<Self, BusError> {
        let (sender, changes) = flume::bounded(WAITING);
        let take = move |sample: Sample| {
            let alive = sample.kind() == SampleKind::Put;
            if sender.try_send(NodeChange { key: sample.key_expr().to_string(), alive }).is_err() {
                tracing::warn!(
                    "nodes come and go faster than they are read; one change was dropped, and a node may be shown wrongly"
                );
            }
        };
        let subscriber =
            session.liveliness().declare_subscriber(key_expr.to_owned()).history(true).callback(take).wait();
        let subscriber = subscriber.map_err(|error| BusError::declare(key_expr, "liveliness subscriber", error))?;
        Ok(Self { _subscriber: subscriber, changes })
    }

    /// The next change, waited for no longer than `timeout`.
    ///
    /// # Errors
    /// If none came, or none will.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<NodeChange, RecvError> {
        self.changes.recv_timeout(timeout).map_err(|error| match error {
            flume::RecvTimeoutError::Timeout => RecvError::Timeout,
            flume::RecvTimeoutError::Disconnected => RecvError::Closed,
        })
    }
}
