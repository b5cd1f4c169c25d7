//! What is published arrives, for those who are there and for those who come later.

use std::collections::BTreeMap;

use gatehouse_bus::{Arrival, BusError, BusOptions, GapDetector, NodeChange, RecvError, Watcher};
use gatehouse_core::Event;
use gatehouse_core::key::{DecodeError, EVERYTHING};
use zenoh::Wait;

use crate::support::{
    DEADLINE, density, entry, gate, health, map, next, next_entry, node, options, put_once_received, site, stranger,
    tally, watch,
};

#[test]
fn every_kind_of_event_arrives_as_published() {
    let bus = node("node-a");
    let watcher = watch(&bus);
    assert_eq!(watcher.peers(), 1);
    for event in [Event::Entry(entry(1)), tally(7), density("square", 12), map(), health(0)] {
        bus.publish(&event).expect("publishes");
        let received = next(&watcher);
        assert_eq!(received.key, site().of(&event));
        assert_eq!(received.payload, serde_json::to_vec(&event).expect("JSON"));
        assert_eq!(received.event.expect("it is an event"), event);
    }
    assert_eq!((watcher.dropped(), watcher.peers()), (0, 1));
}

#[test]
fn a_late_watcher_gets_the_last_value_of_each_key() {
    let bus = node("node-a");
    let quiet = density("quiet", 3);
    bus.publish(&quiet).expect("publishes");
    for count in 0..20 {
        bus.publish(&density("square", count)).expect("publishes");
        bus.publish(&health(u64::from(count))).expect("publishes");
    }
    for sequence in 1..=130 {
        bus.publish(&Event::Entry(entry(sequence))).expect("publishes");
    }
    bus.publish(&tally(9)).expect("publishes");

    let watcher = watch(&bus);
    let mut last: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for _ in 0..104 {
        let received = next(&watcher);
        last.entry(received.key).or_default().push(received.event.expect("it is an event"));
    }
    for event in [quiet, density("square", 19), health(19), tally(9)] {
        assert_eq!(last.remove(&site().of(&event)), Some(vec![event]));
    }
    let entries: Vec<Event> = (31..=130).map(|sequence| Event::Entry(entry(sequence))).collect();
    assert_eq!(last.into_values().collect::<Vec<_>>(), [entries], "and the last hundred entries in order");
}

#[test]
fn a_receiver_that_was_away_replays_what_it_missed() {
    let bus = node("node-a");
    let outbox: Vec<_> = (1..=150).map(entry).collect();
    bus.serve_history(&[gate()], move |asked| {
        Ok(outbox.iter().filter(|entry| entry.sequence >= asked.from).take(asked.limit).cloned().collect())
    })
    .expect("declares");

    let mut detector = GapDetector::default();
    let watcher = watch(&bus);
    for sequence in 1..=3 {
        bus.publish(&Event::Entry(entry(sequence))).expect("publishes");
        let (key, entry) = next_entry(&watcher);
        assert!(detector.observe(&key, &entry).is_new());
    }
    watcher.close(DEADLINE).expect("closes");
    for sequence in 4..=149 {
        bus.publish(&Event::Entry(entry(sequence))).expect("publishes");
    }

    let watcher = watch(&bus);
    bus.publish(&Event::Entry(entry(150))).expect("publishes");
    let mut replayed = Vec::new();
    loop {
        let (key, entry) = next_entry(&watcher);
        if let Arrival::After(gap) = detector.observe(&key, &entry) {
            for missed in watcher.replay(&gap).expect("the node answers") {
                assert_eq!(detector.observe(&gap.key, &missed), Arrival::Filled);
                replayed.push(missed.sequence);
            }
        }
        if entry.sequence == 150 {
            break;
        }
    }
    assert_eq!(detector.gaps(), []);
    assert!(replayed.starts_with(&[4, 5, 6]), "what the node no longer held in memory: {replayed:?}");
}

