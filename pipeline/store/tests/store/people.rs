//! Enrolling, the gallery, and being forgotten.

use std::time::Duration;

use crate::support::{
    HOUR, MODEL, Site, VERSION, bytes, consent_draft, desk, enrol, enrol_for_passes, noon, template, with_face,
};
use gatehouse_store::{Consent, ConsentDraft, Counts, Enrolment, FaceSummary, NewPerson, NewTemplate, StoreError};

#[test]
fn the_gallery_holds_a_person_under_the_enrolling_model() {
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

    assert_eq!(store.name_of(person, &desk(), noon()).expect("reads").as_str(), "Zebedee Quill");
    let [ref summary] = store.people().expect("reads")[..] else { panic!("one person") };
    let face = FaceSummary { consent_until: noon() + HOUR, under_14: false, templates: 1 };
    assert_eq!((summary.person, summary.face, summary.passes), (person, Some(face), 0));
    let counts = Counts { people: 1, with_face: 1, templates: 1, ..Counts::default() };
    assert_eq!(store.count(noon()).expect("counts"), counts);
    let expired = Counts { expired: 1, ..counts };
    assert_eq!(store.count(noon() + HOUR).expect("counts"), expired);
}

#[test]
fn who_wants_passes_only_leaves_no_face() {
    let site = Site::new();
    let store = site.open();
    let person = enrol_for_passes(&store, "Zebedee Quill");
    assert!(store.gallery(MODEL, VERSION, noon()).expect("reads").templates.is_empty());
    let [ref summary] = store.people().expect("reads")[..] else { panic!("one person") };
    assert_eq!((summary.person, summary.face), (person, None));
    let counts = Counts { people: 1, pass_only: 1, ..Counts::default() };
    assert_eq!(store.count(noon()).expect("counts"), counts);
    let names = store.names(&desk(), noon()).expect("reads");
    assert_eq!(names.iter().map(|(id, name)| (*id, name.as_str())).collect::<Vec<_>>(), [(person, "Zebedee Quill")]);
    let refused = store.withdraw_face(person, &desk(), noon());
    assert!(matches!(refused, Err(StoreError::NoFace { .. })), "{refused:?}");
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

    let late = store.enrol(with_face("Y", &[template(&[1.0])]), &desk(), noon() + HOUR);
    assert!(matches!(late, Err(StoreError::ConsentDoesNotHold { .. })), "{late:?}");
}

#[test]
fn what_is_no_name_or_template_is_refused_whole() {
    let site = Site::new();
    let store = site.open();
    let blank = store.enrol(with_face("  ", &[template(&[1.0])]), &desk(), noon());
    assert!(matches!(blank, Err(StoreError::Name { found: 0, .. })), "{blank:?}");
    for (model, values) in [(MODEL, &[][..]), (MODEL, &[1.0, f32::NAN]), ("", &[1.0])] {
        let templates = [template(&[1.0]), NewTemplate { model, model_version: VERSION, values }];
        let refused = store.enrol(with_face("Y", &templates), &desk(), noon());
        assert!(matches!(refused, Err(StoreError::Template { .. })), "{refused:?}");
    }
    let none = store.enrol(with_face("Y", &[]), &desk(), noon());
    assert!(matches!(none, Err(StoreError::NoTemplate)), "{none:?}");
    assert_eq!(store.count(noon()).expect("counts"), Counts::default());
    assert_eq!(store.audit_entries(1, 10).expect("reads"), [], "and nothing is recorded as done");
}

