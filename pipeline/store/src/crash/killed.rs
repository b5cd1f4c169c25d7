//! Kills a process before each statement that writes.

use gatehouse_credential::SiteSecret;

use super::child::{BACKUP, CHANGE_KEY, MAKE, RESTORE, backup_of};
use super::operations::{NOW, OPERATIONS, desk, enrol, operate};
use super::site::{Site, was_killed};
use super::state::{before_and_after, is_done, state_of};
use crate::{NewerPeople, Store, restore};

#[test]
fn a_kill_before_any_statement_leaves_a_whole_store() {
    let site = Site::new();
    for operation in OPERATIONS {
        let states = before_and_after(&site, operation);
        let (mut killed, mut undone, mut done) = (0, 0, 0);
        for at in 1.. {
            let copy = site.copy();
            let output = copy.run_child(operation, &at.to_string());
            let what = format!("{operation}, killed at {at}");
            let (store, state) = state_of(&copy, &what);
            if !was_killed(&output, &what) {
                assert_eq!(state, states.1, "{operation}, not killed");
                break;
            }
            killed += 1;
            if is_done(&state, &states, &what) {
                done += 1;
            } else {
                undone += 1;
                // What was interrupted can be done again.
                operate(operation, &store);
                drop(store);
                assert_eq!(state_of(&copy, &what).1.counts, states.1.counts, "{what}, and again");
            }
        }
        assert!(killed >= 3 && undone >= 2 && done >= 1, "{operation}: {killed} kills, {undone} undone, {done} done");
    }
}

#[test]
fn a_kill_while_the_key_changes_leaves_one_key() {
    let site = Site::new();
    let new = SiteSecret::generate().expect("random");
    let before = state_of(&site.copy(), CHANGE_KEY).1;
    let (mut undone, mut done) = (0, 0);
    for at in 1.. {
        let mut copy = site.copy();
        let output = copy.run_child_with(CHANGE_KEY, &at.to_string(), &new);
        let what = format!("{CHANGE_KEY}, killed at {at}");
        let changed = Store::open(&copy.path(), &new).is_ok();
        if changed {
            assert!(Store::open(&copy.path(), &copy.secret).is_err(), "{what}: it opens with both");
            copy.secret = new.clone();
        }
        let (_, state) = state_of(&copy, &what);
        assert_eq!(state.actions.contains(&"key-change".to_owned()), changed, "{what}");
        assert_eq!((state.entries, state.counts.people), (before.entries, before.counts.people), "{what}");
        assert_eq!(state.counts.passes, if changed { 0 } else { before.counts.passes }, "{what}");
        if !was_killed(&output, &what) {
            assert!(changed, "not killed");
            break;
        }
        if changed {
            done += 1;
        } else {
            assert_eq!(done, 0, "{what}: once done, it stays done");
            undone += 1;
        }
    }
    assert!(undone >= 20 && done >= 1, "{undone} undone, {done} done");
}

#[test]
fn a_kill_while_a_store_is_made_leaves_one_or_none() {
    let secret = SiteSecret::generate().expect("random");
    let mut killed = 0;
    for at in 1.. {
        let site = Site { folder: tempfile::tempdir().expect("a folder"), secret: secret.clone() };
        let output = site.run_child(MAKE, &at.to_string());
        let what = format!("{MAKE}, killed at {at}");
        let store = site.open();
        store.verify_audit(None).expect(&what);
        enrol(&store, &["Zebedee Quill"]);
        drop(store);
        assert_eq!(site.open().count(NOW).expect(&what).people, 2, "{what}");
        if !was_killed(&output, &what) {
            break;
        }
        killed += 1;
    }
    assert!(killed >= 10, "{killed} kills");
}

#[test]
fn a_kill_in_a_backup_leaves_a_whole_backup_or_none() {
    let site = Site::new();
    let before = state_of(&site.copy(), BACKUP).1;
    let (mut killed, mut none) = (0, 0);
    for at in 1.. {
        let copy = site.copy();
        let output = copy.run_child(BACKUP, &at.to_string());
        let what = format!("{BACKUP}, killed at {at}");
        let backup = backup_of(&copy.path());
        assert_eq!(state_of(&copy, &what).1.counts, before.counts, "{what}");
        if !backup.exists() {
            none += 1;
            copy.open().backup(&backup, &desk(), NOW).expect(&what);
        }
        let restored = Site { folder: tempfile::tempdir().expect("a folder"), secret: copy.secret.clone() };
        std::fs::copy(copy.folder.path().join("site.keys"), restored.folder.path().join("site.keys")).expect("copies");
        restore(&backup, &restored.path(), &copy.secret, NewerPeople::Refuse, &desk(), NOW).expect(&what);
        assert_eq!(state_of(&restored, &what).1.counts, before.counts, "{what}");
        if !was_killed(&output, &what) {
            break;
        }
        killed += 1;
    }
    assert!(killed >= 5 && none >= 3, "{killed} kills, {none} of them without a backup");
}

#[test]
fn a_kill_in_a_restore_leaves_a_whole_store_or_none() {
    let site = Site::new();
    let before = state_of(&site.copy(), RESTORE).1;
    let (mut killed, mut none) = (0, 0);
    for at in 1.. {
        let copy = site.copy();
        copy.open().backup(&backup_of(&copy.path()), &desk(), NOW).expect("backs up");
        for name in ["site.db", "site.db-wal", "site.db-shm"] {
            // The journals may be gone already.
            let _ = std::fs::remove_file(copy.folder.path().join(name));
        }
        let output = copy.run_child(RESTORE, &at.to_string());
        let what = format!("{RESTORE}, killed at {at}");
        if !copy.path().exists() {
            none += 1;
            restore(&backup_of(&copy.path()), &copy.path(), &copy.secret, NewerPeople::Refuse, &desk(), NOW)
                .expect(&what);
        }
        let (_, state) = state_of(&copy, &what);
        assert_eq!(state.counts, before.counts, "{what}");
        assert_eq!(state.actions.last().map(String::as_str), Some("restore"), "{what}");
        if !was_killed(&output, &what) {
            break;
        }
        killed += 1;
    }
    assert!(killed >= 10 && none >= 10, "{killed} kills, {none} of them without a store");
}
