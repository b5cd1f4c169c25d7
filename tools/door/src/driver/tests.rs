use std::sync::mpsc::{self, Receiver, Sender};

use gatehouse_core::time::SystemClock;

use super::*;

const DEADLINE: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(3600);

/// An actuator that reports each command and waits for the test to say how it ended.
struct Scripted {
    commands: Sender<Command>,
    outcome: Receiver<Outcome>,
    shut_after: Option<Duration>,
}

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    Fails,
    Denied,
}

impl Actuator for Scripted {
    fn apply(&mut self, command: Command) -> Result<(), ActuatorError> {
        let _ = self.commands.send(command);
        match self.outcome.recv_timeout(DEADLINE) {
            Ok(Outcome::Done) => Ok(()),
            Ok(Outcome::Fails) if command == Command::Hold => panic!("an actuator must not"),
            Ok(Outcome::Denied) => Err(denied()),
            _ => Err(ActuatorError::TimedOut { what: "it".to_owned(), after: DEADLINE }),
        }
    }

    fn shut_after(&self, _: Duration) -> Option<Duration> {
        self.shut_after
    }
}

fn denied() -> ActuatorError {
    ActuatorError::Denied { what: "it".to_owned(), reason: "no".to_owned() }
}

/// The test's end of a [`Scripted`].
struct Script {
    commands: Receiver<Command>,
    outcome: Sender<Outcome>,
}

impl Script {
    fn new(shut_after: Option<Duration>) -> (Script, Box<dyn Actuator>) {
        let ((send, commands), (end, outcome)) = (mpsc::channel(), mpsc::channel());
        (Script { commands, outcome: end }, Box::new(Scripted { commands: send, outcome, shut_after }))
    }

    fn next(&self) -> Command {
        self.commands.recv_timeout(DEADLINE).expect("a command reaches the actuator in time")
    }

    fn end(&self, outcome: Outcome) {
        self.outcome.send(outcome).expect("the actuator is there");
    }

    /// Expects a command, and does it.
    fn does(&self, command: Command) {
        assert_eq!(self.next(), command);
        self.end(Outcome::Done);
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
        self.driver.open(1, self.clock.monotonic() + LONG);
    }

    fn release(&self, released: bool) {
        self.driver.set_hold(|hold| hold.released = released);
    }
}

#[test]
fn a_door_that_shuts_by_itself_gets_only_open_commands() {
    let door = door(None, Hold::default());
    door.holder.does(Command::Shut);
    for _ in 0..2 {
        door.open();
        door.opener.does(OPEN);
    }
    assert!(door.driver.settled_within(DEADLINE) && door.driver.position().trouble.is_none());
    assert_eq!(door.driver.stop(DEADLINE), Vec::<&str>::new());
    assert_eq!(door.opener.commands.try_iter().count() + door.holder.commands.try_iter().count(), 0);
}

#[test]
fn a_relay_gets_shut_after_its_time_and_at_the_end() {
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
    door.holder.end(Outcome::Fails);
    door.holder.does(Command::Shut);
    door.open();
    assert_eq!(door.opener.next(), OPEN);
    door.opener.end(Outcome::Fails);
    door.opener.does(OPEN);
    // A grant that has ended opens nothing any more.
    door.driver.open(2, door.clock.monotonic());
    door.open();
    door.opener.does(OPEN);
    assert!(door.opener.commands.try_recv().is_err());
}

#[test]
fn a_release_overtakes_a_hanging_opener_and_has_priority() {
    let door = door(Some(Duration::from_millis(1)), Hold::default());
    door.holder.does(Command::Shut);
    door.open();
    assert_eq!(door.opener.next(), OPEN);
    // It hangs.
    door.release(true);
    door.holder.does(Command::Hold);
    assert!(door.driver.settled_within(DEADLINE));
    // The opener's command ends and may have shut the door: the holder repeats its command.
    door.opener.end(Outcome::Done);
    door.holder.does(Command::Hold);
    door.open();
    door.release(false);
    door.holder.does(Command::Shut);
    assert!(door.driver.settled_within(DEADLINE));
    door.open();
    door.opener.does(OPEN);
}

#[test]
fn a_door_stays_open_while_a_reason_holds_and_after_a_stop() {
    let door = door(None, Hold { released: true, failed_safe: false });
    assert_eq!(door.holder.next(), Command::Hold);
    // It panics, and gets the command again.
    door.holder.end(Outcome::Fails);
    door.holder.does(Command::Hold);
    door.driver.set_hold(|hold| hold.failed_safe = true);
    door.release(false);
    assert!(door.driver.settled_within(DEADLINE));
    assert_eq!(door.driver.position().hold, Hold { released: false, failed_safe: true });
    assert_eq!(door.driver.stop(DEADLINE), Vec::<&str>::new());
    assert!(door.holder.commands.try_recv().is_err(), "the door was left as it was");
}

#[test]
fn an_actuator_that_does_not_end_is_named() {
    let door = door(None, Hold::default());
    assert_eq!(door.holder.next(), Command::Shut);
    assert!(!door.driver.settled_within(Duration::ZERO));
    assert_eq!(door.driver.stop(Duration::from_secs(1)), [HOLDER]);
}

#[test]
fn a_device_that_refuses_is_asked_less_often() {
    let door = door(None, Hold::default());
    door.holder.does(Command::Shut);
    let began = door.clock.monotonic();
    door.open();
    for _ in 0..2 {
        assert_eq!(door.opener.next(), OPEN);
        door.opener.end(Outcome::Denied);
    }
    assert!(door.clock.monotonic().since(began) >= FIRST_PAUSE, "the second try has waited");
    // The next person's command doesn't wait for the pause.
    door.open();
    door.opener.does(OPEN);
    door.open();
    assert_eq!(door.opener.next(), OPEN);
    let position = door.driver.position();
    assert_eq!((position.trouble, position.openings), (None, 1));
    door.opener.end(Outcome::Denied);
    // It is stopped before the next try, and while the person is still waiting.
    assert_eq!(door.driver.stop(DEADLINE), Vec::<&str>::new());
    let position = door.driver.position();
    assert_eq!((position.trouble.as_deref(), position.openings), (Some("it refuses: no"), 1));
}

#[test]
fn pauses_grow_where_the_device_refuses_the_command() {
    let pauses = |command, error: &ActuatorError| {
        (1..=8).map(|failures| pause_after(command, error, failures).as_millis()).collect::<Vec<_>>()
    };
    assert_eq!(pauses(OPEN, &denied()), [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    assert_eq!(pauses(Command::Shut, &denied())[7], 30_000);
    assert_eq!(pauses(Command::Hold, &denied()), [1000, 2000, 4000, 4000, 4000, 4000, 4000, 4000]);
    let busy = ActuatorError::Refused { what: "it".to_owned(), reason: "busy".to_owned() };
    assert_eq!(pauses(OPEN, &busy), [250, 500, 1000, 2000, 2000, 2000, 2000, 2000]);
    let late = ActuatorError::TimedOut { what: "it".to_owned(), after: DEADLINE };
    assert_eq!(pauses(OPEN, &late), [250; 8], "it may be back any moment");
    assert_eq!(pause_after(OPEN, &denied(), u32::MAX), LONGEST_PAUSE);
}