#[test]
fn a_batch_is_enrolled_whole_or_not_at_all() {
    let site = Site::new();
    let store = site.open();
    let (one, two) = ([template(&[1.0])], [template(&[2.0]), template(&[2.5])]);
    let passes = |name| NewPerson { name, enrolment: Enrolment::PassOnly };
    let bad = [with_face("Zebedee", &one), passes("Ottoline"), with_face(" ", &two)];
    let error = store.enrol_all(&bad, &desk(), noon()).expect_err("the third has no name");
    assert!(matches!(error, StoreError::InBatch { number: 3, .. }), "{error}");
    assert_eq!(store.count(noon()).expect("counts"), Counts::default());

    let good = [with_face("Zebedee", &one), passes("Ottoline"), with_face("Zenobia", &two)];
    let people = store.enrol_all(&good, &desk(), noon()).expect("enrols");
    let counts = Counts { people: 3, with_face: 2, pass_only: 1, templates: 3, ..Counts::default() };
    assert_eq!(store.count(noon()).expect("counts"), counts);
    for (person, name) in people.iter().zip(["Zebedee", "Ottoline", "Zenobia"]) {
        assert_eq!(store.name_of(*person, &desk(), noon()).expect("reads").as_str(), name);
    }
    let mut gallery: Vec<_> = store.gallery(MODEL, VERSION, noon()).expect("reads").templates;
    gallery.sort_by(|a, b| a.values[0].total_cmp(&b.values[0]));
    let owners: Vec<_> = gallery.iter().map(|template| template.person).collect();
    assert_eq!(owners, [people[0], people[2], people[2]]);
}

