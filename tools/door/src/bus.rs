//! The thread `door-bus`: takes entries off the bus, has them decided, and publishes the door's
//! state.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatehouse_bus::{Announcer, NodeWatch, RecvError, Watcher};
use gatehouse_core::Event;
use gatehouse_core::door::DoorEvent;
use gatehouse_core::event::EntryEvent;
use gatehouse_core::log_limit::LogLimit;
use gatehouse_core::time::{Clock, Monotonic, WallTime};
use parking_lot::Mutex;

use crate::controller::{Controller, Refusal};
use crate::driver::Driver;
use crate::files;
use crate::folder::Folder;
use crate::link::Link;
use crate::log_file::LogFile;

/// Longest wait for an event before the node and the door are looked at again.
const LISTEN_FOR: Duration = Duration::from_millis(100);
/// How often the door's state is published although it has not changed.
const PUBLISH_EVERY: Duration = Duration::from_secs(10);

pub(crate) struct Listening {
    pub(crate) watcher: Watcher,
    pub(crate) nodes: NodeWatch,
    pub(crate) announcer: Announcer,
    pub(crate) controller: Controller,
    pub(crate) folder: Arc<Folder>,
    pub(crate) driver: Arc<Driver>,
    pub(crate) link: Arc<Mutex<Link>>,
    pub(crate) log: Arc<Mutex<LogFile>>,
    pub(crate) state: Arc<Mutex<DoorEvent>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) stopping: Arc<AtomicBool>,
    pub(crate) started: WallTime,
}

/// When the thread last logged and published.
#[derive(Default)]
struct Reported {
    refused_log: LogLimit,
    memory_log: LogLimit,
    state_at: Option<Monotonic>,
}

impl Listening {
    /// Runs until it is stopped. Returns the watcher, which the caller closes.
    pub(crate) fn run(mut self) -> Watcher {
        let mut reported = Reported::default();
        let mut node_is_there = false;
        while !self.stopping.load(Ordering::Acquire) {
            match self.watcher.recv_timeout(LISTEN_FOR) {
                Ok(received) => match received.event {
                    Ok(event) if event.camera() == Some(&self.controller.rules.gate) => {
                        self.record_contact();
                        if let Event::Entry(entry) = event {
                            self.handle_entry(&entry, &mut reported);
                        }
                    }
                    _ => tracing::debug!("{}: not an event of the gate", received.key),
                },
                Err(RecvError::Timeout) => {}
                Err(RecvError::Closed) => {
                    tracing::error!(
                        "the bus has closed: no entry arrives any more, and the door opens for nobody until a restart"
                    );
                    break;
                }
            }
            while let Ok(change) = self.nodes.recv_timeout(Duration::ZERO) {
                node_is_there = change.alive;
            }
            if node_is_there {
                self.record_contact();
            }
            self.publish_state(&mut reported);
        }
        self.watcher
    }

    fn record_contact(&self) {
        self.link.lock().record_contact(self.clock.monotonic());
    }

    fn handle_entry(&mut self, entry: &EntryEvent, reported: &mut Reported) {
        let now = self.clock.wall();
        match self.controller.decide(entry, now) {
            Ok(until) => {
                // Written first: a controller that is killed now must not open for this entry
                // again.
                let kept = self.folder.remember(&self.controller.memory);
                self.driver.open(entry.sequence, self.clock.monotonic() + until.distance(now));
                // A power cut is rarer than a kill, so the person does not wait for the disk.
                let kept = kept.and_then(|()| files::sync(&self.folder.memory_path()));
                if let Err(error) = kept
                    && let Some(count) = reported.memory_log.count(self.clock.monotonic())
                {
                    tracing::error!(
                        "cannot save for which entries the door has opened: {error}; after a restart it may open twice \
                         for one entry ({count} failures since the last message)"
                    );
                }
            }
            Err(refusal) => self.log_refusal(entry, refusal, reported),
        }
    }

    fn log_refusal(&self, entry: &EntryEvent, refusal: Refusal, reported: &mut Reported) {
        // The bus repeats old entries to a watcher that joins late.
        if !refusal.is_noteworthy() || entry.capture_time.at < self.started {
            tracing::debug!("entry {} does not open the door: {refusal}", entry.sequence);
        } else if let Some(count) = reported.refused_log.count(self.clock.monotonic()) {
            tracing::warn!(
                "entry {} does not open the door: {refusal} ({count} refused since the last message)",
                entry.sequence
            );
        }
    }

    fn publish_state(&self, reported: &mut Reported) {
        let position = self.driver.position();
        let log = self.log.lock().head.clone();
        let (state, changed) = {
            let mut state = self.state.lock();
            let (hold, works) = (position.hold, position.trouble.is_none());
            state.openings = position.openings;
            let changed =
                (state.released, state.failed_safe, state.actuator_works) != (hold.released, hold.failed_safe, works);
            if changed {
                (state.released, state.failed_safe, state.actuator_works) = (hold.released, hold.failed_safe, works);
                state.since = self.clock.wall();
            }
            let changed = changed || state.log != log;
            state.log = log;
            (state.clone(), changed)
        };
        let now = self.clock.monotonic();
        let due = reported.state_at.is_none_or(|at| now.since(at) >= PUBLISH_EVERY);
        if changed || due {
            reported.state_at = Some(now);
            if let Err(error) = self.announcer.say(&Event::Door(state)) {
                tracing::debug!("{error}");
            }
        }
    }
}
