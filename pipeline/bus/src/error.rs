//! Errors of the bus.

use std::fmt::Display;
use std::time::Duration;

/// An error of the bus. Endpoints are shown without anything that could be a credential.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// An endpoint that can't be used.
    #[error("bus endpoint `{endpoint}`: {reason}")]
    Endpoint {
        /// The endpoint, as far as it may be shown.
        endpoint: String,
        /// Why it is refused.
        reason: String,
    },
    /// The mode does not go with the endpoints.
    #[error("the bus: {0}")]
    Mode(&'static str),
    /// The bus can't be opened.
    #[error("can't open the bus ({endpoints}): {reason}")]
    Open {
        /// Where it was to listen and connect, as far as that may be shown.
        endpoints: String,
        /// zenoh's error.
        reason: String,
    },
    /// Opened on a current-thread tokio runtime, where zenoh would panic.
    #[error(
        "the bus can't be opened on a current-thread tokio runtime; use a multi-thread one or a thread outside of it"
    )]
    CurrentThreadRuntime,
    /// A publisher, subscriber or queryable can't be declared.
    #[error("{key}: can't declare the {what}: {reason}")]
    Declare {
        /// The key expression.
        key: String,
        /// Publisher, subscriber, queryable or token.
        what: &'static str,
        /// zenoh's error.
        reason: String,
    },
    /// An event can't be written as JSON.
    #[error("{key}: this event can't be written as JSON: {source}")]
    Encode {
        /// The event's key.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
    /// An event can't be handed to zenoh.
    #[error("{key}: can't publish: {reason}")]
    Publish {
        /// The event's key.
        key: String,
        /// zenoh's error.
        reason: String,
    },
    /// No node answers a query.
    #[error("{selector}: no node answered within {} s; is one running that serves this?", within.as_secs_f64())]
    NoAnswer {
        /// The query.
        selector: String,
        /// The time waited.
        within: Duration,
    },
    /// A query was answered with an error or with unexpected content.
    #[error("{selector}: {reason}")]
    Answer {
        /// The query.
        selector: String,
        /// The node's error, or the fault of its answer.
        reason: String,
    },
    /// Not the key of a gate's entries.
    #[error("{key}: not the key of a gate's entries, which ends in `gate/<gate>/entry`")]
    NotEntryKey {
        /// The key.
        key: String,
    },
    /// Closing failed or took too long. The process can still end; what had not been sent by then
    /// is lost on the bus, though not in the outbox.
    #[error("the bus did not close in good order: {reason}")]
    Close {
        /// Why.
        reason: String,
    },
}

impl BusError {
    pub(crate) fn declare(key: &str, what: &'static str, error: impl Display) -> Self {
        Self::Declare { key: key.to_owned(), what, reason: error.to_string() }
    }
}
