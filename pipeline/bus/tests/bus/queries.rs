//! Asking a node: its status, and the entries of the past.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gatehouse_bus::{BusError, Gap, HistoryRequest, Watcher};
use gatehouse_core::CameraId;
use gatehouse_core::event::EntryEvent;
use gatehouse_core::key::EVERYTHING;
use serde_json::json;
use zenoh::Wait;

use crate::support::{entry, gate, node, options, site, stranger, watch};

#[test]
fn each_node_of_a_site_gives_its_status() {
    let (first, second) = (node("node-a"), node("node-b"));
    for (bus, name) in [(&first, "node-a"), (&second, "node-b")] {
        let asked = AtomicU64::new(0);
        let snapshot = move || json!({ "node": name, "asked": asked.fetch_add(1, Ordering::Relaxed) });
        bus.serve_status(snapshot).expect("declares");
    }
    let watcher = Watcher::open(&options(&[&first, &second]), EVERYTHING).expect("opens");
    for round in 0..2 {
        let mut answers = watcher.status(&site()).expect("both answer");
        answers.sort_by_key(ToString::to_string);
        let expected = ["node-a", "node-b"].map(|name| json!({ "node": name, "asked": round }));
        assert_eq!(answers, expected, "made anew for each query");
    }
}

#[test]
fn a_long_history_comes_in_pages_and_only_what_was_asked_for() {
    let bus = node("node-a");
    let pages = Arc::new(AtomicU64::new(0));
    let (asked, kept) = (Arc::clone(&pages), 101..=2_700);
    bus.serve_history(&[gate()], move |request: HistoryRequest| {
        asked.fetch_add(1, Ordering::Relaxed);
        assert_eq!(request.gate, gate());
        Ok(kept.clone().filter(|sequence| *sequence >= request.from).take(request.limit).map(entry).collect())
    })
    .expect("declares");
    let watcher = watch(&bus);
    let key = site().entry(&gate());

    let some = watcher.entries(&key, 110, 3).expect("answers");
    assert_eq!(some, (110..=112).map(entry).collect::<Vec<_>>());
    let before = pages.load(Ordering::Relaxed);
    let replayed = watcher.replay(&Gap { key: key.clone(), from: 50, until: 2_222 }).expect("answers");
    assert_eq!(replayed, (101..=2_222).map(entry).collect::<Vec<_>>());
    assert_eq!(pages.load(Ordering::Relaxed) - before, 3);
    assert_eq!(watcher.replay(&Gap { key, from: 2_701, until: 9_000 }).expect("answers"), []);
}

#[test]
fn a_node_that_sends_too_much_is_not_believed() {
    let bus = node("node-a");
    let foreign = EntryEvent { gate: CameraId::new("gate-2"), ..entry(5) };
    bus.serve_history(&[gate()], move |_| Ok(vec![entry(9), entry(3), foreign.clone(), entry(4), entry(4)]))
        .expect("declares");
    let watcher = watch(&bus);
    let key = site().entry(&gate());
    let found: Vec<u64> =
        watcher.replay(&Gap { key, from: 4, until: 8 }).expect("answers").iter().map(|e| e.sequence).collect();
    assert_eq!(found, [4], "sorted, once each, of this gate and this gap only");
}

#[test]
fn a_failed_query_answers_with_the_reason() {
    let bus = node("node-a");
    let broken = CameraId::new("broken");
    bus.serve_history(&[gate()], |_| Err("the store is being restored".to_owned())).expect("declares");
    bus.serve_history(std::slice::from_ref(&broken), |_| panic!("a bug in the node")).expect("declares");
    let watcher = watch(&bus);
    let ask = |gate: &CameraId| watcher.entries(&site().entry(gate), 1, 10).expect_err("an error");
    let told = |error: &BusError, what| matches!(error, BusError::Answer { .. }) && error.to_string().contains(what);
    let error = ask(&gate());
    assert!(told(&error, "the store is being restored") && error.to_string().contains("from=1;limit=10"), "{error}");
    let error = ask(&broken);
    assert!(told(&error, "the node failed to answer"), "{error}");
    let error = ask(&gate());
    assert!(told(&error, "being restored"), "and it goes on answering: {error}");

    let error = ask(&CameraId::new("unknown"));
    assert!(matches!(error, BusError::NoAnswer { .. }), "{error}");
    let error = watcher.entries(&format!("{}/gate/g/tally", site()), 1, 10).expect_err("no entry key");
    assert!(matches!(error, BusError::NotEntryKey { .. }), "{error}");
}

#[test]
fn any_zenoh_program_can_ask_and_gets_json_or_a_reason() {
    let bus = node("node-a");
    bus.serve_history(&[gate()], |request| Ok((request.from..).take(request.limit + 7).map(entry).collect()))
        .expect("declares");
    let stranger = stranger(&bus);
    let ask = |parameters: &str| {
        let selector = format!("{}?{parameters}", site().entry_history(&gate()));
        let reply = stranger.get(selector).wait().expect("asks").recv().expect("the node answers");
        reply.into_result().map_err(|error| error.payload().try_to_string().expect("text").into_owned())
    };
    let answer = ask("from=8;limit=2").expect("entries");
    assert_eq!(answer.encoding().to_string(), "application/json");
    let entries: Vec<EntryEvent> = serde_json::from_slice(&answer.payload().to_bytes()).expect("entries");
    assert_eq!(entries, [entry(8), entry(9)], "never more than asked for");
    let reason = ask("from=8&limit=2").expect_err("zenoh has another separator");
    assert!(reason.contains("separated by `;`"), "{reason}");
    let reason = ask("limit=100000").expect_err("too many");
    assert!(reason.contains("1 to 1000"), "{reason}");
}
