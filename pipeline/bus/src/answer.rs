//! Answers queries on a separate thread, since zenoh's threads must not wait for a disk.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};

use parking_lot::Mutex;
use serde_json::Value;
use zenoh::bytes::Encoding;
use zenoh::query::{Query, Queryable};
use zenoh::{Session, Wait};

use crate::error::BusError;

/// Queries that may wait. Any more are left unanswered, and the asking side times out.
const WAITING: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// The thread that answers, and the queryables whose queries it gets.
pub(crate) struct AnswerDesk {
    /// Gone once the desk is closed.
    open: Mutex<Option<Open>>,
}

struct Open {
    jobs: SyncSender<Job>,
    queryables: Vec<Queryable<()>>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
}

impl AnswerDesk {
    pub(crate) fn open() -> Result<Self, BusError> {
        let (jobs, waiting) = mpsc::sync_channel::<Job>(WAITING);
        let (running, ended) = mpsc::channel();
        let run = move || {
            let _running: mpsc::Sender<()> = running;
            waiting.iter().for_each(|job| job());
        };
        std::thread::Builder::new().name("bus-answers".to_owned()).spawn(run).map_err(|error| BusError::Open {
            endpoints: "its thread for answers".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self { open: Mutex::new(Some(Open { jobs, queryables: Vec::new(), ended })) })
    }

    /// Answers queries on `key` with JSON, or with an error in words.
    pub(crate) fn serve(
        &self,
        session: &Session,
        key: String,
        answer: impl Fn(&Query) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Result<(), BusError> {
        let declare_error = |reason: &dyn Display| BusError::declare(&key, "queryable", reason);
        let mut open = self.open.lock();
        let open = open.as_mut().ok_or_else(|| declare_error(&"the bus is closed"))?;
        let (jobs, answer) = (open.jobs.clone(), Arc::new(answer));
        let take = move |query: Query| {
            let answer = Arc::clone(&answer);
            match jobs.try_send(Box::new(move || reply(&query, &*answer))) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => {}
                Err(TrySendError::Full(_)) => tracing::debug!("a query is left unanswered: {WAITING} are waiting"),
            }
        };
        let queryable = session.declare_queryable(key.clone()).callback(take).wait();
        open.queryables.push(queryable.map_err(|error| declare_error(&error))?);
        Ok(())
    }

    /// Answers queries on `key` at once, on zenoh's thread, with what `answer` makes of their
    /// parameters; it must be quick, and must not wait. `None` gives no answer.
    pub(crate) fn serve_at_once(
        &self,
        session: &Session,
        key: String,
        answer: impl Fn(&str) -> Option<Value> + Send + Sync + 'static,
    ) -> Result<(), BusError> {
        let declare_error = |reason: &dyn Display| BusError::declare(&key, "queryable", reason);
        let mut open = self.open.lock();
        let open = open.as_mut().ok_or_else(|| declare_error(&"the bus is closed"))?;
        let take = move |query: Query| match answer(query.parameters().as_str()) {
            Some(value) => reply(&query, &|_| Ok(value.clone())),
            None => tracing::debug!(key = %query.key_expr(), "a query is left unanswered: it cannot be understood"),
        };
        let queryable = session.declare_queryable(key.clone()).callback(take).wait();
        open.queryables.push(queryable.map_err(|error| declare_error(&error))?);
        Ok(())
    }

    /// Takes no more queries, and returns when those waiting are answered.
    pub(crate) fn close(&self) {
        let open = self.open.lock().take();
        if let Some(Open { jobs, queryables, ended }) = open {
            drop(queryables);
            drop(jobs);
            // Nothing is ever sent: this returns when the thread, and with it the sender, is gone.
            let _ = ended.recv();
        }
    }
}

fn reply(query: &Query, answer: &(impl Fn(&Query) -> Result<Value, String> + ?Sized)) {
    // A bug in one answer must not end the thread.
    let answered = catch_unwind(AssertUnwindSafe(|| answer(query)));
    let answered = answered.unwrap_or_else(|_| Err("the node failed to answer; its log says more".to_owned()));
    let sent = match answered {
        Ok(value) => {
            query.reply(query.key_expr().clone(), value.to_string()).encoding(Encoding::APPLICATION_JSON).wait()
        }
        Err(reason) => query.reply_err(reason).encoding(Encoding::TEXT_PLAIN).wait(),
    };
    if let Err(error) = sent {
        tracing::debug!(key = %query.key_expr(), %error, "an answer could not be sent");
    }
}
