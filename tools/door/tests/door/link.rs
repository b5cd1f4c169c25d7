//! What a door does when its node goes, and what it says of itself.

use gatehouse_bus::{Bus, BusOptions, Watcher};
use gatehouse_door::{Happened, log_path, verify};
use serde_json::Value;

use crate::support::*;

fn watch(node: &Bus) -> Watcher {
    let options = BusOptions::connecting(node.locators());
    Watcher::open(&options, &format!("{}/door/*/state", site())).expect("opens")
}

/// What the door says of itself, once it is as wanted.
fn said(watcher: &Watcher, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let received = watcher.recv_timeout(DEADLINE).expect("the door says something in time");
        assert_eq!(received.key, format!("{}/door/door-1/state", site()));
        let state: Value = serde_json::from_slice(&received.payload).expect("JSON");
        if wanted(&state) {
            return state;
        }
    }
}

#[test]
fn a_fail_safe_door_opens_when_its_node_is_lost() {
    let (place, device, first) = (Place::new(), Device::start(&[]), node(None));
    let locator = locator(&first);
    let file = place.file(&locator, &device, "safe");
    let door = place.start(&file);
    assert_eq!(device.next(), "shut");
    let watcher = watch(&first.bus);
    let state = said(&watcher, |state| state["failed_safe"] == false);
    assert_eq!(
        (&state["door"], &state["gate"], &state["actuator_works"]),
        (&"door-1".into(), &"gate-1".into(), &true.into())
    );
    watcher.close(DEADLINE).expect("closes");
    first.close(DEADLINE).expect("closes");
    drop(first);
    assert_eq!(device.next(), "hold");

    let second = node(Some(locator));
    let watcher = watch(&second.bus);
    assert_eq!(device.next_after_hold(), "shut");
    // Its log has three lines by then: started, lost, back.
    let state = said(&watcher, |state| state["failed_safe"] == false && state["log"]["number"] == 3);
    assert_eq!(state["released"], false);
    publish(&second, second.admit(1));
    assert_eq!(device.next(), "open");
    watcher.close(DEADLINE).expect("closes");
    // Nobody is in control of a door whose controller stops.
    stop(door);
    assert_eq!(device.next(), "hold");
    second.close(DEADLINE).expect("closes");
    let happened: Vec<Happened> =
        verify(&log_path(&file.door)).expect("whole").into_iter().map(|r| r.happened).collect();
    let started = Happened::Started { door: "door-1".to_owned(), released: false };
    let (lost, stopped) = (Happened::NodeLost { open: true }, Happened::Stopped { open: true });
    assert_eq!(happened, [started, lost, Happened::NodeBack, stopped]);
}

#[test]
fn a_door_that_fails_secure_stays_shut_without_its_node() {
    let (place, device) = (Place::new(), Device::start(&[]));
    let file = place.file(&nowhere(), &device, "secure");
    let door = place.start(&file);
    assert_eq!(device.next(), "shut");
    let is_lost = || {
        let records = verify(&log_path(&file.door)).expect("whole");
        records.iter().any(|record| record.happened == Happened::NodeLost { open: false })
    };
    wait_until(is_lost);
    stop(door);
    assert_eq!(device.commands.try_iter().count(), 0);
}
