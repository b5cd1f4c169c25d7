//! The emergency release: with and without bus, with an actuator that hangs, over a restart,
//! without a controller.

use std::fs;
use std::sync::Arc;

use gatehouse_door::{
    Answer, Door, DoorError, Happened, Request, RequestError, act_alone, log_path, send_request, verify,
};

use crate::support::*;

fn release() -> Request {
    Request::Release { reason: "fire in hall 2\nreally".to_owned() }
}

fn reset() -> Request {
    Request::Reset { reason: "all clear".to_owned() }
}

const RELEASED: Answer =
    Answer { released: true, failed_safe: false, confirmed: true, actuator_works: true, trouble: None };
const WORKING: Answer = Answer { released: false, ..RELEASED };

#[test]
fn a_release_needs_no_bus_and_lasts_until_it_is_reset() {
    let (place, device) = (Place::new(), Device::start(&[]));
    let mut file = place.file(&nowhere(), &device, "secure");
    // It may well be lost; that changes nothing here.
    file.door.lost_after = DEADLINE;
    let door = place.start(&file);
    assert_eq!(device.next(), "shut");
    assert_eq!(send_request(&file.release_socket(), &Request::Status, DEADLINE).expect("answers"), WORKING);
    assert_eq!(send_request(&file.release_socket(), &release(), DEADLINE).expect("answers"), RELEASED);
    assert_eq!(device.next(), "hold");
    assert!(place.is_released());
    // Over a restart: it is not shut in between.
    stop(door);
    let door = place.start(&file);
    assert_eq!(device.next(), "hold");
    assert_eq!(send_request(&file.release_socket(), &reset(), DEADLINE).expect("answers"), WORKING);
    assert_eq!(device.next(), "shut");
    assert!(!place.is_released());
    stop(door);
    assert!(matches!(
        send_request(&file.release_socket(), &release(), DEADLINE),
        Err(RequestError::NobodyThere { .. })
    ));

    let uid = Some(rustix::process::getuid().as_raw());
    let happened: Vec<Happened> =
        verify(&log_path(&file.door)).expect("whole").into_iter().map(|r| r.happened).collect();
    let started = |released| Happened::Started { door: "door-1".to_owned(), released };
    let expected = [
        started(false),
        Happened::Released { reason: "fire in hall 2 really".to_owned(), uid },
        Happened::Stopped { open: true },
        started(true),
        Happened::Reset { reason: "all clear".to_owned(), uid },
        Happened::Stopped { open: false },
    ];
    assert_eq!(happened, expected);
}

#[test]
fn a_release_does_not_wait_for_a_hanging_actuator() {
    let (place, device, node) = (Place::new(), Device::start(&["open"]), node(None));
    let mut file = place.file(&locator(&node), &device, "secure");
    file.door.lost_after = DEADLINE;
    file.actuator.timeout = DEADLINE;
    let door = place.start(&file);
    assert_eq!(device.next(), "shut");
    publish(&node, node.admit(1));
    assert_eq!(device.next(), "open");
    // That is never answered; the door's folk can't wait for it.
    assert_eq!(send_request(&file.release_socket(), &release(), DEADLINE / 2).expect("answers"), RELEASED);
    assert_eq!(device.next(), "hold");
    // Nor can who stops it.
    let late = door.stop(std::time::Duration::from_millis(300));
    assert_eq!(late, ["the opener's actuator did not end in time"]);
    node.close(DEADLINE).expect("closes");
}

#[test]
fn a_file_releases_the_door_and_removing_it_resets_nothing() {
    let (place, device) = (Place::new(), Device::start(&[]));
    let mut file = place.file(&nowhere(), &device, "secure");
    file.door.lost_after = DEADLINE;
    let door = place.start(&file);
    assert_eq!(device.next(), "shut");
    // A clean-up of stale sockets leaves the file.
    fs::remove_file(file.release_socket()).expect("there");
    fs::write(place.data().join("released"), "").expect("writes");
    assert_eq!(device.next(), "hold");
    wait_until(|| door.state().released);
    fs::remove_file(place.data().join("released")).expect("there");
    wait_until(|| place.is_released());
    assert!(door.state().released);
    stop(door);
    let records = verify(&log_path(&file.door)).expect("whole");
    let expected = Happened::Released { reason: "by file: none given".to_owned(), uid: None };
    assert_eq!(records[1].happened, expected);
}

#[test]
fn a_release_needs_no_controller_and_the_next_one_knows_of_it() {
    let (place, device) = (Place::new(), Device::start(&[]));
    let mut file = place.file(&nowhere(), &device, "secure");
    file.door.lost_after = DEADLINE;
    assert_eq!(act_alone(&file, &release(), &place.clock).expect("acts"), RELEASED);
    assert_eq!(device.next(), "hold");
    let door = place.start(&file);
    assert_eq!(device.next(), "hold");
    stop(door);
    assert_eq!(act_alone(&file, &reset(), &place.clock).expect("acts"), WORKING);
    assert_eq!(device.next(), "shut");
    assert!(!place.is_released());
    assert_eq!(verify(&log_path(&file.door)).expect("whole").len(), 4);
}

#[test]
fn bad_input_at_the_socket_changes_and_delays_nothing() {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    let (place, device) = (Place::new(), Device::start(&[]));
    let mut file = place.file(&nowhere(), &device, "secure");
    file.door.lost_after = DEADLINE;
    let door = place.start(&file);
    assert_eq!(device.next(), "shut");
    let silent = UnixStream::connect(file.release_socket()).expect("connects");
    let mut answer = String::new();
    let mut rude = UnixStream::connect(file.release_socket()).expect("connects");
    rude.write_all(b"{\"command\":\"explode\"}\n").expect("writes");
    rude.read_to_string(&mut answer).expect("reads");
    assert!(answer.starts_with("{\"error\":"), "{answer}");
    assert_eq!(send_request(&file.release_socket(), &Request::Status, DEADLINE).expect("answers"), WORKING);
    drop(silent);
    // The folder is one controller's.
    let second = Door::start(&file, Arc::clone(&place.clock));
    assert!(matches!(second, Err(DoorError::InUse { .. })));
    assert_eq!(send_request(&file.release_socket(), &release(), DEADLINE).expect("answers"), RELEASED);
    stop(door);
}
