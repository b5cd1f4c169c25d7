//! Cuts the write-ahead logs off anywhere, as a power cut may.

use super::child::COMMITTED;
use super::site::Site;
use super::state::{before_and_after, is_done, state_of};

#[test]
fn journals_cut_off_anywhere_leave_a_whole_store() {
    let site = Site::new();
    for operation in ["enrol", "forget", "use-pass", "append-entry"] {
        let states = before_and_after(&site, operation);
        let crashed = site.copy();
        let output = crashed.run_child(operation, COMMITTED);
        assert!(output.status.code().is_none(), "{operation}: {output:?}");
        let (of_keys, of_site) = (crashed.file("site.keys-wal"), crashed.file("site.db-wal"));
        // The keys are committed before the store begins to write.
        let mut cuts: Vec<(usize, usize)> = (0..of_keys.len()).step_by(1021).map(|length| (length, 0)).collect();
        cuts.extend((0..of_site.len()).step_by(1021).map(|length| (of_keys.len(), length)));
        let whole = (of_keys.len(), of_site.len());
        cuts.push(whole);
        let mut done = Vec::new();
        for cut in cuts {
            let copy = crashed.copy();
            std::fs::write(copy.folder.path().join("site.keys-wal"), &of_keys[..cut.0]).expect("cuts");
            std::fs::write(copy.folder.path().join("site.db-wal"), &of_site[..cut.1]).expect("cuts");
            let what = format!("{operation}, journals cut at {cut:?} of {whole:?}");
            let (_, state) = state_of(&copy, &what);
            done.push(is_done(&state, &states, &what));
        }
        assert!(!done[0] && done[done.len() - 1], "{operation}");
        assert!(done.is_sorted(), "{operation}: once done, it stays done: {done:?}");
    }
}
