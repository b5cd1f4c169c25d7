//! Entries on their way to the bus: numbered without a gap, never lost, never pruned too early.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::support::{HOUR, Site, append, entry, gate, noon};
use gatehouse_core::time::WallTime;
use gatehouse_store::{Actor, Retention, Store, StoreError, Who};

/// Removes what was published and captured before that, and nothing else.
fn prune(store: &Store, older_than: WallTime) -> u64 {
    let year = 365 * 24 * HOUR;
    let keep = Retention { outbox: HOUR, entry_log: year, ended_consents: year, ended_passes: year, audit: year };
    store.apply_retention(&keep, &Actor::gatehouse(), older_than + HOUR).expect("applies").outbox
}

#[test]
fn numbers_go_on_without_a_gap_over_reopening_and_pruning() {
    let site = Site::new();
    let (north, south) = (gate("north"), gate("south"));
    for round in 0..3 {
        let store = site.open();
        assert_eq!(append(&store, &north, noon()).sequence, 2 * round + 1);
        assert_eq!(append(&store, &north, noon()).sequence, 2 * round + 2);
        assert_eq!(append(&store, &south, noon()).sequence, round + 1, "each gate counts for itself");
        for entry in store.unpublished(100).expect("reads") {
            store.mark_published(&entry.gate, entry.sequence).expect("marks");
        }
        prune(&store, noon() + HOUR);
        assert!(store.entries_from(&north, 1, 10).expect("reads").is_empty());
    }
}

#[test]
fn concurrent_appends_number_entries_without_gap_or_double() {
    let site = Site::new();
    let gates = [gate("north"), gate("south")];
    let (first, second) = (site.open(), site.open());
    std::thread::scope(|scope| {
        for store in [&first, &second, &first, &second] {
            let gates = &gates;
            scope.spawn(move || (0..20).for_each(|i| drop(append(store, &gates[i % 2], noon()))));
        }
    });
    for gate in &gates {
        let numbers: Vec<u64> =
            first.entries_from(gate, 1, 1000).expect("reads").iter().map(|entry| entry.sequence).collect();
        assert_eq!(numbers, (1..=40).collect::<Vec<_>>(), "{gate}");
    }
    let decided: BTreeSet<_> =
        first.unpublished(1000).expect("reads").into_iter().map(|e| (e.gate, e.sequence)).collect();
    assert_eq!(decided.len(), 80);
}

#[test]
fn entries_come_back_as_they_stand_on_the_bus_in_order() {
    let site = Site::new();
    let (north, south) = (gate("north"), gate("south"));
    let store = site.open();
    let made: Vec<_> = [&south, &north, &south, &north].iter().map(|gate| append(&store, gate, noon())).collect();
    assert_eq!(store.unpublished(100).expect("reads"), made);
    assert_eq!(store.unpublished(1).expect("reads"), made[..1]);
    store.mark_published(&south, 1).expect("marks");
    store.mark_published(&south, 1).expect("twice is fine");
    assert_eq!(store.unpublished(100).expect("reads"), made[1..]);
    assert_eq!(store.entries_from(&south, 1, 100).expect("reads"), [made[0].clone(), made[2].clone()]);
    assert_eq!(store.entries_from(&south, 2, 100).expect("reads"), made[2..3]);
    assert_eq!(store.entries_from(&north, 1, 1).expect("reads"), made[1..2]);
    assert!(store.entries_from(&gate("west"), 1, 100).expect("reads").is_empty());

    let json: String =
        site.raw().query_row("SELECT event_json FROM entry_outbox LIMIT 1", [], |row| row.get(0)).expect("reads");
    assert_eq!(json, serde_json::to_string(&gatehouse_core::Event::Entry(made[0].clone())).expect("JSON"));
}

#[test]
fn pruning_keeps_the_young_and_the_unpublished() {
    let site = Site::new();
    let store = site.open();
    let north = gate("north");
    for at in [noon(), noon(), noon() + HOUR] {
        append(&store, &north, at);
    }
    for sequence in [1, 3] {
        store.mark_published(&north, sequence).expect("marks");
    }
    assert_eq!(prune(&store, noon() + HOUR), 1);
    let left: Vec<u64> = store.entries_from(&north, 1, 10).expect("reads").iter().map(|e| e.sequence).collect();
    assert_eq!(left, [2, 3]);
    let refused = site.raw().execute("DELETE FROM entry_outbox", []).expect_err("one is not published");
    assert!(refused.to_string().contains("never deleted"), "{refused}");
}

#[test]
fn a_failed_append_uses_up_no_number() {
    let site = Site::new();
    let store = site.open();
    let (north, south) = (gate("north"), gate("south"));
    let misplaced = store.append_entry(&north, Who::default(), |sequence| entry(&south, sequence, noon()));
    assert!(matches!(misplaced, Err(StoreError::EntryMismatch { .. })), "{misplaced:?}");
    let misnumbered = store.append_entry(&north, Who::default(), |sequence| entry(&north, sequence + 1, noon()));
    assert!(matches!(misnumbered, Err(StoreError::EntryMismatch { .. })), "{misnumbered:?}");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        store.append_entry(&north, Who::default(), |_| panic!("a bug in the caller"))
    }));
    assert!(panicked.is_err());
    assert_eq!(append(&store, &north, noon()).sequence, 1);

    let unknown = store.mark_published(&north, 9);
    assert!(matches!(unknown, Err(StoreError::NoSuchEntry { sequence: 9, .. })), "{unknown:?}");
}

/// Runs in a process of its own when told where the store is; see the test below.
#[test]
fn append_until_killed() {
    let Some(path) = std::env::var_os("GATEHOUSE_TEST_STORE") else { return };
    let key = std::env::var("GATEHOUSE_TEST_KEY").expect("given with the path");
    let key = gatehouse_credential::SiteSecret::from_text(&key).expect("a key");
    let store = gatehouse_store::Store::open(path.as_ref(), &key).expect("opens");
    for done in 1_u64.. {
        append(&store, &gate("north"), noon());
        println!("appended {done}");
    }
}

#[test]
fn a_killed_process_loses_nothing_that_it_had_appended() {
    use std::io::{BufRead, BufReader};
    let site = Site::new();
    let mut child = std::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "outbox::append_until_killed", "--nocapture"])
        .env("GATEHOUSE_TEST_STORE", site.path())
        .env("GATEHOUSE_TEST_KEY", site.key.to_text().as_str())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let said = |line: &str| line.rsplit_once("appended ").and_then(|(_, n)| n.parse::<u64>().ok());
    let mut last = 0;
    while last < 50 {
        last = lines.next().and_then(Result::ok).map(|line| said(&line).unwrap_or(last)).expect("it goes on");
    }
    child.kill().expect("kills");
    child.wait().expect("ends");
    last = lines.map_while(Result::ok).filter_map(|line| said(&line)).last().unwrap_or(last);

    let store = site.open();
    let kept = store.unpublished(usize::MAX).expect("reads");
    assert!(kept.len() as u64 >= last, "{} kept of at least {last}", kept.len());
    assert!(kept.iter().zip(1..).all(|(entry, number)| entry.sequence == number), "without a gap");
    assert_eq!(append(&store, &gate("north"), noon()).sequence, kept.len() as u64 + 1);
}
