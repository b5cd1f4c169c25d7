//! What an interrupted operation leaves, and what must always hold in it.

use gatehouse_core::CameraId;

use super::operations::{NOW, desk, operate};
use super::site::Site;
use crate::settle::compare;
use crate::{Counts, Store};

/// What an operation may change.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    pub(super) counts: Counts,
    pub(super) passes: Vec<(u32, bool)>,
    pub(super) entries: usize,
    pub(super) unpublished: usize,
    pub(super) actions: Vec<String>,
}

/// Opens what a crash left, checks all that must always hold, and says what is in it.
pub(super) fn state_of(site: &Site, what: &str) -> (Store, State) {
    let store = site.open();
    store
        .write_with_keys("checking", |transaction, keys| {
            let sound: String = transaction.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
            assert_eq!(sound, "ok", "{what}");
            let compared = compare(transaction, keys)?;
            assert!(compared.without_key.is_empty() && compared.orphans.is_empty(), "{what}: keys and rows differ");
            assert!(keys.destroyed()?.is_empty(), "{what}: a withdrawal is not finished");
            let none = |sql: &str| -> rusqlite::Result<()> {
                let found: i64 = transaction.query_row(sql, [], |row| row.get(0))?;
                assert_eq!(found, 0, "{what}: {sql}");
                Ok(())
            };
            none("SELECT count(*) FROM template WHERE person_id NOT IN (SELECT person_id FROM consent)")?;
            none("SELECT count(*) FROM consent WHERE person_id NOT IN (SELECT person_id FROM template)")?;
            none("SELECT count(*) FROM consent WHERE person_id NOT IN (SELECT person_id FROM person)")?;
            none(
                "SELECT count(*) FROM pass WHERE kind = 'card' AND pass_id NOT IN (SELECT pass_id FROM card_consent)",
            )?;
            none("SELECT count(*) FROM card_consent WHERE pass_id NOT IN (SELECT pass_id FROM pass)")?;
            none("SELECT count(*) - (SELECT last_sequence FROM entry_sequence) FROM entry_outbox")?;
            Ok(())
        })
        .expect(what);
    let entries = store.entries_from(&CameraId::new("north"), 1, 100).expect(what);
    assert!(entries.iter().zip(1..).all(|(entry, number)| entry.sequence == number), "{what}: a gap");
    store.verify_audit(None).expect(what);
    let gallery = store.gallery("m", "1", NOW).expect(what);
    let counts = store.count(NOW).expect(what);
    assert_eq!(gallery.templates.len() as u64, counts.templates, "{what}");
    let actions = store.audit_entries(1, 100).expect(what).into_iter().map(|e| e.action).collect();
    let passes = store.passes().expect(what).iter().map(|p| (p.uses, p.revoked_at.is_some())).collect();
    let unpublished = store.unpublished(100).expect(what).len();
    let state = State { counts, passes, entries: entries.len(), unpublished, actions };
    assert_eq!(store.names(&desk(), NOW).expect(what).len() as u64, counts.people, "{what}: a name can't be read");
    (store, state)
}

/// What an operation makes of a sound store.
pub(super) fn before_and_after(site: &Site, operation: &str) -> (State, State) {
    let copy = site.copy();
    let (_, before) = state_of(&copy, operation);
    let copy = site.copy();
    operate(operation, &copy.open());
    let (_, after) = state_of(&copy, operation);
    assert_ne!(before, after, "{operation} does something");
    (before, after)
}

/// Whether the operation is done, wholly, or not at all.
pub(super) fn is_done(state: &State, (before, after): &(State, State), what: &str) -> bool {
    // Retention that was interrupted is finished as withdrawals: the same people are gone, under
    // other actions.
    let same = |other: &State| state == other || (what.starts_with("retention") && state.counts == other.counts);
    assert!(same(before) || same(after), "{what}: half done: {state:?}\nbefore: {before:?}\nafter: {after:?}");
    same(after)
}
