//! Enrolling, the gallery, and being forgotten.

use std::time::Duration;

use crate::support::{HOUR, MODEL, Site, VERSION, consent, consent_draft, enrol, noon};
use gatehouse_store::{Consent, ConsentDraft, Counts, NewPerson, NewTemplate, StoreError};

#[test]
fn an_enrolled_person_is_in_the_gallery_of_their_model_as_enrolled() {
    let site = Site::new();
    let store = site.open();
    let values: Vec<f32> = (0..128).map(|i| (i as f32 - 64.0) / 7.0).collect();
    let person = enrol(&store, " Zebedee Quill ", &values);
    drop(store);

    let store = site.open();
    let gallery = store.gallery(MODEL, VERSION, noon()).expect("reads");
    let [template] = gallery.templates.as_slice() else { panic!("one template: {gallery:?}") };
    assert_eq!((template.person, template.values.as_slice()), (person, values.as_slice()));
    assert_eq!(template.consent_until, noon() + HOUR);
    assert!(store.gallery(MODEL, "other version", noon()).expect("reads").templates.is_empty());
    assert!(store.gallery("other model", VERSION, noon()).expect("reads").templates.is_empty());

    assert_eq!(store.name_of(person).expect("reads").as_str(), "Zebedee Quill");
    let [ref summary] = store.people().expect("reads")[..] else { panic!("one person") };
    assert_eq!((summary.person, summary.templates, summary.under_14), (person, 1, false));
    assert_eq!(store.count().expect("counts"), Counts { people: 1, templates: 1, withdrawn: 0 });
}

#[test]
fn nobody_is_recognised_before_their_consent_or_after_its_end() {
    let site = Site::new();
    let store = site.open();
    enrol(&store, "Zebedee Quill", &[1.0]);
    let found = |now| store.gallery(MODEL, VERSION, now).expect("reads").templates.len();
    assert_eq!(found(noon() - Duration::from_nanos(1)), 0);
    assert_eq!(found(noon()), 1);
    assert_eq!(found(noon() + HOUR - Duration::from_nanos(1)), 1);
    assert_eq!(found(noon() + HOUR), 0);

    let late = store.enrol(NewPerson { name: "Y", consent: consent(), templates: &[] }, noon() + HOUR);
    assert!(matches!(late, Err(StoreError::ConsentDoesNotHold { .. })), "{late:?}");
}

#[test]
fn what_is_no_name_or_template_is_refused_whole() {
    let site = Site::new();
    let store = site.open();
    let blank = store.enrol(NewPerson { name: "  ", consent: consent(), templates: &[] }, noon());
    assert!(matches!(blank, Err(StoreError::Name { found: 0, .. })), "{blank:?}");
    for (model, values) in [(MODEL, &[][..]), (MODEL, &[1.0, f32::NAN]), ("", &[1.0])] {
        let good = NewTemplate { model: MODEL, model_version: VERSION, values: &[1.0] };
        let templates = [good, NewTemplate { model, model_version: VERSION, values }];
        let refused = store.enrol(NewPerson { name: "Y", consent: consent(), templates: &templates }, noon());
        assert!(matches!(refused, Err(StoreError::Template { .. })), "{refused:?}");
    }
    assert_eq!(store.count().expect("counts"), Counts { people: 0, templates: 0, withdrawn: 0 });
}

#[test]
fn the_schema_itself_refuses_a_template_without_consent() {
    let site = Site::new();
    let store = site.open();
    let person = store.enrol(NewPerson { name: "Y", consent: consent(), templates: &[] }, noon()).expect("enrols");
    let raw = site.raw();
    let insert =
        "INSERT INTO template (person_id, model, model_version, values_sealed) VALUES (?1, 'm', 'v', zeroblob(48))";
    assert_eq!(raw.execute(insert, [person.to_string()]).expect("there is a consent"), 1);
    raw.execute("DELETE FROM consent", []).expect("consent can be deleted");
    let left: i64 = raw.query_row("SELECT count(*) FROM template", [], |row| row.get(0)).expect("counts");
    assert_eq!(left, 0, "templates go with their consent");
    let refused = raw.execute(insert, [person.to_string()]).expect_err("there is none now");
    assert!(refused.to_string().contains("no template without a consent"), "{refused}");
}

