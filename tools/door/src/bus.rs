//! The thread `door-bus`: takes entries off the bus, has them decided, asks the node for its clock,
//! and publishes the door's state.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatehouse_bus::{Announcer, NodeWatch, RecvError, Watcher};
use gatehouse_core::Event;
use gatehouse_core::door::DoorEvent;
use gatehouse_core::event::EntryEvent;
use gatehouse_core::log_limit::LogLimit;
use gatehouse_core::time::{Clock, Monotonic};
use parking_lot::Mutex;

use crate::controller::{Controller, Refusal, Rules};
use crate::driver::Driver;
use crate::files;
use crate::folder::Folder;
use crate::link::Link;
use crate::log_file::LogFile;
use crate::node_clock::NodeClock;
use crate::refusals::{ClockWait, LineLimit, Refusals};

/// Longest wait for an event before the node and the door are looked at again.
const LISTEN_FOR: Duration = Duration::from_millis(100);
/// How often the door's state is published although it has not changed.
const PUBLISH_EVERY: Duration = Duration::from_secs(10);
/// Longest wait for an event while entries wait for the node's clock.
const LISTEN_WAITING: Duration = Duration::from_millis(5);
/// How often the node is asked for its clock.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// The same while the clock is not known, or an entry waits for it.
const ASK_URGENTLY_EVERY: Duration = Duration::from_millis(250);
/// Entries that may wait for the node's clock: more than the bus repeats to a late watcher.
const MAX_WAITING: usize = 256;

pub(crate) struct Listening {
    pub(crate) watcher: Watcher,
    pub(crate) nodes: NodeWatch,
    pub(crate) announcer: Announcer,
    /// Where the node answers queries for its clock.
    pub(crate) clock_key: String,
    pub(crate) node_clock: Arc<Mutex<NodeClock>>,
    pub(crate) controller: Controller,
    pub(crate) folder: Arc<Folder>,
    pub(crate) driver: Arc<Driver>,
    pub(crate) link: Arc<Mutex<Link>>,
    pub(crate) log: Arc<Mutex<LogFile>>,
    pub(crate) state: Arc<Mutex<DoorEvent>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) stopping: Arc<AtomicBool>,
}

/// Entries whose age is not known yet, when the thread last did something, and its logs.
#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    asked_at: Option<Monotonic>,
    node_is_there: bool,
    refusals: Refusals,
    clock_wait: ClockWait,
    refusal_lines: LineLimit,
    memory_log: LogLimit,
    clock_log: LogLimit,
    published_at: Option<Monotonic>,
}

/// An entry that waits for the node's answer about its clock.
struct Waiting {
    entry: EntryEvent,
    until: Monotonic,
    /// Answers that were used before.
    answers: u64,
}

