//! Changing the site's key: all is as it was, under the new key, and nothing opens with the old
//! one.

use crate::support::{
    HOUR, MODEL, Site, VERSION, append, bytes, consent_draft, desk, enrol, enrol_for_passes, gate, issue, noon, pass,
    pass_id, template,
};
use gatehouse_credential::SiteSecret;
use gatehouse_store::{
    Actor, Consent, ConsentDraft, Enrolment, KeyChange, Look, NewPass, NewPassKind, NewPerson, NewerPeople, PassUse,
    Retention, Store, StoreError, Who, restore,
};

/// Stands for the site's protection, which the store does not know.
fn protect_again(values: &mut [f32]) -> Result<(), String> {
    values.iter_mut().for_each(|value| *value += 100.0);
    Ok(())
}

fn change(site: &mut Site) -> Result<KeyChange, StoreError> {
    let new = SiteSecret::generate().expect("randomness");
    let changed = site.open().change_key(&new, &mut protect_again, &desk(), noon() + HOUR / 2);
    if changed.is_ok() {
        site.key = new;
    }
    changed
}

/// A store with one of everything that hangs on the key.
fn full(site: &Site) -> Store {
    let store = site.open();
    let zebedee = enrol(&store, "Zebedee Quill", &[1.0, 2.0]);
    let draft = ConsentDraft { under_14: true, guardian: Some("Ottoline Quill".to_owned()), ..consent_draft() };
    let consent = Consent::new(draft).expect("has a guardian");
    let templates = [template(&[3.0, 4.0]), template(&[5.0, 6.0])];
    let enrolment = Enrolment::Face { consent: consent.clone(), templates: &templates };
    store.enrol(NewPerson { name: "Zenobia Quill", enrolment }, &desk(), noon()).expect("enrols");
    let passing = enrol_for_passes(&store, "Zachary Quill");
    issue(&store, &pass(1, passing));
    issue(&store, &NewPass { valid_until: noon() + HOUR / 4, ..pass(2, passing) });
    let card = NewPassKind::Card { consent };
    issue(&store, &NewPass { id: pass_id(3), kind: card, ..pass(3, passing) });
    let who = Who { person: Some(zebedee), pass: Some(pass_id(1)) };
    store.append_entry(&gate("g"), who, |n| crate::support::entry(&gate("g"), n, noon())).expect("appends");
    append(&store, &gate("g"), noon());
    store
}

/// All that can be read of a store, with the key.
#[derive(Debug, PartialEq)]
struct Contents {
    names: Vec<(String, String)>,
    templates: Vec<(String, Vec<f32>)>,
    entries: Vec<String>,
}

fn contents(store: &Store) -> Contents {
    let guard = Actor::new("security", "ottoline").expect("both are named");
    let names = store.names(&desk(), noon()).expect("reads");
    let gallery = store.gallery(MODEL, VERSION, noon()).expect("reads");
    let look = Look { reason: "a parcel is missing", from: noon(), until: noon() + HOUR, gate: None };
    let entries = store.look_up_entries(&look, &guard, noon()).expect("reads");
    Contents {
        names: names.iter().map(|(person, name)| (person.to_string(), name.to_string())).collect(),
        templates: gallery.templates.iter().map(|t| (t.person.to_string(), t.values.to_vec())).collect(),
        entries: entries
            .iter()
            .map(|e| format!("{} {:?} {:?}", e.event_id, e.who, e.name.as_ref().map(|n| n.as_str())))
            .collect(),
    }
}