#[test]
fn the_schema_itself_refuses_an_endless_consent_and_a_child_without_a_guardian() {
    let site = Site::new();
    let draft = ConsentDraft { under_14: true, guardian: Some("Ottoline Quill".to_owned()), ..consent_draft() };
    let child = Consent::new(draft).expect("has a guardian");
    site.open().enrol(NewPerson { name: "Y", consent: child, templates: &[] }, noon()).expect("enrols");
    for change in ["guardian_sealed = NULL", "valid_until_unix_ns = given_at_unix_ns", "how_given = 'none'"] {
        let refused = site.raw().execute(&format!("UPDATE consent SET {change}"), []).expect_err(change);
        assert!(refused.to_string().contains("CHECK"), "{change}: {refused}");
    }
}

#[test]
fn forgetting_removes_everything_but_that_it_happened() {
    let site = Site::new();
    let store = site.open();
    let person = enrol(&store, "Zebedee Quill", &[1.0, 2.0]);
    let other = enrol(&store, "Ottoline Quill", &[3.0]);
    let sealed: Vec<u8> = site
        .raw()
        .query_row("SELECT values_sealed FROM template WHERE person_id = ?1", [person.to_string()], |row| row.get(0))
        .expect("it is there");

    assert_eq!(store.forget(person, noon() + HOUR).expect("forgets").templates, 1);
    assert_eq!(store.count().expect("counts"), Counts { people: 1, templates: 1, withdrawn: 1 });
    let gallery = store.gallery(MODEL, VERSION, noon()).expect("reads");
    assert_eq!(gallery.templates.iter().map(|t| t.person).collect::<Vec<_>>(), [other]);
    for again in [store.forget(person, noon()).map(|_| ()), store.name_of(person).map(|_| ())] {
        assert!(matches!(again, Err(StoreError::NoSuchPerson { .. })), "{again:?}");
    }

    // Not even the sealed template or the person's id stays in a file, while the store is still open.
    let mut looked_at = 0;
    for file in std::fs::read_dir(site.folder.path()).expect("lists") {
        let bytes = std::fs::read(file.expect("lists").path()).expect("reads");
        looked_at += bytes.len();
        for gone in [&sealed[..], person.to_string().as_bytes()] {
            assert!(!bytes.windows(gone.len()).any(|window| window == gone), "something of the person is still there");
        }
    }
    assert!(looked_at > 4096, "the store's file was among them");
}

#[test]
fn another_process_withdrawing_is_seen_at_once_and_entries_are_no_change() {
    let site = Site::new();
    let (node, desk) = (site.open(), site.open());
    let person = enrol(&desk, "Zebedee Quill", &[1.0]);
    let gallery = node.gallery(MODEL, VERSION, noon()).expect("reads");
    assert!(!node.changed_since(gallery.revision).expect("asks"));

    let gate = crate::support::gate("gate-1");
    crate::support::append(&node, &gate, noon());
    desk.mark_published(&gate, 1).expect("marks");
    assert!(!node.changed_since(gallery.revision).expect("asks"), "an entry doesn't change the gallery");

    desk.forget(person, noon()).expect("forgets");
    assert!(node.changed_since(gallery.revision).expect("asks"));
    let gallery = node.gallery(MODEL, VERSION, noon()).expect("reads");
    assert!(gallery.templates.is_empty() && !node.changed_since(gallery.revision).expect("asks"));

    enrol(&node, "Ottoline Quill", &[1.0]);
    assert!(node.changed_since(gallery.revision).expect("asks"), "one's own writes count too");
    let gallery = node.gallery(MODEL, VERSION, noon()).expect("reads");
    site.raw().execute("UPDATE consent SET valid_until_unix_ns = given_at_unix_ns + 1", []).expect("shortens");
    assert!(node.changed_since(gallery.revision).expect("asks"), "a shortened consent counts too");
}
