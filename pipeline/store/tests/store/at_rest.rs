//! What the file shows, and what opening one refuses.

use std::os::unix::fs::PermissionsExt;

use crate::support::{
    MODEL, Site, VERSION, append, bytes, consent_draft, desk, enrol, enrol_for_passes, gate, noon, pass_id, template,
};
use gatehouse_credential::SiteSecret;
use gatehouse_store::{Consent, ConsentDraft, Enrolment, NewPass, NewPassKind, NewPerson, Store, StoreError, Who};

#[test]
fn names_and_templates_never_stand_in_a_file_in_plain() {
    let site = Site::new();
    let store = site.open();
    let values = [0.123_456_79_f32, -7.654_321, 42.424_24];
    enrol(&store, "Zebedee Quill", &values);
    let draft = ConsentDraft { under_14: true, guardian: Some("Ottoline Quill".to_owned()), ..consent_draft() };
    let consent = Consent::new(draft).expect("has a guardian");
    let enrolment = Enrolment::Face { consent: consent.clone(), templates: &[template(&values)] };
    let child = store.enrol(NewPerson { name: "Zenobia Quill", enrolment }, &desk(), noon()).expect("enrols");
    enrol_for_passes(&store, "Zachary Quill");
    let (valid_from, valid_until) = (noon(), noon() + crate::support::HOUR);
    let card = NewPass { id: pass_id(9), kind: NewPassKind::Card { consent }, valid_from, valid_until, max_uses: None };
    store.issue_pass(&card, &desk(), noon()).expect("issues");
    let who = Who { person: Some(child), pass: None };
    store.append_entry(&gate("g"), who, |n| crate::support::entry(&gate("g"), n, noon())).expect("appends");

    let template: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let mut seen_consent = false;
    for file in std::fs::read_dir(site.folder.path()).expect("lists") {
        let path = file.expect("lists").path();
        let bytes = std::fs::read(&path).expect("reads");
        let has = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
        for secret in [&b"Quill"[..], b"Zebedee", b"Zenobia", b"Zachary", b"Ottoline", &template] {
            assert!(!has(secret), "{} shows {}", path.display(), String::from_utf8_lossy(secret));
        }
        seen_consent |= has(b"entry at the gate");
        let mode = std::fs::metadata(&path).expect("exists").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }
    assert!(seen_consent, "the search looks at the right files");
}

#[test]
fn another_sites_key_is_refused_at_open_and_changes_nothing() {
    let site = Site::new();
    enrol(&site.open(), "Zebedee Quill", &[1.0]);
    let before = [bytes(&site.path()), bytes(&site.keys_path())];
    let wrong = SiteSecret::generate().expect("randomness");
    let error = Store::open(&site.path(), &wrong).expect_err("it is another site's");
    assert!(matches!(error, StoreError::WrongKey { .. }), "{error}");
    assert!(error.to_string().contains("site.db") && error.to_string().contains("site key"), "{error}");
    assert!([bytes(&site.path()), bytes(&site.keys_path())] == before, "the files are as they were");
    assert_eq!(site.open().count(noon()).expect("counts").people, 1);
}

#[test]
fn a_sealed_value_moved_to_another_row_is_noticed() {
    let site = Site::new();
    let store = site.open();
    let first = enrol(&store, "Zebedee Quill", &[1.0]);
    enrol(&store, "Ottoline Quill", &[2.0]);
    site.raw()
        .execute_batch(
            "DROP TRIGGER template_stays_with_its_person;
             CREATE TABLE kept AS SELECT person_id, name_sealed, values_sealed FROM person JOIN template USING (person_id);
             UPDATE person SET name_sealed =
                 (SELECT name_sealed FROM kept WHERE kept.person_id <> person.person_id);
             UPDATE template SET values_sealed =
                 (SELECT values_sealed FROM kept WHERE kept.person_id <> template.person_id);",
        )
        .expect("an intruder can write");
    let name = store.name_of(first, &desk(), noon()).expect_err("it is the other one's name");
    assert!(matches!(&name, StoreError::Tampered { table: "person", row, .. } if *row == first.to_string()), "{name}");
    let gallery = store.gallery(MODEL, VERSION, noon()).expect_err("they are each other's templates");
    assert!(matches!(gallery, StoreError::Tampered { table: "template", .. }), "{gallery}");
    assert!(!format!("{name} {gallery}").contains("Quill"));
}

#[test]
fn a_template_passed_off_as_another_models_is_noticed() {
    let site = Site::new();
    let store = site.open();
    enrol(&store, "Zebedee Quill", &[1.0]);
    site.raw()
        .execute_batch("DROP TRIGGER template_stays_with_its_person; UPDATE template SET model_version = 'newer'")
        .expect("an intruder can write");
    let error = store.gallery(MODEL, "newer", noon()).expect_err("it was made by the older one");
    assert!(matches!(error, StoreError::Tampered { .. }), "{error}");
}

