//! Moves the door, on two threads of its own: one opens it for people, one holds it open.
//!
//! Each has an actuator of its own. So an actuator that hangs while it opens for someone doesn't keep an emergency release
//! waiting, and neither thread keeps the next decision waiting. The holder has the last word: while the door is to be held
//! open, nobody else moves it, and what the opener may still have done to it is undone at once.
//!
//! Locks: `wants` is held for an exchange of values, never while an actuator works. No other lock is taken under it.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use gatehouse_core::time::{Clock, Monotonic};

use crate::actuator::{Actuator, ActuatorError, Command};
use crate::seldom::Seldom;

/// How long after a failure the same is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// How often a door that is held open is told so again: its device may have been restarted.
const REPEAT_AFTER: Duration = Duration::from_secs(10);

const OPENER: &str = "the opener's actuator";
const HOLDER: &str = "the holder's actuator";

/// What the door is held open for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Hold {
    /// An emergency.
    pub(crate) released: bool,
    /// A node that is lost, where the door is to open for that.
    pub(crate) failed_safe: bool,
}

impl Hold {
    pub(crate) fn any(self) -> bool {
        self.released || self.failed_safe
    }
}

/// Where the door is, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// What it is held open for.
    pub(crate) hold: Hold,
    /// Whether the actuator does what it is told.
    pub(crate) works: bool,
}

#[derive(Debug, Default)]
struct Wants {
    hold: Hold,
    /// For whom to open, if anyone: until when it may be tried.
    open_by: Option<Monotonic>,
    stopping: bool,
    /// Whether the door was last told to be held open, to shut, or nothing yet.
    held: Option<bool>,
    /// The opener did something while the door is held open.
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
    /// Begins with the door held open or shut. The two actuators move the same door.
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

    /// Opens for one person. Tried until `by` at most.
    pub(crate) fn open(&self, by: Monotonic) {
        let mut wants = self.shared.lock();
        wants.open_by = wants.open_by.max(Some(by));
        self.shared.changed.notify_all();
    }

    /// Changes what the door is held open for.
    pub(crate) fn set_hold(&self, change: impl FnOnce(&mut Hold)) {
        change(&mut self.shared.lock().hold);
        self.shared.changed.notify_all();
    }

    pub(crate) fn position(&self) -> Position {
        let wants = self.shared.lock();
        Position { hold: wants.hold, works: !wants.opener_failing && !wants.holder_failing }
    }

    /// Waits until the door is where it is to be held, and says whether it got there within `timeout`.
    pub(crate) fn settled_within(&self, timeout: Duration) -> bool {
        let unsettled = |wants: &mut Wants| wants.held != Some(wants.hold.any());
        let (wants, _) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), timeout, unsettled)
            .unwrap_or_else(PoisonError::into_inner);
        wants.held == Some(wants.hold.any())
    }

    /// Shuts the door if it isn't held open, and ends both threads. Names those that are late.
    pub(crate) fn stop(&self, deadline: Duration) -> Vec<&'static str> {
        self.shared.lock().stopping = true;
        self.shared.changed.notify_all();
        let running = |wants: &mut Wants| !wants.opener_ended || !wants.holder_ended;
        let (wants, _) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), deadline, running)
            .unwrap_or_else(PoisonError::into_inner);
        match (wants.opener_ended, wants.holder_ended) {
            (true, true) => Vec::new(),
            (true, false) => vec![HOLDER],
            // A holder that has nothing to do only waits for the opener.
            (false, _) if wants.held == Some(wants.hold.any()) => vec![OPENER],
            (false, _) => vec![OPENER, HOLDER],
        }
    }
}

impl Drop for Driver {
    /// Lets the threads end by themselves.
    fn drop(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Wants> {
        self.wants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'m>(&self, wants: MutexGuard<'m, Wants>, timeout: Option<Duration>) -> MutexGuard<'m, Wants> {
        match timeout {
            None => self.changed.wait(wants).unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => self.changed.wait_timeout(wants, timeout).unwrap_or_else(PoisonError::into_inner).0,
        }
    }

