//! Passes and cards: who gets in with one, how often, and until when.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::support::{HOUR, Site, consent, desk, enrol, enrol_for_passes, issue, noon, pass, pass_id};
use gatehouse_store::{NewPass, NewPassKind, PassKind, PassUse, StoreError};

const SECOND: Duration = Duration::from_secs(1);
const NO_WAIT: Duration = Duration::ZERO;

#[test]
fn a_pass_is_good_from_its_start_until_just_before_its_end() {
    let site = Site::new();
    let store = site.open();
    let person = enrol_for_passes(&store, "Zebedee Quill");
    let id = issue(&store, &NewPass { valid_from: noon() + SECOND, ..pass(1, person) });
    let used = |now| store.use_pass(id, now, NO_WAIT).expect("asks");
    assert_eq!(used(noon()), PassUse::NotYet);
    assert_eq!(used(noon() + SECOND), PassUse::Accepted { person: Some(person) });
    assert_eq!(used(noon() + HOUR - Duration::from_nanos(1)), PassUse::Accepted { person: Some(person) });
    assert_eq!(used(noon() + HOUR), PassUse::Expired);
    assert_eq!(store.use_pass(pass_id(2), noon(), NO_WAIT).expect("asks"), PassUse::Unknown);
    let [summary] = store.passes().expect("lists")[..] else { panic!("one pass") };
    assert_eq!((summary.id, summary.kind, summary.uses), (id, PassKind::Pass { person: Some(person) }, 2));
    assert_eq!(summary.last_used_at, Some(noon() + HOUR - Duration::from_nanos(1)));
}

#[test]
fn a_pass_shown_for_long_is_used_once_and_stays_used_up() {
    let site = Site::new();
    let store = site.open();
    let person = enrol_for_passes(&store, "Zebedee Quill");
    let id = issue(&store, &NewPass { max_uses: Some(2), ..pass(1, person) });
    let used = |now| store.use_pass(id, now, 10 * SECOND).expect("asks");
    let good = PassUse::Accepted { person: Some(person) };
    assert_eq!(store.check_pass(id, noon(), 10 * SECOND).expect("asks"), good, "looking uses nothing");
    assert_eq!(used(noon()), good);
    assert_eq!(used(noon() + SECOND), PassUse::TooSoon);
    assert_eq!(used(noon() + 9 * SECOND), PassUse::TooSoon);
    assert_eq!(used(noon() - SECOND), PassUse::NotYet);
    assert_eq!(used(noon() + 10 * SECOND), good, "the refused showings didn't put it off");
    assert_eq!(used(noon() + 11 * SECOND), PassUse::TooSoon, "the last use's own showing is no misuse");
    assert_eq!(used(noon() + 30 * SECOND), PassUse::UsedUp);
    assert_eq!(store.check_pass(id, noon() + 30 * SECOND, NO_WAIT).expect("asks"), PassUse::UsedUp);
}

