//! Leaving the bus in good order.

use std::sync::mpsc;
use std::time::Duration;

use gatehouse_bus::BusError;
use gatehouse_core::Event;

use crate::support::{DEADLINE, entry, gate, next_entry, node, site, tally, watch};

#[test]
fn what_was_published_before_closing_still_arrives() {
    let bus = node("node-a");
    let watcher = watch(&bus);
    let publish = |sequence| bus.publish(&Event::Entry(entry(sequence))).expect("publishes");
    publish(1);
    assert_eq!(next_entry(&watcher).1.sequence, 1, "the watcher has subscribed");
    (2..=500).for_each(publish);
    bus.close(DEADLINE).expect("closes");
    for sequence in 2..=500 {
        assert_eq!(next_entry(&watcher).1.sequence, sequence);
    }
}

#[test]
fn a_closed_bus_takes_nothing_and_closes_again() {
    let bus = node("node-a");
    bus.publish(&tally(1)).expect("publishes");
    bus.close(DEADLINE).expect("closes");
    let error = bus.publish(&tally(2)).expect_err("closed");
    assert!(matches!(error, BusError::Publish { .. }) && error.to_string().contains("tally"), "{error}");
    let error = bus.serve_status(|| serde_json::Value::Null).expect_err("closed");
    assert!(matches!(error, BusError::Declare { .. }), "{error}");
    bus.close(DEADLINE).expect("twice is fine");
}

#[test]
fn a_hanging_answer_delays_closing_to_its_deadline_at_most() {
    let bus = node("node-a");
    let (began, begun) = mpsc::channel();
    let (release, held) = mpsc::channel::<()>();
    let held = parking_lot::Mutex::new(held);
    bus.serve_history(&[gate()], move |_| {
        began.send(()).expect("the test waits for it");
        let _ = held.lock().recv();
        Ok(Vec::new())
    })
    .expect("declares");
    let watcher = watch(&bus);
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| watcher.entries(&site().entry(&gate()), 1, 10));
        begun.recv_timeout(DEADLINE).expect("the query arrives");
        let error = bus.close(Duration::from_millis(200)).expect_err("it hangs");
        assert!(error.to_string().contains("not done after 0.2 s"), "{error}");
        drop(release);
        assert!(asked.join().is_ok());
    });
}
