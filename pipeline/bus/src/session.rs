//! Opening and closing a zenoh session.

use std::ops::Deref;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use gatehouse_core::bus_mode::BusMode;
use serde_json::{Value, json};
use tokio::runtime::{Handle, RuntimeFlavor};
use zenoh::internal::runtime::{Runtime, RuntimeBuilder, ZRuntime};
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

/// Longest wait for a client's first connection while it is opened.
const OPEN_WITHIN: Duration = Duration::from_millis(500);
/// Pause after a client's first attempt to connect; doubles up to [`LONGEST_PAUSE`], as in zenoh.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// An open session. It closes when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct BusSession(Arc<Inner>);

struct Inner {
    session: Session,
    /// The runtime of a client, which is ours to close.
    client: Option<Runtime>,
}

impl Deref for BusSession {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.0.session
    }
}

impl BusSession {
    /// Ends the session. Ending it twice is no error.
    pub(crate) fn close(&self) -> Result<(), String> {
        self.0.close()
    }
}

impl Inner {
    fn close(&self) -> Result<(), String> {
        let closed = self.session.close().wait();
        // After the session, which says goodbye through it.
        let ended = match &self.client {
            Some(runtime) if !runtime.is_closed() => runtime.close().wait(),
            _ => Ok(()),
        };
        closed.and(ended).map_err(|error| error.to_string())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.client.is_some()
            && let Err(error) = self.close()
        {
            tracing::debug!("the bus did not close: {error}");
        }
    }
}

/// Opens a session. Takes up to half a second while nobody is there to connect to, and then looks
/// for them in the background.
pub(crate) fn open(options: &BusOptions) -> Result<BusSession, BusError> {
    options.check()?;
    if Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::CurrentThread) {
        return Err(BusError::CurrentThreadRuntime);
    }
    let open_error = |error| BusError::Open { endpoints: options.to_string(), reason: options.reason(error) };
    let mut config = Config::default();
    for (key, value) in settings(options) {
        config.insert_json5(key, &value.to_string()).map_err(open_error)?;
    }
    let (session, client) = match options.mode() {
        BusMode::Peer => (zenoh::open(config).wait().map_err(open_error)?, None),
        BusMode::Client => {
            let (session, runtime) = open_client(config).map_err(open_error)?;
            (session, Some(runtime))
        }
    };
    Ok(BusSession(Arc::new(Inner { session, client })))
}

/// Opens a client's session, connected or not. `zenoh::open` itself fails, or waits for ever, while
/// no router is there.
fn open_client(config: Config) -> zenoh::Result<(Session, Runtime)> {
    let runtime = ZRuntime::Application.block_in_place(RuntimeBuilder::new(config).build())?;
    let session = zenoh::session::init(runtime.clone().into()).wait()?;
    let (sender, connected) = mpsc::channel();
    ZRuntime::Net.spawn(connect(runtime.clone(), sender));
    // An error means that nobody is there yet.
    let _ = connected.recv_timeout(OPEN_WITHIN);
    Ok((session, runtime))
}

/// Tries a client's endpoints in turn until one answers. From then on zenoh reconnects by itself.
async fn connect(mut runtime: Runtime, connected: mpsc::Sender<()>) {
    let closed = runtime.get_cancellation_token();
    let mut pause = FIRST_PAUSE;
    loop {
        let started = tokio::select! {
            () = closed.cancelled() => return,
            started = runtime.start() => started,
        };
        match started {
            Ok(()) => {
                let _ = connected.send(());
                return;
            }
            Err(error) => tracing::debug!("no router or node answers: {error}"),
        }
        tokio::select! {
            () = closed.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn settings(options: &BusOptions) -> [(&'static str, Value); 7] {
    [
        ("mode", json!(options.mode().to_string())),
        ("listen/endpoints", json!(options.listen)),
        ("connect/endpoints", json!(options.connect)),
        ("scouting/multicast/enabled", json!(false)),
        ("scouting/gossip/enabled", json!(options.gossip)),
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