#[test]
fn the_schema_itself_refuses_a_template_without_consent() {
    let site = Site::new();
    let store = site.open();
    let person = enrol(&store, "Y", &[1.0]);
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
fn the_schema_refuses_endless_consent_and_child_alone() {
    let site = Site::new();
    let draft = ConsentDraft { under_14: true, guardian: Some("Ottoline Quill".to_owned()), ..consent_draft() };
    let consent = Consent::new(draft).expect("has a guardian");
    let templates = [template(&[1.0])];
    let child = NewPerson { name: "Y", enrolment: Enrolment::Face { consent, templates: &templates } };
    site.open().enrol(child, &desk(), noon()).expect("enrols");
    for change in ["guardian_sealed = NULL", "valid_until_unix_ns = given_at_unix_ns", "how_given = 'none'"] {
        let refused = site.raw().execute(&format!("UPDATE consent SET {change}"), []).expect_err(change);
        assert!(refused.to_string().contains("CHECK"), "{change}: {refused}");
    }
}

#[test]
fn forgetting_leaves_nothing_that_could_be_read_again() {
    let site = Site::new();
    let store = site.open();
    let person = enrol(&store, "Zebedee Quill", &[1.0, 2.0]);
    let other = enrol(&store, "Ottoline Quill", &[3.0]);
    let sealed = |path, sql| -> Vec<u8> {
        crate::support::raw(path).query_row(sql, [person.to_string()], |row| row.get(0)).expect("it is there")
    };
    let gone = [
        sealed(&site.path(), "SELECT values_sealed FROM template WHERE person_id = ?1"),
        sealed(&site.path(), "SELECT name_sealed FROM person WHERE person_id = ?1"),
        sealed(&site.keys_path(), "SELECT key_sealed FROM data_key WHERE owner = ?1 AND part = 'name'"),
        sealed(&site.keys_path(), "SELECT key_sealed FROM data_key WHERE owner = ?1 AND part = 'face'"),
    ];

    assert_eq!(store.forget(person, &desk(), noon() + HOUR).expect("forgets"), 1);
    let counts = Counts { people: 1, with_face: 1, templates: 1, withdrawn: 1, ..Counts::default() };
    assert_eq!(store.count(noon()).expect("counts"), counts);
    let gallery = store.gallery(MODEL, VERSION, noon()).expect("reads");
    assert_eq!(gallery.templates.iter().map(|t| t.person).collect::<Vec<_>>(), [other]);
    let forgotten = store.forget(person, &desk(), noon()).map(drop);
    for again in [forgotten, store.name_of(person, &desk(), noon()).map(drop)] {
        assert!(matches!(again, Err(StoreError::NoSuchPerson { .. })), "{again:?}");
    }

    // While the store is still open: no sealed value, no key, and in the keys file not even the
    // person's id.
    let mut looked_at = 0;
    for file in std::fs::read_dir(site.folder.path()).expect("lists") {
        let bytes = bytes(&file.expect("lists").path());
        looked_at += bytes.len();
        for gone in &gone {
            assert!(!bytes.windows(gone.len()).any(|window| window == gone), "something of the person is still there");
        }
    }
    assert!(looked_at > 4096, "the store's files were among them");
    let id = person.to_string();
    assert!(!bytes(&site.keys_path()).windows(id.len()).any(|window| window == id.as_bytes()));
}

#[test]
fn withdrawing_a_face_keeps_the_person_for_passes() {
    let site = Site::new();
    let store = site.open();
    let person = enrol(&store, "Zebedee Quill", &[1.0, 2.0]);
    let before = store.gallery(MODEL, VERSION, noon()).expect("reads").revision;
    assert_eq!(store.withdraw_face(person, &desk(), noon()).expect("withdraws"), 1);
    assert!(store.changed_since(before).expect("asks"));
    assert!(store.gallery(MODEL, VERSION, noon()).expect("reads").templates.is_empty());
    assert_eq!(store.name_of(person, &desk(), noon()).expect("reads").as_str(), "Zebedee Quill");
    let counts = Counts { people: 1, pass_only: 1, withdrawn: 1, ..Counts::default() };
    assert_eq!(store.count(noon()).expect("counts"), counts);
    drop(store);
    let keys = crate::support::raw(&site.keys_path());
    let parts: String = keys.query_row("SELECT group_concat(part) FROM data_key", [], |row| row.get(0)).expect("reads");
    assert_eq!(parts, "name", "only the key of the name is left");
    let store = site.open();
    store.forget(person, &desk(), noon()).expect("and the rest can go as well");
    assert_eq!(store.count(noon()).expect("counts").people, 0);
}

#[test]
fn a_withdrawal_elsewhere_is_seen_and_entries_change_nothing() {
    let site = Site::new();
    let (node, second) = (site.open(), site.open());
    let person = enrol(&second, "Zebedee Quill", &[1.0]);
    let gallery = node.gallery(MODEL, VERSION, noon()).expect("reads");
    assert!(!node.changed_since(gallery.revision).expect("asks"));

    let gate = crate::support::gate("gate-1");
    crate::support::append(&node, &gate, noon());
    second.mark_published(&gate, 1).expect("marks");
    enrol_for_passes(&second, "Zenobia Quill");
    assert!(!node.changed_since(gallery.revision).expect("asks"), "neither an entry nor a pass changes the gallery");

    second.forget(person, &desk(), noon()).expect("forgets");
    assert!(node.changed_since(gallery.revision).expect("asks"));
    let gallery = node.gallery(MODEL, VERSION, noon()).expect("reads");
    assert!(gallery.templates.is_empty() && !node.changed_since(gallery.revision).expect("asks"));

    enrol(&node, "Ottoline Quill", &[1.0]);
    assert!(node.changed_since(gallery.revision).expect("asks"), "one's own writes count too");
    let gallery = node.gallery(MODEL, VERSION, noon()).expect("reads");
    site.raw().execute("UPDATE consent SET valid_until_unix_ns = given_at_unix_ns + 1", []).expect("shortens");
    assert!(node.changed_since(gallery.revision).expect("asks"), "a shortened consent counts too");
}

#[test]
fn two_desks_never_enrol_one_face_because_neither_saw_the_other() {
    let site = Site::new();
    let (first, second) = (site.open(), site.open());
    let looked = first.gallery(MODEL, VERSION, noon()).expect("reads").revision;
    enrol(&second, "Zebedee Quill", &[1.0]);
    let late = |store: &gatehouse_store::Store, checked| {
        let id = gatehouse_store::PersonId::generate(noon()).expect("randomness");
        let enrolled = store.enrol_checked(id, with_face("Zara Quill", &[template(&[1.0])]), checked, &desk(), noon());
        (id, enrolled)
    };
    let (_, refused) = late(&first, looked);
    assert!(matches!(refused, Err(StoreError::GalleryChanged { .. })), "{refused:?}");
    let looked = first.gallery(MODEL, VERSION, noon()).expect("reads").revision;
    let (zara, enrolled) = late(&first, looked);
    let now = enrolled.expect("nothing has changed since");
    assert!(!second.changed_since(now).expect("reads"));
    let gallery = second.gallery(MODEL, VERSION, noon()).expect("reads");
    assert!(gallery.templates.len() == 2 && gallery.templates.iter().any(|template| template.person == zara));
    // Entries and look-ups do not change the gallery.
    crate::support::append(&first, &crate::support::gate("north"), noon());
    assert!(late(&second, now).1.is_ok());
}
