//! Moves the door on two threads: the opener opens it for people, the holder holds it open.
//!
//! Each thread has its own actuator. An opener that hangs therefore delays neither an emergency
//! release nor the next decision. The holder has priority: while the door is to be held open, the
//! opener does not move it, and the holder repeats its command after the opener's last one.
//!
//! Locks: `wants` is held for an exchange of values, never while an actuator works. No other lock
//! is taken under it.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use gatehouse_core::log_limit::LogLimit;
use gatehouse_core::time::{Clock, Monotonic};
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::actuator::{Actuator, ActuatorError, Command};

/// Time between a failure and the next try.
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// The longest time, if the device answers that it could not do it; doubles up to here.
const LONGEST_RETRY: Duration = Duration::from_secs(2);
/// Time between a command that the device refuses and the next try; doubles with each refusal.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The same, while the door has to be held open.
const LONGEST_PAUSE_OF_A_RELEASE: Duration = Duration::from_secs(4);
/// How often the command to hold the door open is repeated: its device may have restarted.
const REPEAT_AFTER: Duration = Duration::from_secs(10);

const OPENER: &str = "the opener's actuator";
const HOLDER: &str = "the holder's actuator";

/// Reasons to hold the door open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Hold {
    /// An emergency release.
    pub(crate) released: bool,
    /// The node is lost, and the door fails safe.
    pub(crate) failed_safe: bool,
}

impl Hold {
    pub(crate) fn any(self) -> bool {
        self.released || self.failed_safe
    }
}

/// Last known position of the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) hold: Hold,
    /// Why the actuator does not carry out commands; `None` while it does.
    pub(crate) trouble: Option<String>,
    /// How often the actuator has confirmed that the door opens for a grant.
    pub(crate) openings: u64,
}

/// An order to open for one person.
#[derive(Debug, Clone, Copy)]
struct Opening {
    /// Number of the entry.
    entry: u64,
    /// End of its grant.
    by: Monotonic,
    /// True until it is tried.
    is_new: bool,
}

impl Opening {
    fn log_as_missed(self) {
        tracing::error!("entry {}: the door did NOT open before the grant ended", self.entry);
    }
}

#[derive(Debug, Default)]
struct Wants {
    hold: Hold,
    /// The person who is waiting.
    opening: Option<Opening>,
    openings: u64,
    stopping: bool,
    /// The holder's last command that succeeded: true to hold the door open, false to shut it.
    held: Option<bool>,
    /// True when the opener moved the door while it is held open.
    disturbed: bool,
    opener_trouble: Option<String>,
    holder_trouble: Option<String>,
    opener_ended: bool,
    holder_ended: bool,
}

struct Shared {
    wants: Mutex<Wants>,
    changed: Condvar,
    clock: Arc<dyn Clock>,
    open_for: Duration,
}

pub(crate) struct Driver {
    shared: Arc<Shared>,
}

impl Driver {
    /// Starts both threads, with the door held open or shut. Both actuators move the same door.
    pub(crate) fn start(
        opener: Box<dyn Actuator>,
        holder: Box<dyn Actuator>,
        open_for: Duration,
        hold: Hold,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let wants = Wants { hold, ..Wants::default() };
        let shared = Arc::new(Shared { wants: Mutex::new(wants), changed: Condvar::new(), clock, open_for });
        let (for_opener, for_holder) = (Arc::clone(&shared), Arc::clone(&shared));
        thread::Builder::new().name("door-hold".to_owned()).spawn(move || for_holder.hold(holder))?;
        let driver = Self { shared };
        thread::Builder::new().name("door-open".to_owned()).spawn(move || for_opener.open(opener))?;
        Ok(driver)
    }

    /// Opens for the person of an entry. Retried until `by`. A person who is still waiting goes
    /// through with this one.
    pub(crate) fn open(&self, entry: u64, by: Monotonic) {
        let mut wants = self.shared.wants.lock();
        let by = wants.opening.map_or(by, |waiting| waiting.by.max(by));
        wants.opening = Some(Opening { entry, by, is_new: true });
        self.shared.changed.notify_all();
    }

    /// Changes the reasons to hold the door open.
    pub(crate) fn set_hold(&self, change: impl FnOnce(&mut Hold)) {
        change(&mut self.shared.wants.lock().hold);
        self.shared.changed.notify_all();
    }