impl Listening {
    /// Runs until it is stopped. Returns the watcher, which the caller closes.
    pub(crate) fn run(mut self) -> Watcher {
        let mut state = State::default();
        while !self.stopping.load(Ordering::Acquire) {
            self.ask_for_clock(&mut state);
            let listen_for = if state.waiting.is_empty() { LISTEN_FOR } else { LISTEN_WAITING };
            match self.watcher.recv_timeout(listen_for) {
                Ok(received) => match received.event {
                    Ok(event) if event.camera() == Some(&self.controller.rules.gate) => {
                        self.record_contact();
                        if let Event::Entry(entry) = event {
                            self.handle_entry(entry, &mut state);
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
            self.handle_waiting(&mut state);
            while let Ok(change) = self.nodes.recv_timeout(Duration::ZERO) {
                state.node_is_there = change.alive;
            }
            if state.node_is_there {
                self.record_contact();
            }
            self.publish_state(&mut state);
        }
        self.watcher
    }

    fn record_contact(&self) {
        self.link.lock().record_contact(self.clock.monotonic());
    }

    /// Sends a query for the node's clock, if one is due.
    fn ask_for_clock(&self, state: &mut State) {
        let now = self.clock.monotonic();
        let is_urgent = !state.waiting.is_empty() || self.node_clock.lock().time(now).is_none();
        let every = if is_urgent { ASK_URGENTLY_EVERY } else { ASK_EVERY };
        if state.asked_at.is_some_and(|at| now.since(at) < every) {
            return;
        }
        state.asked_at = Some(now);
        let nonce = format!("{:032x}", rand::random::<u128>());
        self.node_clock.lock().record_query(nonce.clone(), now);
        let Rules { verifier, site, clock_error, .. } = &self.controller.rules;
        let (verifier, site) = (*verifier, site.clone());
        let (node_clock, clock) = (Arc::clone(&self.node_clock), Arc::clone(&self.clock));
        // A slow answer is worth a warning, so it is waited for.
        let timeout = *clock_error * 2 + ASK_EVERY;
        let asked = self.watcher.ask_clock(&self.clock_key, &nonce, timeout, move |statement| {
            let received = (clock.monotonic(), clock.wall());
            if let Err(refusal) = node_clock.lock().record_answer(&statement, &verifier, &site, received) {
                tracing::debug!("an answer about the node's clock is not used: {refusal}");
            }
        });
        if let Err(error) = asked {
            tracing::debug!("{error}");
        }
    }

    fn handle_entry(&mut self, entry: EntryEvent, state: &mut State) {
        let now = self.clock.monotonic();
        match self.decide(&entry, now) {
            Ok(left) => self.open(&entry, now + left, state),
            Err(refusal) if refusal.waits_for_clock() && state.waiting.len() < MAX_WAITING => {
                let until = now + self.controller.rules.clock_error + ASK_URGENTLY_EVERY * 2;
                let answers = self.node_clock.lock().answers();
                state.waiting.push_back(Waiting { entry, until, answers });
            }
            Err(refusal) => self.record_refusal(&entry, refusal, now, state),
        }
    }

    /// Decides again about entries that waited for an answer about the node's clock, in order.
    fn handle_waiting(&mut self, state: &mut State) {
        let (now, answers) = (self.clock.monotonic(), self.node_clock.lock().answers());
        for mut waiting in std::mem::take(&mut state.waiting) {
            let is_late = now >= waiting.until;
            if answers == waiting.answers && !is_late {
                state.waiting.push_back(waiting);
                continue;
            }
            waiting.answers = answers;
            match self.decide(&waiting.entry, now) {
                Ok(left) => self.open(&waiting.entry, now + left, state),
                Err(refusal) if refusal.waits_for_clock() && !is_late => state.waiting.push_back(waiting),
                Err(refusal) => self.record_refusal(&waiting.entry, refusal, now, state),
            }
        }
    }

    fn decide(&mut self, entry: &EntryEvent, now: Monotonic) -> Result<Duration, Refusal> {
        self.controller.decide(entry, &self.node_clock.lock(), now)
    }

    fn open(&self, entry: &EntryEvent, until: Monotonic, state: &mut State) {
        // Written first: a controller that is killed now must not open for this entry again.
        let kept = self.folder.remember(&self.controller.memory);
        state.refusals.record_opened();
        self.driver.open(entry.sequence, until);
        // A power cut is rarer than a kill, so the person does not wait for the disk.
        let kept = kept.and_then(|()| files::sync(&self.folder.memory_path()));
        if let Err(error) = kept
            && let Some(count) = state.memory_log.count(self.clock.monotonic())
        {
            tracing::error!(
                "cannot save for which entries the door has opened: {error}; after a restart it may open twice \
                 for one entry ({count} failures since the last message)"
            );
        }
    }

    fn record_refusal(&self, entry: &EntryEvent, refusal: Refusal, now: Monotonic, state: &mut State) {
        // The bus repeats old entries to a watcher that joins late.
        let is_old = self.controller.is_from_before_start(entry, &self.node_clock.lock(), now);
        if !refusal.is_noteworthy() || is_old {
            tracing::debug!("entry {} does not open the door: {refusal}", entry.sequence);
            return;
        }
        state.refusals.record_refused(refusal);
        if let Some(left_out) = state.refusal_lines.admits(now) {
            let left_out = if left_out > 0 { format!(" ({left_out} more were refused before)") } else { String::new() };
            tracing::warn!("entry {} does not open the door: {refusal}{left_out}", entry.sequence);
        }
    }

    /// Why the door may be shut for people whom the gate admits.
    fn warning(&self, state: &mut State, trouble: Option<&str>, now: Monotonic) -> Option<String> {
        let (is_known, refused) = {
            let node_clock = self.node_clock.lock();
            (node_clock.time(now).is_some(), node_clock.refused())
        };
        let is_due = state.clock_wait.record(state.node_is_there && !is_known, now);
        let waits = is_due.then(|| {
            let why = refused.map_or("it does not answer".to_owned(), |refused| format!("its last answer: {refused}"));
            format!("the door waits for the node's clock, and opens for nobody until then; {why}")
        });
        if let Some(waits) = &waits
            && let Some(count) = state.clock_log.count(now)
        {
            tracing::warn!(times = count, "{waits}");
        }
        let does_not_move = trouble.map(|reason| format!("the door does not move: {reason}"));
        does_not_move.or(waits).or_else(|| state.refusals.warning())
    }

    fn publish_state(&self, of_thread: &mut State) {
        let now = self.clock.monotonic();
        let position = self.driver.position();
        let log = self.log.lock().head.clone();
        let warning = self.warning(of_thread, position.trouble.as_deref(), now);
        let offset_ms = self.node_clock.lock().wall_offset_ms();
        let (state, changed) = {
            let mut state = self.state.lock();
            let before = state.clone();
            let (hold, works) = (position.hold, position.trouble.is_none());
            state.openings = position.openings;
            if (state.released, state.failed_safe, state.actuator_works) != (hold.released, hold.failed_safe, works) {
                (state.released, state.failed_safe, state.actuator_works) = (hold.released, hold.failed_safe, works);
                state.since = self.clock.wall();
            }
            state.refused_in_a_row = of_thread.refusals.in_a_row();
            (state.warning, state.log, state.node_clock_offset_ms) = (warning, log, offset_ms);
            // Openings and the clocks' difference are reported with the rest.
            let compared = DoorEvent { openings: state.openings, node_clock_offset_ms: offset_ms, ..before };
            (state.clone(), *state != compared)
        };
        let due = of_thread.published_at.is_none_or(|at| now.since(at) >= PUBLISH_EVERY);
        if changed || due {
            of_thread.published_at = Some(now);
            if let Err(error) = self.announcer.say(&Event::Door(state)) {
                tracing::debug!("{error}");
            }
        }
    }
}
