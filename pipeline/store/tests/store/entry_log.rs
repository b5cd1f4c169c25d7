//! The site's own log of entries: read with a role and a reason only, and how many people are
//! inside.

use crate::support::{HOUR, Site, desk, enrol, entry, gate, issue, noon, pass, pass_id};
use gatehouse_core::event::{Decision, Direction, EntryEvent, Method};
use gatehouse_core::time::WallTime;
use gatehouse_store::{Actor, Look, PersonId, Store, StoreError, Who};

fn log(store: &Store, who: Who, at: WallTime, change: impl FnOnce(&mut EntryEvent)) -> EntryEvent {
    let north = gate("north");
    let made = store.append_entry(&north, who, |sequence| {
        let mut made = entry(&north, sequence, at);
        change(&mut made);
        made
    });
    made.expect("appends")
}

fn person(person: PersonId) -> Who {
    Who { person: Some(person), pass: None }
}

fn all() -> Look<'static> {
    Look { reason: "a parcel is missing", from: noon(), until: noon() + HOUR, gate: None }
}

#[test]
fn an_entry_look_up_gives_identities_and_is_audited() {
    let site = Site::new();
    let store = site.open();
    let zebedee = enrol(&store, "Zebedee Quill", &[1.0]);
    let id = issue(&store, &pass(1, zebedee));
    let by_both = Who { person: Some(zebedee), pass: Some(id) };
    let first = log(&store, by_both, noon(), |e| e.method = Method::QrAndFace);
    let second = log(&store, Who::default(), noon() + HOUR / 2, |e| e.decision = Decision::Refer);
    log(&store, person(zebedee), noon() + HOUR, |_| {});

    let guard = Actor::new("security", "ottoline").expect("both are named");
    let found = store.look_up_entries(&all(), &guard, noon() + HOUR).expect("reads");
    let [a, b] = found.as_slice() else { panic!("two within the hour: {found:?}") };
    assert_eq!((a.event_id, a.who, a.method, a.direction), (first.event_id, by_both, Method::QrAndFace, Direction::In));
    assert_eq!(a.name.as_ref().map(|name| name.as_str()), Some("Zebedee Quill"));
    assert_eq!((b.event_id, b.who, b.decision), (second.event_id, Who::default(), Decision::Refer));
    assert!(b.name.is_none() && !format!("{found:?}").contains(&zebedee.to_string()));

    let [ref row] = store.audit_entries(3, 10).expect("reads")[..] else { panic!("one look") };
    assert_eq!((row.actor.as_str(), row.action.as_str()), ("security/ottoline", "look-up-entries"));
    assert!(row.details.contains("a parcel is missing") && row.details.contains(r#""entries":2"#), "{}", row.details);
    assert!(!row.details.contains("Quill"));

    let elsewhere = gate("south");
    let look = Look { gate: Some(&elsewhere), ..all() };
    assert!(store.look_up_entries(&look, &guard, noon()).expect("reads").is_empty());
    assert_eq!(store.audit_entries(4, 10).expect("reads").len(), 1, "a look that finds nothing is one too");
}

#[test]
fn without_a_reason_nothing_is_shown() {
    let site = Site::new();
    let store = site.open();
    for reason in ["", "  \n", &"x".repeat(501)] {
        let refused = store.look_up_entries(&Look { reason, ..all() }, &desk(), noon());
        assert!(matches!(refused, Err(StoreError::NoReason { .. })), "{refused:?}");
    }
    assert!(store.audit_entries(1, 10).expect("reads").is_empty());
}

#[test]
fn someone_forgotten_has_no_name_in_the_log_any_more() {
    let site = Site::new();
    let store = site.open();
    let zebedee = enrol(&store, "Zebedee Quill", &[1.0]);
    log(&store, person(zebedee), noon(), |_| {});
    store.forget(zebedee, &desk(), noon()).expect("forgets");
    let found = store.look_up_entries(&all(), &desk(), noon()).expect("reads");
    assert!(found.len() == 1 && found[0].name.is_none());
}

#[test]
fn an_entry_given_to_somebody_else_is_noticed() {
    let site = Site::new();
    let store = site.open();
    let (zebedee, ottoline) = (enrol(&store, "Zebedee Quill", &[1.0]), enrol(&store, "Ottoline Quill", &[1.0]));
    log(&store, person(zebedee), noon(), |_| {});
    log(&store, person(ottoline), noon(), |_| {});
    let swap = "UPDATE entry_log SET who_sealed = (SELECT who_sealed FROM entry_log WHERE append_order = 2)";
    assert!(site.raw().execute(swap, []).expect_err("a trigger").to_string().contains("never changed"));
    site.raw()
        .execute_batch(&format!("DROP TRIGGER logged_entry_is_never_changed; {swap}"))
        .expect("an intruder can write");
    let error = store.look_up_entries(&all(), &desk(), noon()).expect_err("they are each other's");
    assert!(matches!(error, StoreError::Tampered { table: "entry_log", .. }), "{error}");
    let error = store.present(noon()).expect_err("nor are they counted");
    assert!(matches!(error, StoreError::Tampered { .. }), "{error}");
}

#[test]
fn present_are_those_whose_last_way_led_in() {
    let site = Site::new();
    let store = site.open();
    let people: Vec<_> = ["Zebedee", "Ottoline"].map(|name| person(enrol(&store, name, &[1.0]))).into();
    let card = Who { person: None, pass: Some(pass_id(7)) };
    let mut at = noon();
    let mut go = |who: Who, direction: Direction, decision: Decision| {
        at = at + HOUR / 60;
        log(&store, who, at, |e| (e.direction, e.decision) = (direction, decision));
        store.present(noon()).expect("counts")
    };
    use {Decision::*, Direction::*};
    assert_eq!(go(people[0], In, Admit), 1);
    assert_eq!(go(people[0], In, Admit), 1, "twice in is once inside");
    assert_eq!(go(card, In, Admit), 2);
    assert_eq!(go(people[1], In, Refer), 2, "who was referred didn't come in by the gate");
    assert_eq!(go(people[0], Out, Admit), 1);
    assert_eq!(go(people[1], Out, Admit), 1, "who came in unseen leaves nothing below zero");
    assert_eq!(go(people[1], In, Admit), 2);
    assert_eq!(go(card, Out, Admit), 1);
    assert_eq!(go(Who::default(), In, Admit), 1, "nobody known is nobody counted");
    // Whose way out has an earlier time, because the clock was set back in between, is out.
    let later = |at, direction| log(&store, card, at, |e| (e.direction, e.decision) = (direction, Admit));
    later(at + HOUR * 8, In);
    assert_eq!(store.present(noon()).expect("counts"), 2);
    later(at, Out);
    assert_eq!(store.present(noon()).expect("counts"), 1);
    assert_eq!(store.present(at + HOUR * 9).expect("counts"), 0, "a new day begins with nobody");
}
