//! Opening and closing a zenoh session.

use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::{Handle, RuntimeFlavor};
use zenoh::{Config, Session, Wait};

use crate::error::BusError;
use crate::options::BusOptions;

/// How long a receiver may delay an entry before it is disconnected, in microseconds. A
/// disconnected receiver reconnects and fetches what it missed; without this it would delay all
/// other receivers.
const WAIT_BEFORE_CLOSE_US: u64 = 1_000_000;
/// The largest message that a peer may send, in bytes. Events have kilobytes, a full page of
/// history less than one megabyte; zenoh's own limit is a gigabyte.
const LARGEST_MESSAGE: u64 = 16 << 20;

pub(crate) fn open(options: &BusOptions) -> Result<Session, BusError> {
    options.check()?;
    if Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::CurrentThread) {
        return Err(BusError::CurrentThreadRuntime);
    }
    let open_error = |error| BusError::Open { endpoints: options.to_string(), reason: options.reason(error) };
    let mut config = Config::default();
    for (key, value) in settings(options) {
        config.insert_json5(key, &value.to_string()).map_err(open_error)?;
    }
    zenoh::open(config).wait().map_err(open_error)
}

fn settings(options: &BusOptions) -> [(&'static str, Value); 6] {
    [
        ("mode", json!("peer")),
        ("listen/endpoints", json!(options.listen)),
        ("connect/endpoints", json!(options.connect)),
        ("scouting/multicast/enabled", json!(false)),
        ("transport/link/tx/queue/congestion_control/block/wait_before_close", json!(WAIT_BEFORE_CLOSE_US)),
        ("transport/link/rx/max_message_size", json!(LARGEST_MESSAGE)),
    ]
}

pub(crate) fn locators(session: &Session) -> Vec<String> {
    session.info().locators().wait().iter().map(ToString::to_string).collect()
}

/// Runs `work`, which closes something, on a thread of its own, and waits no longer than `deadline`
/// for it: zenoh may hang on a peer that has gone.
pub(crate) fn close_within(
    deadline: Duration,
    work: impl FnOnce() -> Result<(), String> + Send + 'static,
) -> Result<(), BusError> {
    let (done, closed) = mpsc::channel();
    let spawned = std::thread::Builder::new().name("bus-close".to_owned()).spawn(move || done.send(work()));
    spawned.map_err(|error| BusError::Close { reason: error.to_string() })?;
    match closed.recv_timeout(deadline) {
        Ok(result) => result.map_err(|reason| BusError::Close { reason }),
        Err(_) => Err(BusError::Close { reason: format!("not done after {} s", deadline.as_secs_f64()) }),
    }
}