#[test]
fn every_table_and_column_says_what_it_is() {
    let schemas = [
        include_str!("../../src/schema.sql"),
        include_str!("../../src/schema_3.sql"),
        include_str!("../../src/keys_schema.sql"),
    ];
    let mut columns = 0;
    for schema in schemas {
        let mut before = "";
        for line in schema.lines().map(str::trim) {
            let mut words = line.split_whitespace();
            let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let is_column = matches!(second.trim_end_matches(','), "TEXT" | "INTEGER" | "BLOB" | "REAL");
            columns += usize::from(is_column);
            assert!(!(is_column || line.starts_with("CREATE TABLE")) || before.starts_with("--"), "{first}: {line}");
            before = line;
        }
    }
    let site = Site::new();
    drop(site.open());
    let count = "SELECT count(*) FROM sqlite_schema AS t, pragma_table_info(t.name) WHERE t.type = 'table'
                     AND t.name NOT LIKE 'sqlite_%'";
    let counted = |path: &std::path::Path| -> i64 {
        crate::support::raw(path).query_row(count, [], |row| row.get(0)).expect("counts")
    };
    assert_eq!(columns as i64, counted(&site.path()) + counted(&site.keys_path()), "each of them was looked at");
}

#[test]
fn a_newer_schema_is_refused_with_what_to_do() {
    let site = Site::new();
    drop(site.open());
    site.raw().pragma_update(None, "user_version", 99).expect("writes");
    let error = Store::open(&site.path(), &site.key).expect_err("it is newer");
    assert!(matches!(error, StoreError::Newer { found: 99, known: 3, .. }), "{error}");
    assert!(error.to_string().contains("newer gatehouse"), "{error}");
}

#[test]
fn a_store_of_the_first_version_is_refused_with_advice() {
    let site = Site::new();
    let old = "PRAGMA application_id = 0x67746873; PRAGMA user_version = 1; CREATE TABLE person (person_id TEXT)";
    crate::support::raw(&site.path()).execute_batch(old).expect("writes");
    let before = bytes(&site.path());
    let error = Store::open(&site.path(), &site.key).expect_err("it is too old");
    assert!(matches!(error, StoreError::Outdated { found: 1, .. }), "{error}");
    assert!(error.to_string().contains("site.db") && error.to_string().contains("enrol everybody again"), "{error}");
    assert!(bytes(&site.path()) == before && !site.keys_path().exists(), "nothing was changed");
}

#[test]
fn a_store_cut_short_anywhere_is_refused_and_left_as_it_is() {
    let site = Site::new();
    let store = site.open();
    for i in 0..20 {
        enrol(&store, "Zebedee Quill", &[i as f32; 128]);
    }
    drop(store);
    let whole = [bytes(&site.path()), bytes(&site.keys_path())];
    for (path, whole) in [site.path(), site.keys_path()].iter().zip(&whole) {
        let last_page = whole.len() - 4096;
        for length in [1, 15, 99, 100, 600, 4095, 4096, 4097, whole.len() / 2, last_page, whole.len() - 1] {
            std::fs::write(path, &whole[..length]).expect("cuts");
            let error = Store::open(&site.path(), &site.key).expect_err("it is not whole");
            let named = error.to_string().contains(&path.display().to_string());
            let clear = matches!(
                error,
                StoreError::Damaged { .. } | StoreError::KeysDamaged { .. } | StoreError::Foreign { .. }
            );
            assert!(clear && named, "{length} bytes of {}: {error:?}", path.display());
            assert!(bytes(path) == whole[..length], "{length} bytes of {} were changed", path.display());
        }
        std::fs::write(path, whole).expect("mends");
    }
    assert_eq!(site.open().count(noon()).expect("counts").people, 20, "whole again, it opens");
}

#[test]
fn files_of_others_are_left_untouched() {
    let site = Site::new();
    let database = site.folder.path().join("other.db");
    crate::support::raw(&database).execute_batch("CREATE TABLE theirs (x)").expect("writes");
    let text = site.folder.path().join("notes.txt");
    std::fs::write(&text, "not a database, and long enough to be taken for the header of one".repeat(20))
        .expect("writes");
    for path in [database, text] {
        let before = std::fs::read(&path).expect("reads");
        let error = Store::open(&path, &site.key).expect_err("it is not ours");
        assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
        assert!(std::fs::read(&path).expect("reads") == before, "{} changed", path.display());
    }
    let nowhere = site.folder.path().join("missing").join("site.db");
    let error = Store::open(&nowhere, &site.key).expect_err("there is no such folder");
    assert!(matches!(error, StoreError::File { .. }) && error.to_string().contains("folder exists"), "{error}");
}

#[test]
fn a_store_that_others_can_read_is_closed_to_them() {
    let site = Site::new();
    drop(site.open());
    for path in [site.path(), site.keys_path()] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("sets");
        drop(site.open());
        let mode = std::fs::metadata(path).expect("exists").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
    }
}

#[test]
fn several_processes_may_make_the_same_store_at_once() {
    // Often, since each try meets only some of the moments between one's steps and another's.
    for _ in 0..20 {
        let site = Site::new();
        std::thread::scope(|scope| {
            let opened: Vec<_> = (0..4).map(|_| scope.spawn(|| site.open())).collect();
            for (i, store) in opened.into_iter().enumerate() {
                append(&store.join().expect("opens"), &gate("g"), noon());
                assert_eq!(site.open().entries_from(&gate("g"), 1, 10).expect("reads").len(), i + 1);
            }
        });
    }
}
