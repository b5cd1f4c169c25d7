//! The keys file: what is said when it is missing, older than the store, or another store's.

use crate::support::{Site, bytes, desk, enrol, enrol_for_passes, noon};
use gatehouse_store::{Store, StoreError};

fn refused(site: &Site) -> StoreError {
    Store::open(&site.path(), &site.key).expect_err("the keys are not right")
}

#[test]
fn a_store_with_people_is_refused_without_its_keys_file() {
    let site = Site::new();
    let store = site.open();
    enrol(&store, "Zebedee Quill", &[1.0]);
    enrol_for_passes(&store, "Ottoline Quill");
    drop(store);
    let before = bytes(&site.path());
    let keys = bytes(&site.keys_path());
    std::fs::remove_file(site.keys_path()).expect("loses it");
    for _ in 0..2 {
        let error = refused(&site);
        assert!(matches!(error, StoreError::KeysMissing { people: 2, .. }), "{error}");
        for word in ["site.keys", "can't be read by anyone", "put it back"] {
            assert!(error.to_string().contains(word), "{word}: {error}");
        }
        assert!(bytes(&site.path()) == before && !site.keys_path().exists(), "nothing was changed");
    }
    std::fs::write(site.keys_path(), keys).expect("puts it back");
    assert_eq!(site.open().count(noon()).expect("counts").people, 2);
}

#[test]
fn without_people_a_lost_keys_file_is_made_anew() {
    let site = Site::new();
    drop(site.open());
    std::fs::remove_file(site.keys_path()).expect("loses it");
    let store = site.open();
    enrol(&store, "Zebedee Quill", &[1.0]);
    drop(store);
    assert_eq!(site.open().names(&desk(), noon()).expect("reads").len(), 1);
}

#[test]
fn an_older_keys_file_is_refused_and_nobody_is_deleted_for_it() {
    let site = Site::new();
    enrol(&site.open(), "Zebedee Quill", &[1.0]);
    let older = bytes(&site.keys_path());
    enrol(&site.open(), "Ottoline Quill", &[1.0]);
    let newest = bytes(&site.keys_path());
    std::fs::write(site.keys_path(), &older).expect("puts back");
    let error = refused(&site);
    assert!(matches!(error, StoreError::KeysOlder { missing: 2, .. }), "{error}");
    assert!(error.to_string().contains("Put back the newest"), "{error}");
    std::fs::write(site.keys_path(), newest).expect("puts back");
    assert_eq!(site.open().count(noon()).expect("counts").people, 2);
}

#[test]
fn an_older_keys_file_brings_nobody_back() {
    let site = Site::new();
    let person = enrol(&site.open(), "Zebedee Quill", &[1.0]);
    enrol(&site.open(), "Ottoline Quill", &[1.0]);
    let older = bytes(&site.keys_path());
    site.open().forget(person, &desk(), noon()).expect("forgets");
    std::fs::write(site.keys_path(), older).expect("puts back");
    assert_eq!(site.open().count(noon()).expect("counts").people, 1);
    let keys = crate::support::raw(&site.keys_path());
    let sql = "SELECT count(*) FROM data_key WHERE owner = ?1";
    let left: i64 = keys.query_row(sql, [person.to_string()], |row| row.get(0)).expect("counts");
    assert_eq!(left, 0, "the keys of nobody are removed when the store is opened");
}

#[test]
fn keys_without_their_store_are_not_given_to_a_new_one() {
    let site = Site::new();
    enrol(&site.open(), "Zebedee Quill", &[1.0]);
    let keys = bytes(&site.keys_path());
    std::fs::remove_file(site.path()).expect("loses it");
    let error = refused(&site);
    assert!(matches!(error, StoreError::KeysWithoutStore { .. }), "{error}");
    assert!(error.to_string().contains("restore a backup"), "{error}");
    assert!(!site.path().exists() && bytes(&site.keys_path()) == keys, "nothing was changed");
    // An empty file in the store's place is no store either.
    std::fs::write(site.path(), "").expect("writes");
    assert!(matches!(refused(&site), StoreError::KeysWithoutStore { .. }));
    assert!(bytes(&site.keys_path()) == keys);
}

#[test]
fn another_stores_keys_are_refused() {
    let site = Site::new();
    enrol(&site.open(), "Zebedee Quill", &[1.0]);
    let other = Site { key: site.key.clone(), ..Site::new() };
    enrol(&other.open(), "Ottoline Quill", &[1.0]);
    std::fs::copy(other.keys_path(), site.keys_path()).expect("copies");
    assert!(matches!(refused(&site), StoreError::KeysOfAnother { .. }));
}

#[test]
fn a_store_named_like_a_keys_file_gets_another_keys_file() {
    let site = Site::new();
    let path = site.folder.path().join("my.keys");
    let store = Store::open(&path, &site.key).expect("opens");
    assert_eq!(store.keys_path(), site.folder.path().join("my.keys.keys"));
    enrol(&store, "Zebedee Quill", &[1.0]);
}
