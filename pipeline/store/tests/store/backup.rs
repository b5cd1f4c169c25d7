//! Backups: what is in them, what isn't, and what restoring one brings back.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::{
    HOUR, MODEL, Site, VERSION, append, bytes, desk, enrol, enrol_for_passes, gate, issue, noon, pass, raw,
};
use gatehouse_credential::SiteSecret;
use gatehouse_store::{NewerPeople, PassUse, Restored, Store, StoreError, restore};

impl Site {
    fn backup_path(&self) -> PathBuf {
        self.folder.path().join("backup.db")
    }

    fn back_up(&self, store: &Store) {
        store.backup(&self.backup_path(), &desk(), noon()).expect("backs up");
    }

    /// The store's own file is lost; the keys are still there.
    fn lose_store(&self) {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", self.path().display()));
        }
    }

    fn restore(&self, newer: NewerPeople) -> Result<Restored, StoreError> {
        restore(&self.backup_path(), &self.path(), &self.key, newer, &desk(), noon() + HOUR)
    }

    fn files(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.folder.path()).expect("lists");
        let mut names: Vec<_> =
            files.map(|file| file.expect("lists").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

#[test]
fn a_backup_brings_everybody_back_but_those_who_withdrew() {
    let site = Site::new();
    let store = site.open();
    let zebedee = enrol(&store, "Zebedee Quill", &[1.0, 2.0]);
    let ottoline = enrol(&store, "Ottoline Quill", &[3.0, 4.0]);
    let zenobia = enrol(&store, "Zenobia Quill", &[5.0, 6.0]);
    let pass_of_zebedee = issue(&store, &pass(1, zebedee));
    let pass_of_zenobia = issue(&store, &pass(2, zenobia));
    append(&store, &gate("north"), noon());
    site.back_up(&store);
    assert_eq!(std::fs::metadata(site.backup_path()).expect("exists").permissions().mode() & 0o777, 0o600);

    store.forget(zebedee, &desk(), noon()).expect("forgets");
    store.withdraw_face(zenobia, &desk(), noon()).expect("withdraws");
    store.revoke_pass(pass_of_zenobia, &desk(), noon()).expect("takes back");
    drop(store);
    site.lose_store();
    let restored = site.restore(NewerPeople::Refuse).expect("restores");
    assert_eq!(restored, Restored { people: 2, dropped: 1, faces_dropped: 1, revoked_again: 1, newer: 0 });
    assert_eq!(site.files(), ["backup.db", "site.db", "site.keys"], "nothing else is left behind");

    let store = site.open();
    let gallery = store.gallery(MODEL, VERSION, noon()).expect("reads");
    let [template] = gallery.templates.as_slice() else { panic!("one: {gallery:?}") };
    assert_eq!((template.person, template.values.as_slice()), (ottoline, &[3.0, 4.0][..]));
    assert_eq!(store.name_of(ottoline, &desk(), noon()).expect("reads").as_str(), "Ottoline Quill");
    assert_eq!(store.name_of(zenobia, &desk(), noon()).expect("reads").as_str(), "Zenobia Quill");
    let gone = store.name_of(zebedee, &desk(), noon());
    assert!(matches!(gone, Err(StoreError::NoSuchPerson { .. })), "{gone:?}");
    for pass in [pass_of_zebedee, pass_of_zenobia] {
        assert_eq!(store.use_pass(pass, noon(), HOUR).expect("asks"), PassUse::Revoked);
    }
    assert_eq!(append(&store, &gate("north"), noon()).sequence, 2, "entry numbers go on");
    let log = store.audit_entries(1, 100).expect("reads");
    let row = log.iter().find(|row| row.action == "restore").expect("it is recorded");
    assert!(row.details.contains(r#""dropped":1"#) && row.actor == "desk/quillon", "{row:?}");
    assert!(log.iter().any(|row| row.action == "backup"), "the backup itself is in its own log");
    store.verify_audit(None).expect("and the log is sound");
}

/// What an attacker with the backup, the site's secret and today's keys file can read about a
/// person who withdrew.
#[test]
fn a_forgotten_person_is_unreadable_in_a_backup() {
    let site = Site::new();
    let store = site.open();
    let zebedee = enrol(&store, "Zebedee Quill", &[1.0, 2.0]);
    let ottoline = enrol(&store, "Ottoline Quill", &[3.0, 4.0]);
    site.back_up(&store);
    store.forget(zebedee, &desk(), noon()).expect("forgets");
    drop(store);

    // The backup as the store itself, with no one dropped: the program finds nobody's key for them,
    // and no key that is left opens what is theirs, wherever it is put.
    let thief = Site { folder: tempfile::tempdir().expect("a folder"), key: site.key.clone() };
    let reset = || {
        std::fs::copy(site.backup_path(), thief.path()).expect("copies");
        std::fs::copy(site.keys_path(), thief.keys_path()).expect("copies");
    };
    reset();
    let error = Store::open(&thief.path(), &thief.key).expect_err("a key is missing");
    assert!(matches!(error, StoreError::KeysOlder { missing: 2, .. }), "{error}");

    let keys = raw(&thief.keys_path());
    let of = |table: &str, column: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM {table} WHERE {column} = ?1");
        keys.query_row(&sql, [zebedee.to_string()], |row| row.get(0)).expect("reads")
    };
    assert_eq!((of("data_key", "owner"), of("destroyed", "owner")), (0, 0), "the keys file keeps no row of theirs");
    // The other person's keys, passed off as theirs.
    let pass_off = "INSERT INTO data_key SELECT part, ?1, key_sealed FROM data_key WHERE owner = ?2";
    keys.execute(pass_off, [zebedee.to_string(), ottoline.to_string()]).expect("writes");
    drop(keys);
    let store = thief.open();
    let name = store.name_of(zebedee, &desk(), noon()).expect_err("sealed for another owner");
    assert!(matches!(name, StoreError::KeyTampered { part: "name", .. }), "{name}");
    let gallery = store.gallery(MODEL, VERSION, noon()).expect_err("sealed for another owner");
    assert!(matches!(gallery, StoreError::KeyTampered { part: "face", .. }), "{gallery}");
    drop(store);

    // Their rows, passed off as the other person's, whose keys are there.
    thief.lose_store();
    reset();
    raw(&thief.path())
        .execute_batch(&format!(
            "DROP TRIGGER template_stays_with_its_person;
             UPDATE person SET name_sealed = (SELECT name_sealed FROM person WHERE person_id = '{zebedee}');
             UPDATE template SET values_sealed = (SELECT values_sealed FROM template WHERE person_id = '{zebedee}');
             DELETE FROM person WHERE person_id = '{zebedee}'; DELETE FROM consent WHERE person_id = '{zebedee}';"
        ))
        .expect("writes");
    let store = thief.open();
    let name = store.name_of(ottoline, &desk(), noon()).expect_err("sealed with a key that is gone");
    assert!(matches!(name, StoreError::Tampered { column: "name_sealed", .. }), "{name}");
    let gallery = store.gallery(MODEL, VERSION, noon()).expect_err("sealed with a key that is gone");
    assert!(matches!(gallery, StoreError::Tampered { column: "values_sealed", .. }), "{gallery}");
}

#[test]
fn people_enrolled_after_a_backup_are_not_given_up_unasked() {
    let site = Site::new();
    let store = site.open();
    enrol(&store, "Zebedee Quill", &[1.0]);
    site.back_up(&store);
    enrol_for_passes(&store, "Ottoline Quill");
    drop(store);
    let store_file = bytes(&site.path());
    site.lose_store();
    let keys = bytes(&site.keys_path());
    let error = site.restore(NewerPeople::Refuse).expect_err("one is newer");
    assert!(matches!(error, StoreError::NewerPeople { people: 1, .. }), "{error}");
    assert_eq!(site.files(), ["backup.db", "site.keys"]);
    assert!(bytes(&site.keys_path()) == keys, "a newer backup would still be good");

    let restored = site.restore(NewerPeople::Drop).expect("restores");
    assert_eq!((restored.people, restored.newer), (1, 1));
    assert_eq!(site.open().count(noon()).expect("counts").people, 1);
    // And now their keys are gone.
    site.lose_store();
    std::fs::write(site.path(), store_file).expect("writes");
    let error = Store::open(&site.path(), &site.key).expect_err("a key is missing");
    assert!(matches!(error, StoreError::KeysOlder { missing: 1, .. }), "{error}");
}

#[test]
fn nothing_is_overwritten_and_nothing_half_written_stays() {
    let site = Site::new();
    let store = site.open();
    enrol(&store, "Zebedee Quill", &[1.0]);
    site.back_up(&store);
    let before = bytes(&site.backup_path());
    let again = store.backup(&site.backup_path(), &desk(), noon());
    assert!(matches!(again, Err(StoreError::Exists { .. })), "{again:?}");
    assert!(bytes(&site.backup_path()) == before);
    let nowhere = store.backup(&site.folder.path().join("missing").join("backup.db"), &desk(), noon());
    assert!(matches!(nowhere, Err(StoreError::File { .. })), "{nowhere:?}");
    let over = site.restore(NewerPeople::Refuse);
    assert!(matches!(over, Err(StoreError::Exists { .. })), "a store is there: {over:?}");
    drop(store);
    assert_eq!(site.files(), ["backup.db", "site.db", "site.keys"]);
}

#[test]
fn a_bad_or_foreign_backup_is_refused_and_makes_no_store() {
    let site = Site::new();
    let store = site.open();
    enrol(&store, "Zebedee Quill", &[1.0; 128]);
    site.back_up(&store);
    drop(store);
    site.lose_store();
    let whole = bytes(&site.backup_path());
    let refused = |what: &str| {
        let error = site.restore(NewerPeople::Drop).expect_err(what);
        assert_eq!(site.files(), ["backup.db", "site.keys"], "{what}");
        assert!(error.to_string().contains("backup.db") || what.contains("keys"), "{what}: {error}");
        error
    };
    for length in [0, 50, 4096, whole.len() / 2, whole.len() - 1] {
        std::fs::write(site.backup_path(), &whole[..length]).expect("cuts");
        let error = refused("it is cut short");
        assert!(matches!(error, StoreError::Damaged { .. } | StoreError::Foreign { .. }), "{length}: {error:?}");
    }
    let mut scribbled = whole.clone();
    let middle = scribbled.len() / 2;
    scribbled[middle - 3000..middle + 3000].fill(0xA5);
    std::fs::write(site.backup_path(), scribbled).expect("scribbles");
    let error = refused("it is damaged inside");
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");

    std::fs::write(site.backup_path(), &whole).expect("mends");
    let wrong = SiteSecret::generate().expect("randomness");
    let error = restore(&site.backup_path(), &site.path(), &wrong, NewerPeople::Drop, &desk(), noon());
    assert!(matches!(error, Err(StoreError::WrongKey { .. })), "{error:?}");
    let other = Site::new();
    drop(other.open());
    let own_keys = bytes(&site.keys_path());
    let others = Site { key: site.key.clone(), ..other };
    let _ = std::fs::remove_file(others.path());
    let _ = std::fs::remove_file(others.keys_path());
    drop(others.open());
    std::fs::copy(others.keys_path(), site.keys_path()).expect("copies");
    assert!(matches!(refused("the keys are another store's"), StoreError::KeysOfAnother { .. }));
    std::fs::remove_file(site.keys_path()).expect("removes");
    let error = site.restore(NewerPeople::Drop).expect_err("the keys are missing");
    assert!(matches!(error, StoreError::KeysMissing { people: 1, .. }), "{error}");
    std::fs::write(site.keys_path(), own_keys).expect("puts back");
    assert_eq!(site.restore(NewerPeople::Refuse).expect("all is as it should be").people, 1);
}