#[test]
fn the_last_use_is_given_once_however_many_gates_ask() {
    let site = Site::new();
    let (first, second) = (site.open(), site.open());
    let person = enrol_for_passes(&first, "Zebedee Quill");
    let id = issue(&first, &NewPass { max_uses: Some(7), ..pass(1, person) });
    let accepted = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for store in [&first, &second, &first, &second] {
            let accepted = &accepted;
            scope.spawn(move || {
                for _ in 0..5 {
                    if let PassUse::Accepted { .. } = store.use_pass(id, noon(), NO_WAIT).expect("asks") {
                        accepted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(accepted.load(Ordering::Relaxed), 7, "of 20 tries");
}

#[test]
fn a_pass_taken_back_is_refused_for_good() {
    let site = Site::new();
    let store = site.open();
    let person = enrol_for_passes(&store, "Zebedee Quill");
    let id = issue(&store, &pass(1, person));
    for _ in 0..2 {
        store.revoke_pass(id, &desk(), noon() + SECOND).expect("twice is fine");
        assert_eq!(store.use_pass(id, noon() + SECOND, NO_WAIT).expect("asks"), PassUse::Revoked);
    }
    assert_eq!(store.passes().expect("lists")[0].revoked_at, Some(noon() + SECOND));
    assert_eq!(store.people().expect("lists")[0].passes, 0);
    let refused = site.raw().execute("UPDATE pass SET revoked_at_unix_ns = NULL", []).expect_err("it stays so");
    assert!(refused.to_string().contains("taken back stays so"), "{refused}");
    let again = store.issue_pass(&pass(1, person), &desk(), noon());
    assert!(matches!(again, Err(StoreError::Pass { .. })), "its id isn't used again: {again:?}");
    let unknown = store.revoke_pass(pass_id(2), &desk(), noon());
    assert!(matches!(unknown, Err(StoreError::NoSuchPass { .. })), "{unknown:?}");
}

#[test]
fn a_forgotten_persons_passes_open_nothing_any_more() {
    let site = Site::new();
    let store = site.open();
    let person = enrol(&store, "Zebedee Quill", &[1.0]);
    let id = issue(&store, &pass(1, person));
    store.withdraw_face(person, &desk(), noon()).expect("withdraws");
    assert_eq!(store.use_pass(id, noon(), NO_WAIT).expect("asks"), PassUse::Accepted { person: Some(person) });
    store.forget(person, &desk(), noon() + SECOND).expect("forgets");
    assert_eq!(store.use_pass(id, noon() + SECOND, NO_WAIT).expect("asks"), PassUse::Revoked);
    let [summary] = store.passes().expect("lists")[..] else { panic!("one pass") };
    assert_eq!((summary.kind, summary.revoked_at), (PassKind::Pass { person: None }, Some(noon() + SECOND)));

    // Even when it is not gatehouse that deletes the person.
    let other = enrol_for_passes(&store, "Ottoline Quill");
    let id = issue(&store, &pass(2, other));
    site.raw().execute("DELETE FROM person", []).expect("deletes");
    assert_eq!(store.use_pass(id, noon(), NO_WAIT).expect("asks"), PassUse::Revoked);
}

#[test]
fn a_card_ends_with_its_holders_consent_and_needs_one() {
    let site = Site::new();
    let store = site.open();
    let kind = NewPassKind::Card { consent: consent() };
    let valid_until = noon() + 2 * HOUR;
    let card = NewPass { id: pass_id(1), kind, valid_from: noon(), valid_until, max_uses: None };
    let id = issue(&store, &card);
    let used = |now| store.use_pass(id, now, NO_WAIT).expect("asks");
    assert_eq!(used(noon()), PassUse::Accepted { person: None });
    assert_eq!(used(noon() + HOUR), PassUse::Expired, "the card itself would be good for another hour");
    let counts = |now| store.count(now).expect("counts");
    assert_eq!((counts(noon()).cards, counts(noon()).people, counts(noon()).passes), (1, 0, 0));
    assert_eq!(counts(noon() + HOUR).cards, 0);

    let late = store.issue_pass(&NewPass { id: pass_id(2), ..card }, &desk(), noon() + HOUR);
    assert!(matches!(late, Err(StoreError::ConsentDoesNotHold { .. })), "{late:?}");
    let raw = site.raw();
    let insert = "INSERT INTO pass (pass_id, kind, issued_at_unix_ns, valid_from_unix_ns, valid_until_unix_ns)
                  VALUES (?1, 'card', 0, 0, 1)";
    let refused = raw.execute(insert, [pass_id(3).to_string()]).expect_err("there is no consent");
    assert!(refused.to_string().contains("no card without a consent"), "{refused}");
    raw.execute("DELETE FROM card_consent", []).expect("deletes");
    assert_eq!(used(noon()), PassUse::Unknown, "a card goes with its consent");
}

#[test]
fn a_pass_that_makes_no_sense_is_refused() {
    let site = Site::new();
    let store = site.open();
    let person = enrol_for_passes(&store, "Zebedee Quill");
    let refused = |pass: NewPass, now| store.issue_pass(&pass, &desk(), now).expect_err("makes no sense");
    let backwards = refused(NewPass { valid_until: noon(), ..pass(1, person) }, noon());
    assert!(backwards.to_string().contains("end must be later"), "{backwards}");
    let over = refused(pass(1, person), noon() + HOUR);
    assert!(over.to_string().contains("later than now"), "{over}");
    let useless = refused(NewPass { max_uses: Some(0), ..pass(1, person) }, noon());
    assert!(useless.to_string().contains("at least one use"), "{useless}");
    store.forget(person, &desk(), noon()).expect("forgets");
    let nobodys = refused(pass(1, person), noon());
    assert!(matches!(nobodys, StoreError::NoSuchPerson { .. }), "{nobodys}");
    assert!(store.passes().expect("lists").is_empty());
}