#[test]
fn after_a_key_change_only_the_new_key_opens_everything() {
    let mut site = Site::new();
    let before = contents(&full(&site));
    let old = site.key.clone();
    let changed = change(&mut site).expect("changes");
    assert_eq!(changed, KeyChange { people: 3, templates: 3, entries: 2, passes: 1, cards: 1 });

    let wrong = Store::open(&site.path(), &old).expect_err("the key was changed");
    assert!(matches!(wrong, StoreError::WrongKey { .. }), "{wrong}");
    let store = site.open();
    let after = contents(&store);
    assert_eq!((&after.names, &after.entries), (&before.names, &before.entries), "names, and who came in");
    let again: Vec<_> =
        before.templates.iter().map(|(who, values)| (who, values.iter().map(|v| v + 100.0).collect())).collect();
    assert_eq!(after.templates.iter().map(|(who, values)| (who, values.clone())).collect::<Vec<_>>(), again);
    for signed_with_the_old_key in [1, 3] {
        let used = store.use_pass(pass_id(signed_with_the_old_key), noon(), HOUR).expect("asks");
        assert_eq!(used, PassUse::Revoked, "{signed_with_the_old_key}");
    }
    let rows = store.audit_entries(1, 100).expect("reads");
    let noted = rows.iter().find(|row| row.action == "key-change").expect("it is noted");
    assert!(noted.details.contains(r#""passes_taken_back":1"#) && !noted.details.contains("Quill"), "{noted:?}");
    // The rules that it went past stand again.
    for sql in ["UPDATE template SET model = 'x'", "UPDATE entry_log SET gate = 'x'"] {
        assert!(site.raw().execute(sql, []).is_err(), "{sql}");
    }
}

#[test]
fn the_audit_log_goes_on_over_changes_of_the_key() {
    let mut site = Site::new();
    let first = full(&site).verify_audit(None).expect("sound").head;
    change(&mut site).expect("changes");
    let second = site.open().verify_audit(None).expect("sound").head;
    enrol(&site.open(), "Zuleika Quill", &[1.0]);
    change(&mut site).expect("changes again");
    let store = site.open();
    for known in [first, second] {
        let report = store.verify_audit(Some(known)).expect("sound");
        assert!(report.compared_with_known, "heads noted before are still good");
    }
    let drop_guard = "DROP TRIGGER audit_row_is_never_changed";
    site.raw().execute_batch(drop_guard).expect("an intruder can write");
    for sequence in [first.sequence, second.sequence, second.sequence + 1] {
        let alter = "UPDATE audit_log SET actor = 'desk/nobody' WHERE sequence = ?1 RETURNING sequence";
        let raw = site.raw();
        let restore = raw
            .query_row("SELECT actor FROM audit_log WHERE sequence = ?1", [sequence.cast_signed()], |row| {
                row.get::<_, String>(0)
            })
            .expect("the row is there");
        raw.query_row(alter, [sequence.cast_signed()], |_| Ok(())).expect("alters");
        let fault = store.verify_audit(None).expect_err("altered").to_string();
        assert!(fault.contains(&format!("row {sequence} was altered")), "{fault}");
        raw.execute(
            "UPDATE audit_log SET actor = ?2 WHERE sequence = ?1",
            rusqlite::params![sequence.cast_signed(), restore],
        )
        .expect("puts it back");
    }
    store.verify_audit(None).expect("sound again");
    site.raw()
        .execute("DELETE FROM audit_key WHERE last_sequence = ?1", [first.sequence.cast_signed()])
        .expect("writes");
    store.verify_audit(None).expect_err("the first rows can't be verified without their key");
}

#[test]
fn keys_of_rows_that_are_gone_go_too() {
    let mut site = Site::new();
    full(&site);
    change(&mut site).expect("changes");
    let store = site.open();
    let year = HOUR * 24 * 365;
    let keep = Retention { outbox: year, entry_log: year, ended_consents: year, ended_passes: year, audit: HOUR };
    store.apply_retention(&keep, &desk(), noon() + 2 * HOUR).expect("applies");
    let left: i64 = site.raw().query_row("SELECT count(*) FROM audit_key", [], |row| row.get(0)).expect("counts");
    assert_eq!(left, 0);
    store.verify_audit(None).expect("sound");
    drop(store);
    change(&mut site).expect("changes with a shortened log");
    site.open().verify_audit(None).expect("sound");
}

#[test]
fn what_stands_against_a_change_changes_nothing() {
    let mut site = Site::new();
    full(&site);
    let sound = |site: &Site| contents(&site.open()).templates;
    let before = sound(&site);

    let same = site.open().change_key(&site.key, &mut protect_again, &desk(), noon() + HOUR / 2);
    assert!(matches!(same, Err(StoreError::SameKey { .. })), "{same:?}");

    let mut refuse = |_: &mut [f32]| Err("it has 2 numbers".to_owned());
    let new = SiteSecret::generate().expect("randomness");
    let refused = site.open().change_key(&new, &mut refuse, &desk(), noon()).expect_err("can't be protected");
    assert!(matches!(refused, StoreError::Reprotect { .. }), "{refused}");
    assert!(refused.to_string().contains("(it has 2 numbers); nothing was changed"), "{refused}");
    assert_eq!(sound(&site), before);

    let elsewhere = site.open();
    let used = change(&mut site).expect_err("another has it open");
    assert!(matches!(used, StoreError::InUse { .. }), "{used}");
    assert!(used.to_string().contains("stop the node"), "{used}");
    assert_eq!(contents(&elsewhere).templates, before, "a process that has it open goes on");
    append(&elsewhere, &gate("g"), noon());
    drop(elsewhere);
    assert_eq!(sound(&site), before);

    let raw = site.raw();
    raw.execute_batch("DROP TRIGGER audit_row_is_never_changed; UPDATE audit_log SET actor = 'x/y' WHERE sequence = 1")
        .expect("an intruder can write");
    drop(raw);
    let fault = change(&mut site).expect_err("a new key must not cover it");
    assert!(matches!(fault, StoreError::Audit { .. }), "{fault}");
    assert_eq!(sound(&site), before);
}

#[test]
fn a_backup_belongs_to_the_key_that_it_was_made_under() {
    let mut site = Site::new();
    let backup = |site: &Site, name: &str| {
        let to = site.folder.path().join(name);
        site.open().backup(&to, &desk(), noon()).expect("backs up");
        to
    };
    full(&site);
    let (before, old) = (backup(&site, "before"), site.key.clone());
    change(&mut site).expect("changes");
    let after = backup(&site, "after");
    let expected = contents(&site.open());
    std::fs::remove_file(site.path()).expect("loses it");
    let keys = bytes(&site.keys_path());
    for secret in [&site.key, &old] {
        let worthless = restore(&before, &site.path(), secret, NewerPeople::Refuse, &desk(), noon());
        assert!(matches!(worthless, Err(StoreError::WrongKey { .. })), "{worthless:?}");
    }
    assert!(bytes(&site.keys_path()) == keys, "the keys are as they were");
    restore(&after, &site.path(), &site.key, NewerPeople::Refuse, &desk(), noon()).expect("restores");
    assert_eq!(contents(&site.open()), expected);
}

#[test]
fn a_store_older_than_key_changes_is_migrated() {
    let mut site = Site::new();
    full(&site);
    site.raw().execute_batch("DROP TABLE audit_key; PRAGMA user_version = 2").expect("as version 2 was");
    site.open().verify_audit(None).expect("sound");
    change(&mut site).expect("changes");
    site.open().verify_audit(None).expect("sound");
}
