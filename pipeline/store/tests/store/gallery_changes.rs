//! The changes that a running node reads: applied to its gallery, they give the same as a fresh
//! read.

use std::collections::BTreeMap;

use crate::support::{HOUR, MODEL, Site, VERSION, desk, enrol, enrol_for_passes, noon, template, with_face};
use gatehouse_store::{Changes, GalleryTemplate, PersonId, Revision, Store};

/// What a node holds: each person's templates.
#[derive(Default)]
struct Held {
    templates: BTreeMap<PersonId, Vec<Vec<f32>>>,
    revision: Option<Revision>,
}

impl Held {
    fn put(&mut self, template: &GalleryTemplate) {
        self.templates.entry(template.person).or_default().push(template.values.to_vec());
    }

    fn read(store: &Store) -> Self {
        let gallery = store.gallery(MODEL, VERSION, noon()).expect("reads");
        let mut held = Self { revision: Some(gallery.revision), ..Self::default() };
        gallery.templates.iter().for_each(|template| held.put(template));
        held
    }

    /// Follows the store, and says how many people it took out and how many templates it put in.
    fn follow(&mut self, store: &Store) -> (usize, usize) {
        let since = self.revision.expect("was read");
        match store.gallery_changes(since, MODEL, VERSION, noon()).expect("reads") {
            Changes::These { revision, removed, added, .. } => {
                self.revision = Some(revision);
                removed.iter().for_each(|person| drop(self.templates.remove(person)));
                added.iter().for_each(|template| self.put(template));
                (removed.len(), added.len())
            }
            Changes::Everything => panic!("the list reaches back"),
        }
    }

    fn assert_equals(&self, store: &Store) {
        let fresh = Self::read(store);
        assert_eq!(self.templates, fresh.templates);
        assert_eq!(self.revision, fresh.revision);
    }
}

#[test]
fn following_the_changes_gives_what_a_fresh_read_gives() {
    let site = Site::new();
    let (node, second) = (site.open(), site.open());
    let first = enrol(&second, "Zebedee Quill", &[1.0]);
    let mut held = Held::read(&node);
    assert_eq!(held.follow(&node), (0, 0), "nothing happened");

    let two = [template(&[2.0]), template(&[2.5])];
    let ottoline = second.enrol(with_face("Ottoline Quill", &two), &desk(), noon()).expect("enrols");
    enrol_for_passes(&second, "Zenobia Quill");
    assert_eq!(held.follow(&node), (0, 2), "an enrolment costs only what it adds");
    held.assert_equals(&node);

    second.forget(first, &desk(), noon()).expect("forgets");
    let brief = enrol(&second, "Zachary Quill", &[3.0]);
    second.forget(brief, &desk(), noon()).expect("forgets");
    assert_eq!(held.follow(&node), (2, 0), "who came and went in between is taken out too");
    held.assert_equals(&node);

    let later = noon() + HOUR / 2;
    let shorten = "UPDATE consent SET valid_until_unix_ns = ?1";
    site.raw().execute(shorten, [later.unix_nanos()]).expect("shortens");
    assert_eq!(held.follow(&node), (1, 2), "a changed consent brings the person anew");
    held.assert_equals(&node);

    // A template that joins older ones of the same person.
    let copy = "INSERT INTO template (person_id, model, model_version, values_sealed)
                SELECT person_id, model, model_version, values_sealed FROM template LIMIT 1";
    site.raw().execute(copy, []).expect("writes");
    assert_eq!(held.follow(&node), (1, 3));
    held.assert_equals(&node);

    second.withdraw_face(ottoline, &desk(), noon()).expect("withdraws");
    assert_eq!(held.follow(&node), (1, 0));
    held.assert_equals(&node);
}

#[test]
fn changes_of_another_model_add_nothing() {
    let site = Site::new();
    let store = site.open();
    let held = Held::read(&store);
    enrol(&store, "Zebedee Quill", &[1.0]);
    let changes = store.gallery_changes(held.revision.expect("was read"), "other", VERSION, noon()).expect("reads");
    assert!(matches!(changes, Changes::These { removed, added, .. } if removed.is_empty() && added.is_empty()));
}

#[test]
fn a_list_that_does_not_reach_back_says_so() {
    let site = Site::new();
    let store = site.open();
    let old = Held::read(&store).revision.expect("was read");
    enrol(&store, "Zebedee Quill", &[1.0]);
    let one_on = Held::read(&store).revision.expect("was read");
    // As if ten thousand changes had been made since.
    let many = "UPDATE meta SET gallery_revision = gallery_revision + 10000;
                INSERT INTO gallery_change (revision, person_id, added)
                WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
                SELECT 1 + i, person_id, 0 FROM n, person";
    site.raw().execute_batch(many).expect("writes");
    assert!(matches!(
        store.gallery_changes(old, MODEL, VERSION, noon()).expect("reads"),
        Changes::These { removed, added, .. } if removed.len() == 1 && added.len() == 1
    ));
    enrol(&store, "Ottoline Quill", &[1.0]);
    for since in [old, one_on] {
        let changes = store.gallery_changes(since, MODEL, VERSION, noon()).expect("reads");
        assert!(matches!(changes, Changes::Everything), "{changes:?}");
    }
    // A store that was put back is behind what the node has.
    let now = Held::read(&store).revision.expect("was read");
    site.raw().execute("UPDATE meta SET gallery_revision = 5", []).expect("writes");
    assert!(matches!(store.gallery_changes(now, MODEL, VERSION, noon()).expect("reads"), Changes::Everything));
}