    pub(crate) fn position(&self) -> Position {
        let wants = self.shared.wants.lock();
        let trouble = wants.holder_trouble.as_ref().or(wants.opener_trouble.as_ref()).cloned();
        Position { hold: wants.hold, trouble, openings: wants.openings }
    }

    /// Waits until the holder has carried out its command. False if that takes longer than
    /// `timeout`.
    pub(crate) fn settled_within(&self, timeout: Duration) -> bool {
        let unsettled = |wants: &mut Wants| wants.held != Some(wants.hold.any());
        let mut wants = self.shared.wants.lock();
        self.shared.changed.wait_while_for(&mut wants, unsettled, timeout);
        wants.held == Some(wants.hold.any())
    }

    /// Shuts the door unless it is held open, and ends both threads. Returns the names of those
    /// that did not end within `deadline`.
    pub(crate) fn stop(&self, deadline: Duration) -> Vec<&'static str> {
        self.shared.wants.lock().stopping = true;
        self.shared.changed.notify_all();
        let running = |wants: &mut Wants| !wants.opener_ended || !wants.holder_ended;
        let mut wants = self.shared.wants.lock();
        self.shared.changed.wait_while_for(&mut wants, running, deadline);
        match (wants.opener_ended, wants.holder_ended) {
            (true, true) => Vec::new(),
            (true, false) => vec![HOLDER],
            // A holder with nothing to do only waits for the opener.
            (false, _) if wants.held == Some(wants.hold.any()) => vec![OPENER],
            (false, _) => vec![OPENER, HOLDER],
        }
    }
}

