//! A node's side of the bus.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::event::EntryEvent;
use gatehouse_core::key::SiteKey;
use gatehouse_core::node_clock::{ClockStatement, LONGEST_NONCE};
use gatehouse_core::{CameraId, Event};
use parking_lot::Mutex;
use serde_json::Value;
use zenoh::Wait;
use zenoh::liveliness::LivelinessToken;
use zenoh_ext::AdvancedPublisher;

use crate::answer::AnswerDesk;
use crate::error::BusError;
use crate::history::{self, HistoryRequest};
use crate::options::BusOptions;
use crate::session::{self, BusSession, close_within};
use crate::travel;

/// A node on the bus. Its session ends when it is closed or dropped.
///
/// While it is open, the liveliness token `node/<node>/alive` stands below the site.
///
/// Locks: `publishers` is held while a publisher is looked up or declared, never while one
/// publishes; `alive` only at closing. No thread holds both.
pub struct Bus {
    site: SiteKey,
    session: BusSession,
    publishers: Mutex<HashMap<String, Arc<AdvancedPublisher<'static>>>>,
    alive: Mutex<Option<LivelinessToken>>,
    desk: Arc<AnswerDesk>,
}

impl Bus {
    /// Opens the bus for a node of a site. Takes up to half a second while peers to connect to are
    /// not there yet; they are then looked for in the background.
    ///
    /// # Errors
    /// If an endpoint can't be used or listened at, or this is a current-thread tokio runtime.
    pub fn open(options: &BusOptions, site: SiteKey, node: &str) -> Result<Self, BusError> {
        let session = session::open(options)?;
        let key = site.alive(node);
        let token = session.liveliness().declare_token(key.clone()).wait();
        let token = token.map_err(|error| BusError::declare(&key, "liveliness token", error))?;
        let (desk, alive) = (Arc::new(AnswerDesk::open()?), Mutex::new(Some(token)));
        Ok(Self { site, session, publishers: Mutex::default(), alive, desk })
    }

    /// The addresses at which others reach this node, with the ports that the system chose.
    /// Listening at an unspecified address (`0.0.0.0`), these are the addresses of the machine's
    /// interfaces, loopback left out.
    pub fn locators(&self) -> Vec<String> {
        session::locators(&self.session)
    }

    /// Passes an event to zenoh, as JSON on its key. Success does not mean that anyone received it.
    ///
    /// An entry waits up to a second for a slow receiver; every other kind is dropped instead.
    ///
    /// # Errors
    /// If the bus is closed, or the event's key or content can't be written.
    pub fn publish(&self, event: &Event) -> Result<(), BusError> {
        let key = self.site.of(event);
        let payload = serde_json::to_vec(event).map_err(|source| BusError::Encode { key: key.clone(), source })?;
        let publisher = self.publisher(&key, event)?;
        publisher.put(payload).wait().map_err(|error| BusError::Publish { key, reason: error.to_string() })
    }

    fn publisher(&self, key: &str, event: &Event) -> Result<Arc<AdvancedPublisher<'static>>, BusError> {
        let mut publishers = self.publishers.lock();
        if let Some(publisher) = publishers.get(key) {
            return Ok(Arc::clone(publisher));
        }
        let publisher = Arc::new(travel::declare(&self.session, key, event)?);
        publishers.insert(key.to_owned(), Arc::clone(&publisher));
        Ok(publisher)
    }

    /// Answers queries for the site's status with what `snapshot` gives, a JSON object. `snapshot`
    /// runs on the bus's own thread for answers.
    ///
    /// # Errors
    /// If the queryable can't be declared.
    pub fn serve_status(&self, snapshot: impl Fn() -> Value + Send + Sync + 'static) -> Result<(), BusError> {
        self.desk.serve(&self.session, self.site.status(), move |_| Ok(snapshot()))
    }

    /// Answers queries for the clock of this node with what `state` makes of the query's nonce.
    /// `state` runs on a thread of zenoh, so that the answer is not delayed: it must be quick.
    ///
    /// # Errors
    /// If the queryable can't be declared.
    pub fn serve_clock(
        &self,
        node: &str,
        state: impl Fn(String) -> ClockStatement + Send + Sync + 'static,
    ) -> Result<(), BusError> {
        self.desk.serve_at_once(&self.session, self.site.clock(node), move |parameters| {
            let nonce = parameters.split(';').find_map(|pair| pair.strip_prefix("nonce="))?;
            let fits = !nonce.is_empty() && nonce.len() <= LONGEST_NONCE;
            fits.then(|| serde_json::to_value(state(nonce.to_owned())).ok()).flatten()
        })
    }

    /// Answers queries for the past entries of these gates. `entries` gives up to the requested
    /// number of entries in order, or returns an error text for the asking side; it runs on the
    /// bus's own thread for answers and may read from disk.
    ///
    /// # Errors
    /// If a queryable can't be declared.
    pub fn serve_history(
        &self,
        gates: &[CameraId],
        entries: impl Fn(HistoryRequest) -> Result<Vec<EntryEvent>, String> + Send + Sync + 'static,
    ) -> Result<(), BusError> {
        let entries = Arc::new(entries);
        for gate in gates {
            let (gate_asked, entries) = (gate.clone(), Arc::clone(&entries));
            self.desk.serve(&self.session, self.site.entry_history(gate), move |query| {
                let request = HistoryRequest::read(&gate_asked, query.parameters().as_str())?;
                history::write(&request, entries(request.clone())?)
            })?;
        }
        Ok(())
    }

    /// Takes the node off the bus within `deadline`: withdraws its liveliness token, answers
    /// waiting queries, and sends what is queued. Publishing afterwards is an error. Closing twice
    /// is no error.
    ///
    /// # Errors
    /// If it takes longer, or zenoh reports one. The process can end all the same.
    pub fn close(&self, deadline: Duration) -> Result<(), BusError> {
        let alive = self.alive.lock().take();
        let (desk, session) = (Arc::clone(&self.desk), self.session.clone());
        close_within(deadline, move || {
            drop(alive);
            desk.close();
            session.close()
        })
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").field("site", &self.site).finish_non_exhaustive()
    }
}