#[test]
fn garbage_is_reported_as_such_and_disturbs_nothing() {
    let bus = node("node-a");
    let stranger = stranger(&bus);
    let mut options = options(&[&bus]);
    options.connect.extend(stranger.info().locators().wait().iter().map(ToString::to_string));
    let options = BusOptions::hearing_all(options.connect);
    let watcher = Watcher::open(&options, EVERYTHING).expect("opens");
    for (key, payload) in [
        (site().entry(&gate()), "{\"broken"),
        (site().entry(&gate()), "{\"sequence\":1,\"person\":\"someone\"}"),
        (format!("{}/elsewhere", site()), "{}"),
    ] {
        put_once_received(&stranger, &key, payload);
        let received = next(&watcher);
        assert_eq!((received.key.as_str(), received.payload.as_slice()), (key.as_str(), payload.as_bytes()));
        match received.event {
            Err(DecodeError::Key(named)) => assert!(key.ends_with("elsewhere") && named == key),
            Err(DecodeError::Payload { key: named, .. }) => assert_eq!(named, site().entry(&gate())),
            Ok(event) => panic!("{event:?} from {payload}"),
        }
    }
    bus.publish(&tally(1)).expect("publishes");
    assert_eq!(next(&watcher).event.expect("it is one"), tally(1));
}

#[test]
fn nodes_are_seen_coming_and_going() {
    let first = node("node-a");
    let watcher = watch(&first);
    let nodes = watcher.nodes("gatehouse/v1/**/node/*/alive").expect("declares");
    let change = |name: &str, alive| NodeChange { key: site().alive(name), alive };
    assert_eq!(nodes.recv_timeout(DEADLINE), Ok(change("node-a", true)));

    first.close(DEADLINE).expect("closes");
    assert_eq!(nodes.recv_timeout(DEADLINE), Ok(change("node-a", false)));
    watcher.close(DEADLINE).expect("closes");
    assert_eq!(nodes.recv_timeout(DEADLINE), Err(RecvError::Closed));
}

#[test]
fn a_watcher_that_came_first_finds_the_node_later() {
    // A port that was free a moment ago: the watcher needs to know it before the node does.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
    let endpoint = vec![format!("tcp/127.0.0.1:{port}")];
    let options = BusOptions::connecting(endpoint.clone());
    let watcher = Watcher::open(&options, EVERYTHING).expect("opens although nobody is there");
    assert_eq!(watcher.peers(), 0);

    let options = BusOptions::listening(endpoint);
    let bus = gatehouse_bus::Bus::open(&options, site(), "node-a").expect("opens");
    bus.publish(&health(4)).expect("publishes");
    assert_eq!(next(&watcher).event.expect("it is one"), health(4), "its last value is fetched");
}

#[test]
fn a_task_receives_too() {
    let bus = node("node-a");
    let watcher = watch(&bus);
    bus.publish(&tally(2)).expect("publishes");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().expect("runs");
    let received = runtime.block_on(async { tokio::time::timeout(DEADLINE, watcher.recv()).await });
    assert_eq!(received.expect("in time").expect("open").event.expect("it is one"), tally(2));
}

#[test]
fn what_can_not_work_is_refused_with_its_reason() {
    let bus = node("node-a");
    let taken = BusOptions::listening(bus.locators());
    let error = gatehouse_bus::Bus::open(&taken, site(), "node-b").expect_err("the port is taken");
    assert!(matches!(&error, BusError::Open { .. }) && error.to_string().contains(&taken.listen[0]), "{error}");

    let error = Watcher::open(&options(&[&bus]), "not//a key").expect_err("no key expression");
    assert!(matches!(&error, BusError::Declare { .. }) && error.to_string().contains("not//a key"), "{error}");

    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runs");
    let error = runtime.block_on(async { Watcher::open(&BusOptions::default(), EVERYTHING).expect_err("refused") });
    assert!(matches!(error, BusError::CurrentThreadRuntime), "{error}");
}
