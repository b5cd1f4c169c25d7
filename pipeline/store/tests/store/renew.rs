//! Renewing a consent: the face stays, and what was agreed to is the new one.

use crate::support::{HOUR, MODEL, Site, VERSION, consent_draft, desk, enrol, enrol_for_passes, noon};
use gatehouse_core::time::WallTime;
use gatehouse_store::{Changes, Consent, ConsentDraft, StoreError};

fn until(valid_until: WallTime) -> Consent {
    Consent::new(ConsentDraft { valid_until, ..consent_draft() }).expect("sound")
}

#[test]
fn a_renewed_consent_holds_to_its_end_and_reaches_the_node() {
    let site = Site::new();
    let store = site.open();
    let person = enrol(&store, "Zebedee Quill", &[1.0]);
    let held = store.gallery(MODEL, VERSION, noon()).expect("reads");
    assert!(store.gallery(MODEL, VERSION, noon() + 2 * HOUR).expect("reads").templates.is_empty());

    let before = site.open().renew_consent(person, &until(noon() + 3 * HOUR), &desk(), noon()).expect("renews");
    assert_eq!(before, noon() + HOUR);
    let gallery = store.gallery(MODEL, VERSION, noon() + 2 * HOUR).expect("reads");
    let [template] = gallery.templates.as_slice() else { panic!("one template: {gallery:?}") };
    assert_eq!((template.person, template.values.as_slice()), (person, &[1.0][..]));
    assert_eq!(template.consent_until, noon() + 3 * HOUR);
    let changes = store.gallery_changes(held.revision, MODEL, VERSION, noon()).expect("reads");
    let Changes::These { removed, added, .. } = changes else { panic!("one change: {changes:?}") };
    assert_eq!((removed, added.len()), (vec![person], 1));
    assert_eq!(added[0].consent_until, noon() + 3 * HOUR);

    let rows = store.audit_entries(1, 10).expect("reads");
    let renewed = rows.last().expect("a row");
    assert_eq!((renewed.action.as_str(), renewed.subject.clone()), ("renew-consent", Some(format!("person:{person}"))));
    assert!(!renewed.details.contains("Quill"));

    // It may end sooner than the one before, too.
    store.renew_consent(person, &until(noon() + HOUR / 2), &desk(), noon()).expect("renews");
    assert!(store.gallery(MODEL, VERSION, noon() + HOUR / 2).expect("reads").templates.is_empty());
    // And a consent that has ended can be given again, as long as the face is there.
    let given_again = ConsentDraft { given_at: noon() + HOUR, valid_until: noon() + 2 * HOUR, ..consent_draft() };
    let given_again = Consent::new(given_again).expect("sound");
    store.renew_consent(person, &given_again, &desk(), noon() + HOUR).expect("renews");
    assert_eq!(store.gallery(MODEL, VERSION, noon() + HOUR).expect("reads").templates.len(), 1);
}

#[test]
fn a_childs_renewal_needs_a_guardian_whose_name_is_sealed() {
    let site = Site::new();
    let store = site.open();
    let person = enrol(&store, "Zebedee Quill", &[1.0]);
    let draft = ConsentDraft { under_14: true, guardian: Some("Ottoline Quill".to_owned()), ..consent_draft() };
    let consent = Consent::new(draft).expect("has a guardian");
    store.renew_consent(person, &consent, &desk(), noon()).expect("renews");
    let sealed: Vec<u8> =
        site.raw().query_row("SELECT guardian_sealed FROM consent", [], |row| row.get(0)).expect("there is one");
    assert!(!sealed.windows(5).any(|window| window == b"Quill"));
    let [ref summary] = store.people().expect("reads")[..] else { panic!("one person") };
    assert!(summary.face.is_some_and(|face| face.under_14));
}

#[test]
fn there_must_be_a_face_and_the_consent_must_hold() {
    let site = Site::new();
    let store = site.open();
    let person = enrol(&store, "Zebedee Quill", &[1.0]);
    let passing = enrol_for_passes(&store, "Ottoline Quill");
    let late = store.renew_consent(person, &until(noon() + HOUR), &desk(), noon() + HOUR);
    assert!(matches!(late, Err(StoreError::ConsentDoesNotHold { .. })), "{late:?}");
    let none = store.renew_consent(passing, &until(noon() + HOUR), &desk(), noon());
    assert!(matches!(none, Err(StoreError::NoFace { .. })), "{none:?}");
    store.withdraw_face(person, &desk(), noon()).expect("withdraws");
    let withdrawn = store.renew_consent(person, &until(noon() + HOUR), &desk(), noon());
    assert!(matches!(withdrawn, Err(StoreError::NoFace { .. })), "a consent brings no face back: {withdrawn:?}");
    store.forget(person, &desk(), noon()).expect("forgets");
    let gone = store.renew_consent(person, &until(noon() + HOUR), &desk(), noon());
    assert!(matches!(gone, Err(StoreError::NoSuchPerson { .. })), "{gone:?}");
}