impl Drop for Driver {
    /// Asks the threads to end, and does not wait.
    fn drop(&mut self) {
        self.shared.wants.lock().stopping = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn wait(&self, wants: &mut MutexGuard<'_, Wants>, timeout: Option<Duration>) {
        match timeout {
            None => self.changed.wait(wants),
            Some(timeout) => {
                self.changed.wait_for(wants, timeout);
            }
        }
    }

    /// The opener's thread.
    fn open(&self, mut actuator: Box<dyn Actuator>) {
        let mut failures = Failures::default();
        // When the opener must shut the door.
        let mut shut_at: Option<Monotonic> = None;
        let mut wants = self.wants.lock();
        loop {
            let now = self.clock.monotonic();
            if wants.hold.any() {
                // The door is open, and the holder shuts it later.
                (wants.opening, shut_at) = (None, None);
            }
            if let Some(opening) = wants.opening.filter(|opening| now >= opening.by) {
                wants.opening = None;
                opening.log_as_missed();
            }
            let opening = wants.opening.filter(|_| !wants.stopping);
            let may_retry = failures.retry_at.is_none_or(|at| now >= at);
            let command = match (opening, shut_at) {
                (Some(opening), _) if opening.is_new || may_retry => Command::Open(self.open_for),
                (_, Some(at)) if may_retry && (wants.stopping || now >= at) => Command::Shut,
                (_, None) if wants.stopping => break,
                _ => {
                    let retry_at = failures.retry_at.unwrap_or(now);
                    let next_open = opening.map(|opening| retry_at.min(opening.by));
                    let next_shut = shut_at.map(|at| if wants.stopping { retry_at } else { at.max(retry_at) });
                    let next = next_open.into_iter().chain(next_shut).min();
                    self.wait(&mut wants, next.map(|at| at.since(now)));
                    continue;
                }
            };
            let ordered = if command == Command::Shut { None } else { wants.opening.take() };
            drop(wants);
            let outcome = apply(actuator.as_mut(), command);
            let now = self.clock.monotonic();
            let done = failures.record(command, &outcome, now);
            match command {
                Command::Open(time) if done => shut_at = actuator.shut_after(time).map(|after| now + after),
                Command::Shut if done => shut_at = None,
                _ => {}
            }
            wants = self.wants.lock();
            wants.opener_trouble = outcome.err().map(|error| error.to_string());
            if let Some(opening) = ordered.filter(|_| done) {
                wants.openings += 1;
                tracing::info!("entry {}: the door opens", opening.entry);
            }
            if wants.hold.any() {
                wants.disturbed = true;
                self.changed.notify_all();
            } else if let Some(opening) = ordered.filter(|_| !done) {
                // A later grant takes its place.
                wants.opening = wants.opening.or(Some(Opening { is_new: false, ..opening }));
                // Some relays switch although they do not confirm it.
                shut_at = shut_at.or(actuator.shut_after(self.open_for).map(|after| now + after));
            }
        }
        wants.opener_ended = true;
        self.changed.notify_all();
    }

    /// The holder's thread.
    fn hold(&self, mut actuator: Box<dyn Actuator>) {
        let mut failures = Failures::default();
        let mut commanded_at = self.clock.monotonic();
        let mut last = None;
        let mut wants = self.wants.lock();
        loop {
            let hold = wants.hold.any();
            let now = self.clock.monotonic();
            let until_repeat = REPEAT_AFTER.saturating_sub(now.since(commanded_at));
            let repeat = wants.disturbed || until_repeat.is_zero();
            if wants.held == Some(hold) && !(hold && repeat) {
                if wants.stopping && wants.opener_ended {
                    break;
                }
                self.wait(&mut wants, hold.then_some(until_repeat));
                continue;
            }
            // A command that has just failed waits; another one does not.
            if let Some(at) = failures.retry_at.filter(|at| now < *at && last == Some(hold)) {
                self.wait(&mut wants, Some(at.since(now)));
                continue;
            }
            wants.disturbed = false;
            drop(wants);
            let command = if hold { Command::Hold } else { Command::Shut };
            let outcome = apply(actuator.as_mut(), command);
            commanded_at = self.clock.monotonic();
            let done = failures.record(command, &outcome, commanded_at);
            last = Some(hold);
            wants = self.wants.lock();
            wants.holder_trouble = outcome.err().map(|error| error.to_string());
            wants.held = done.then_some(hold);
            self.changed.notify_all();
        }
        wants.holder_ended = true;
        self.changed.notify_all();
    }
}

/// Runs one command. A panic becomes an error, since an emergency relies on this thread.
fn apply(actuator: &mut dyn Actuator, command: Command) -> Result<(), ActuatorError> {
    panic::catch_unwind(AssertUnwindSafe(|| actuator.apply(command))).unwrap_or_else(|_| {
        let (what, reason) = ("the actuator".to_owned(), "it panicked; this is a bug in gatehouse".to_owned());
        Err(ActuatorError::Refused { what, reason })
    })
}

/// Logs an actuator's failures at a limited rate, and its recovery; says when to try again.
#[derive(Default)]
struct Failures {
    log: LogLimit,
    /// Failures since the last command that succeeded.
    in_a_row: u32,
    /// Earliest time to repeat a command that has failed.
    retry_at: Option<Monotonic>,
}

impl Failures {
    /// Records the outcome of a command. True if it succeeded.
    fn record(&mut self, command: Command, outcome: &Result<(), ActuatorError>, now: Monotonic) -> bool {
        let Err(error) = outcome else {
            self.retry_at = None;
            if std::mem::take(&mut self.in_a_row) > 0 {
                tracing::info!("the door's actuator works again");
            }
            return true;
        };
        self.in_a_row = self.in_a_row.saturating_add(1);
        let pause = pause_after(command, error, self.in_a_row);
        self.retry_at = Some(now + pause);
        if let Some(count) = self.log.count(now) {
            tracing::error!(
                "the door does not move: its actuator failed at `{command}`: {error}; trying again in {} ms ({count} \
                 failures since the last message)",
                pause.as_millis()
            );
        }
        false
    }
}

/// Pause after a failure. A device that refuses the command itself is asked less and less often,
/// because devices lock a login that fails too often; but in an emergency, often enough.
fn pause_after(command: Command, error: &ActuatorError, in_a_row: u32) -> Duration {
    let (first, longest) = match error {
        ActuatorError::Denied { .. } if command == Command::Hold => (FIRST_PAUSE, LONGEST_PAUSE_OF_A_RELEASE),
        ActuatorError::Denied { .. } => (FIRST_PAUSE, LONGEST_PAUSE),
        ActuatorError::Refused { .. } => (RETRY_AFTER, LONGEST_RETRY),
        // It may be back at any moment.
        _ => (RETRY_AFTER, RETRY_AFTER),
    };
    first.saturating_mul(1 << in_a_row.saturating_sub(1).min(16)).min(longest)
}

#[cfg(test)]
mod tests;