    /// The opener's thread.
    fn open(&self, mut actuator: Box<dyn Actuator>) {
        let mut failures = Failures::default();
        // When the door must be told to shut.
        let mut shut_at: Option<Monotonic> = None;
        let mut wants = self.lock();
        loop {
            let now = self.clock.monotonic();
            if wants.hold.any() {
                // The door is open. It shuts when it is no longer held.
                (wants.open_by, shut_at) = (None, None);
            }
            let open_by = wants.open_by.filter(|by| now < *by);
            let command = match (open_by, shut_at) {
                (Some(_), _) if !wants.stopping => Command::Open(self.open_for),
                (_, Some(at)) if wants.stopping || now >= at => Command::Shut,
                _ if wants.stopping => break,
                (_, at) => {
                    wants.open_by = None;
                    wants = self.wait(wants, at.map(|at| at.since(now)));
                    continue;
                }
            };
            wants.open_by = None;
            drop(wants);
            let outcome = apply(actuator.as_mut(), command);
            let now = self.clock.monotonic();
            let done = failures.note(command, &outcome, now);
            match command {
                Command::Open(time) if done => shut_at = actuator.shut_after(time).map(|after| now + after),
                Command::Shut if done => shut_at = None,
                _ => {}
            }
            wants = self.lock();
            wants.opener_failing = !done;
            if wants.hold.any() {
                wants.disturbed = true;
                self.changed.notify_all();
            } else if !done {
                if matches!(command, Command::Open(_)) {
                    wants.open_by = wants.open_by.max(open_by);
                    // Some relays do what they don't confirm.
                    shut_at = shut_at.or(actuator.shut_after(self.open_for).map(|after| now + after));
                }
                wants = self.wait(wants, Some(AGAIN_AFTER));
            }
        }
        wants.opener_ended = true;
        self.changed.notify_all();
    }

    /// The holder's thread.
    fn hold(&self, mut actuator: Box<dyn Actuator>) {
        let mut failures = Failures::default();
        let mut told_at = self.clock.monotonic();
        let mut wants = self.lock();
        loop {
            let hold = wants.hold.any();
            let until_repeat = REPEAT_AFTER.saturating_sub(self.clock.monotonic().since(told_at));
            let repeat = wants.disturbed || until_repeat.is_zero();
            if wants.held == Some(hold) && !(hold && repeat) {
                if wants.stopping && wants.opener_ended {
                    break;
                }
                wants = self.wait(wants, hold.then_some(until_repeat));
                continue;
            }
            wants.disturbed = false;
            drop(wants);
            let command = if hold { Command::Hold } else { Command::Shut };
            let outcome = apply(actuator.as_mut(), command);
            told_at = self.clock.monotonic();
            let done = failures.note(command, &outcome, told_at);
            wants = self.lock();
            wants.holder_failing = !done;
            wants.held = done.then_some(hold);
            self.changed.notify_all();
            if !done {
                wants = self.wait(wants, Some(AGAIN_AFTER));
            }
        }
        wants.holder_ended = true;
        self.changed.notify_all();
    }
}

/// Even an actuator that panics must not end the thread that an emergency relies on.
fn apply(actuator: &mut dyn Actuator, command: Command) -> Result<(), ActuatorError> {
    panic::catch_unwind(AssertUnwindSafe(|| actuator.apply(command))).unwrap_or_else(|_| {
        let (what, reason) = ("the actuator".to_owned(), "it panicked; this is a mistake in gatehouse".to_owned());
        Err(ActuatorError::Refused { what, reason })
    })
}

/// Tells of failures, seldom.
#[derive(Default)]
struct Failures {
    seldom: Seldom,
    failing: bool,
}

