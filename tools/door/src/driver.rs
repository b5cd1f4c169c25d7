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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) hold: Hold,
    /// True while the actuator carries out commands.
    pub(crate) works: bool,
}

#[derive(Debug, Default)]
struct Wants {
    hold: Hold,
    /// Deadline for opening for a person, if one is waiting.
    open_by: Option<Monotonic>,
    stopping: bool,
    /// The holder's last command that succeeded: true to hold the door open, false to shut it.
    held: Option<bool>,
    /// True when the opener moved the door while it is held open.
    disturbed: bool,
    opener_failing: bool,
    holder_failing: bool,
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

    /// Opens for one person. Retried until `by`.
    pub(crate) fn open(&self, by: Monotonic) {
        let mut wants = self.shared.wants.lock();
        wants.open_by = wants.open_by.max(Some(by));
        self.shared.changed.notify_all();
    }

    /// Changes the reasons to hold the door open.
    pub(crate) fn set_hold(&self, change: impl FnOnce(&mut Hold)) {
        change(&mut self.shared.wants.lock().hold);
        self.shared.changed.notify_all();
    }

    pub(crate) fn position(&self) -> Position {
        let wants = self.shared.wants.lock();
        Position { hold: wants.hold, works: !wants.opener_failing && !wants.holder_failing }
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
                (wants.open_by, shut_at) = (None, None);
            }
            let open_by = wants.open_by.filter(|by| now < *by);
            let command = match (open_by, shut_at) {
                (Some(_), _) if !wants.stopping => Command::Open(self.open_for),
                (_, Some(at)) if wants.stopping || now >= at => Command::Shut,
                _ if wants.stopping => break,
                (_, at) => {
                    wants.open_by = None;
                    self.wait(&mut wants, at.map(|at| at.since(now)));
                    continue;
                }
            };
            wants.open_by = None;
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
            wants.opener_failing = !done;
            if wants.hold.any() {
                wants.disturbed = true;
                self.changed.notify_all();
            } else if !done {
                if matches!(command, Command::Open(_)) {
                    wants.open_by = wants.open_by.max(open_by);
                    // Some relays switch although they do not confirm it.
                    shut_at = shut_at.or(actuator.shut_after(self.open_for).map(|after| now + after));
                }
                self.wait(&mut wants, Some(RETRY_AFTER));
            }
        }
        wants.opener_ended = true;
        self.changed.notify_all();
    }

    /// The holder's thread.
    fn hold(&self, mut actuator: Box<dyn Actuator>) {
        let mut failures = Failures::default();
        let mut commanded_at = self.clock.monotonic();
        let mut wants = self.wants.lock();
        loop {
            let hold = wants.hold.any();
            let until_repeat = REPEAT_AFTER.saturating_sub(self.clock.monotonic().since(commanded_at));
            let repeat = wants.disturbed || until_repeat.is_zero();
            if wants.held == Some(hold) && !(hold && repeat) {
                if wants.stopping && wants.opener_ended {
                    break;
                }
                self.wait(&mut wants, hold.then_some(until_repeat));
                continue;
            }
            wants.disturbed = false;
            drop(wants);
            let command = if hold { Command::Hold } else { Command::Shut };
            let outcome = apply(actuator.as_mut(), command);
            commanded_at = self.clock.monotonic();
            let done = failures.record(command, &outcome, commanded_at);
            wants = self.wants.lock();
            wants.holder_failing = !done;
            wants.held = done.then_some(hold);
            self.changed.notify_all();
            if !done {
                self.wait(&mut wants, Some(RETRY_AFTER));
            }
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

/// Logs an actuator's failures at a limited rate, and its recovery.
#[derive(Default)]
struct Failures {
    log: LogLimit,
    failing: bool,
}

impl Failures {
    /// Records the outcome of a command. True if it succeeded.
    fn record(&mut self, command: Command, outcome: &Result<(), ActuatorError>, now: Monotonic) -> bool {
        match outcome {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the door's actuator works again");
                }
                true
            }
            Err(error) => {
                self.failing = true;
                if let Some(count) = self.log.count(now) {
                    tracing::error!(
                        "the door's actuator failed at `{command}`: {error}; trying again ({count} failures since the last message)"
                    );
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;
