//! The thread that listens to the bus: entries are decided, and the door's state is told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatehouse_bus::{Announcer, NodeWatch, RecvError, Watcher};
use gatehouse_core::door::DoorEvent;
use gatehouse_core::event::EntryEvent;
use gatehouse_core::time::{Clock, Monotonic, WallTime};
use gatehouse_core::{CameraId, Event};

use crate::controller::{Action, Controller, Refusal};
use crate::driver::Driver;
use crate::files;
use crate::folder::Folder;
use crate::link::Link;
use crate::log_file::LogFile;
use crate::seldom::Seldom;

/// How long is listened before the rest is looked at.
const LISTEN_FOR: Duration = Duration::from_millis(100);
/// How often the door's state is told although it hasn't changed.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What the thread works with.
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

/// What is to be told seldom.
#[derive(Default)]
struct Told {
    refused: Seldom,
    forgetful: Seldom,
    at: Option<Monotonic>,
}

impl Listening {
    /// Listens until it is stopped, and gives the watcher back to be closed.
    pub(crate) fn run(mut self) -> Watcher {
        let mut told = Told::default();
        let mut node_is_there = false;
        while !self.stopping.load(Ordering::Acquire) {
            match self.watcher.recv_timeout(LISTEN_FOR) {
                Ok(received) => match received.event {
                    Ok(event) if event.camera() == Some(&self.gate()) => {
                        self.heard();
                        if let Event::Entry(entry) = event {
                            self.entry(&entry, &mut told);
                        }
                    }
                    _ => tracing::debug!("{}: not an event of the gate", received.key),
                },
                Err(RecvError::Timeout) => {}
                Err(RecvError::Closed) => {
                    tracing::error!("the bus has closed; nothing is heard any more");
                    break;
                }
            }
            while let Ok(change) = self.nodes.recv_timeout(Duration::ZERO) {
                node_is_there = change.alive;
            }
            if node_is_there {
                self.heard();
            }
            self.tell(&mut told);
        }
        self.watcher
    }

    fn gate(&self) -> CameraId {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).gate.clone()
    }

    fn heard(&self) {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).heard(self.clock.monotonic());
    }

    fn entry(&mut self, entry: &EntryEvent, told: &mut Told) {
        let now = self.clock.wall();
        match self.controller.entry(entry, now) {
            Action::Open { until } => {
                // Written down first: a controller that is killed now must not open for it again.
                let kept = self.folder.remember(self.controller.memory());
                self.state.lock().unwrap_or_else(PoisonError::into_inner).openings += 1;
                self.driver.open(self.clock.monotonic() + until.distance(now));
                tracing::info!("entry {}: the door opens", entry.sequence);
                // A power cut is slower than a kill; people needn't wait for the disk.
                let kept = kept.and_then(|()| files::sync(&self.folder.memory_path()));
                if let (Err(error), Some(silent)) = (kept, told.forgetful.now(self.clock.monotonic())) {
                    tracing::error!(
                        "what the door opened for can't be written down: {error} ({silent} more like this)"
                    );
                }
            }
            Action::Ignore(refusal) => self.refused(entry, refusal, told),
        }
    }

    fn refused(&self, entry: &EntryEvent, refusal: Refusal, told: &mut Told) {
        // The bus repeats old entries to whoever joins late; these are no news.
        if !refusal.is_noteworthy() || entry.capture_time.at < self.started {
            tracing::debug!("entry {} doesn't open the door: {refusal}", entry.sequence);
        } else if let Some(silent) = told.refused.now(self.clock.monotonic()) {
            tracing::warn!("entry {} doesn't open the door: {refusal} ({silent} more refused before)", entry.sequence);
        }
    }

    fn tell(&self, told: &mut Told) {
        let position = self.driver.position();
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner).head().clone();
        let (state, changed) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let (hold, works) = (position.hold, position.works);
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
        let due = told.at.is_none_or(|at| now.since(at) >= TELL_EVERY);
        if changed || due {
            told.at = Some(now);
            if let Err(error) = self.announcer.say(&Event::Door(state)) {
                tracing::debug!("{error}");
            }
        }
    }
}
