//! What can go wrong on the bus.

use std::time::Duration;

/// What went wrong. Endpoints stand in these errors without anything that could be a credential.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// An endpoint that can't be used.
    #[error("bus endpoint `{endpoint}`: {reason}")]
    Endpoint {
        /// The endpoint, as far as it may be shown.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The bus can't be opened.
    #[error("can't open the bus ({endpoints}): {reason}")]
    Open {
        /// Where it was to listen and connect, as far as that may be shown.
        endpoints: String,
        /// What zenoh says.
        reason: String,
    },
    /// Opened where it would panic.
    #[error(
        "the bus can't be opened on a current-thread tokio runtime; use a multi-thread one or a thread outside of it"
    )]
    CurrentThreadRuntime,
    /// A publisher, subscriber or queryable can't be declared.
    #[error("{key}: can't declare the {what}: {reason}")]
    Declare {
        /// The key expression.
        key: String,
        /// What was to be declared.
        what: &'static str,
        /// What zenoh says.
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
        /// What zenoh says.
        reason: String,
    },
    /// No node answers a query.
    #[error("{selector}: no node answered within {} s; is one running that serves this?", within.as_secs_f64())]
    NoAnswer {
        /// What was asked.
        selector: String,
        /// How long was waited.
        within: Duration,
    },
    /// A query was answered by an error, or by something else than what was asked for.
    #[error("{selector}: {reason}")]
    Answer {
        /// What was asked.
        selector: String,
        /// What the node says, or what is wrong with its answer.
        reason: String,
    },
    /// Not the key of a gate's entries.
    #[error("{key}: not the key of a gate's entries, which ends in `gate/<gate>/entry`")]
    NotEntryKey {
        /// The key.
        key: String,
    },
    /// Closing failed or took too long. The process can still end; what had not been sent by then is lost on the bus,
    /// though not in the outbox.
    #[error("the bus did not close in good order: {reason}")]
    Close {
        /// Why.
        reason: String,
    },
}