impl Failures {
    /// Whether it was done.
    fn note(&mut self, command: Command, outcome: &Result<(), ActuatorError>, now: Monotonic) -> bool {
        match outcome {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the actuator works again");
                }
                true
            }
            Err(error) => {
                self.failing = true;
                if let Some(silent) = self.seldom.now(now) {
                    tracing::error!(
                        "the door can't be told to {command}: {error} ({silent} more since the last message)"
                    );
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver, Sender};

    use gatehouse_core::time::SystemClock;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(20);
    const LONG: Duration = Duration::from_secs(3600);

    /// Tells what it was told, and then waits to be told how that ended.
    struct Scripted {
        told: Sender<Command>,
        outcome: Receiver<bool>,
        shut_after: Option<Duration>,
    }

    impl Actuator for Scripted {
        fn apply(&mut self, command: Command) -> Result<(), ActuatorError> {
            let _ = self.told.send(command);
            match self.outcome.recv_timeout(DEADLINE) {
                Ok(true) => Ok(()),
                Ok(false) if command == Command::Hold => panic!("an actuator must not"),
                _ => Err(ActuatorError::TimedOut { what: "it".to_owned(), after: DEADLINE }),
            }
        }

        fn shut_after(&self, _: Duration) -> Option<Duration> {
            self.shut_after
        }
    }

    /// The other end of one.
    struct Script {
        told: Receiver<Command>,
        outcome: Sender<bool>,
    }

    impl Script {
        fn new(shut_after: Option<Duration>) -> (Script, Box<dyn Actuator>) {
            let ((tell, told), (end, outcome)) = (mpsc::channel(), mpsc::channel());
            (Script { told, outcome: end }, Box::new(Scripted { told: tell, outcome, shut_after }))
        }

        fn next(&self) -> Command {
            self.told.recv_timeout(DEADLINE).expect("the actuator is told something in time")
        }

        fn end(&self, well: bool) {
            self.outcome.send(well).expect("the actuator is there");
        }

        /// Expects a command, and does it.
        fn does(&self, command: Command) {
            assert_eq!(self.next(), command);
            self.end(true);
        }
    }

    struct Door {
        driver: Driver,
        opener: Script,
        holder: Script,
        clock: Arc<dyn Clock>,
    }

    const OPEN: Command = Command::Open(Duration::from_secs(5));

    fn door(shut_after: Option<Duration>, hold: Hold) -> Door {
        let ((opener, first), (holder, second)) = (Script::new(shut_after), Script::new(shut_after));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let driver = Driver::start(first, second, Duration::from_secs(5), hold, Arc::clone(&clock)).expect("starts");
        Door { driver, opener, holder, clock }
    }

    impl Door {
        fn open(&self) {
            self.driver.open(self.clock.monotonic() + LONG);
        }

        fn release(&self, released: bool) {
            self.driver.set_hold(|hold| hold.released = released);
        }
    }

    #[test]
    fn a_door_that_shuts_by_itself_is_told_to_open_and_nothing_more() {
        let door = door(None, Hold::default());
        door.holder.does(Command::Shut);
        for _ in 0..2 {
            door.open();
            door.opener.does(OPEN);
        }
        assert!(door.driver.settled_within(DEADLINE) && door.driver.position().works);
        assert_eq!(door.driver.stop(DEADLINE), Vec::<&str>::new());
        assert_eq!(door.opener.told.try_iter().count() + door.holder.told.try_iter().count(), 0);
    }

    #[test]
    fn a_relay_is_told_to_shut_when_its_time_is_up_and_at_the_end() {
        let short = door(Some(Duration::from_millis(1)), Hold::default());
        short.holder.does(Command::Shut);
        short.open();
        short.opener.does(OPEN);
        short.opener.does(Command::Shut);
        let long = door(Some(LONG), Hold::default());
        long.holder.does(Command::Shut);
        long.open();
        long.opener.does(OPEN);
        let opener = std::thread::spawn(move || long.opener.does(Command::Shut));
        assert_eq!(long.driver.stop(DEADLINE), Vec::<&str>::new());
        opener.join().expect("shut at the end");
    }

    #[test]
    fn what_fails_is_tried_again_until_it_works_or_the_grant_ends() {
        let door = door(None, Hold::default());
        assert_eq!(door.holder.next(), Command::Shut);
        door.holder.end(false);
        door.holder.does(Command::Shut);
        door.open();
        assert_eq!(door.opener.next(), OPEN);
        door.opener.end(false);
        door.opener.does(OPEN);
        // A grant that has ended opens nothing any more.
        door.driver.open(door.clock.monotonic());
        door.open();
        door.opener.does(OPEN);
        assert!(door.opener.told.try_recv().is_err());
    }

    #[test]
    fn a_release_does_not_wait_for_an_opener_that_hangs_and_has_the_last_word() {
        let door = door(Some(Duration::from_millis(1)), Hold::default());
        door.holder.does(Command::Shut);
        door.open();
        assert_eq!(door.opener.next(), OPEN);
        // It hangs.
        door.release(true);
        door.holder.does(Command::Hold);
        assert!(door.driver.settled_within(DEADLINE));
        // Now it is done, and may have shut the door: the holder says so again, and the opener never shuts it.
        door.opener.end(true);
        door.holder.does(Command::Hold);
        door.open();
        door.release(false);
        door.holder.does(Command::Shut);
        assert!(door.driver.settled_within(DEADLINE));
        door.open();
        door.opener.does(OPEN);
    }

    #[test]
    fn a_door_stays_open_until_all_reasons_are_gone_and_over_the_end() {
        let door = door(None, Hold { released: true, failed_safe: false });
        assert_eq!(door.holder.next(), Command::Hold);
        // It panics, and is told again.
        door.holder.end(false);
        door.holder.does(Command::Hold);
        door.driver.set_hold(|hold| hold.failed_safe = true);
        door.release(false);
        assert!(door.driver.settled_within(DEADLINE));
        assert_eq!(door.driver.position().hold, Hold { released: false, failed_safe: true });
        assert_eq!(door.driver.stop(DEADLINE), Vec::<&str>::new());
        assert!(door.holder.told.try_recv().is_err(), "the door was left as it was");
    }

    #[test]
    fn an_actuator_that_does_not_end_is_named() {
        let door = door(None, Hold::default());
        assert_eq!(door.holder.next(), Command::Shut);
        assert!(!door.driver.settled_within(Duration::ZERO));
        assert_eq!(door.driver.stop(Duration::from_secs(1)), [HOLDER]);
    }
}
