//! The audit log: what is recorded, and that no later change goes unnoticed.

use crate::support::{HOUR, Site, desk, enrol, gate, issue, noon, pass};
use gatehouse_store::{Action, Actor, AuditFault, AuditHead, PassUse, Store, StoreError};
use serde_json::json;

/// A store whose log has ten rows.
fn ten_rows(site: &Site) -> Store {
    let store = site.open();
    for number in 1..=10 {
        let security = Actor::new("security", "ottoline").expect("both are named");
        let details = json!({ "gate": "north", "number": number });
        store.record(Action::ThresholdChange, None, details, &security, noon()).expect("records");
    }
    store
}

fn fault(store: &Store, known: Option<AuditHead>) -> AuditFault {
    match store.verify_audit(known) {
        Err(StoreError::Audit { fault, .. }) => fault,
        other => panic!("a fault: {other:?}"),
    }
}

/// Changes the log as someone would who has the file, but not the site's key.
fn tamper(site: &Site, sql: &str) {
    let raw = site.raw();
    let drop_triggers = "DROP TRIGGER audit_row_is_never_changed; DROP TRIGGER audit_row_comes_last;
                         DROP TRIGGER audit_row_stays;";
    raw.execute_batch(drop_triggers).expect("an intruder can write");
    raw.execute_batch(sql).expect(sql);
}

#[test]
fn audit_rows_have_actor_and_subject_and_no_name() {
    let site = Site::new();
    let store = site.open();
    let person = enrol(&store, "Zebedee Quill", &[1.0]);
    let id = issue(&store, &pass(1, person));
    let _: PassUse = store.use_pass(id, noon(), HOUR).expect("uses");
    store.name_of(person, &desk(), noon()).expect("reads");
    store.names(&desk(), noon()).expect("reads");
    store.revoke_pass(id, &desk(), noon()).expect("takes back");
    store.withdraw_face(person, &desk(), noon()).expect("withdraws");
    store.forget(person, &desk(), noon() + HOUR).expect("forgets");
    let rules = json!({ "threshold": 0.4 });
    store.note_gate_rules(&gate("north"), &rules, &desk(), noon()).expect("records");

    let entries = store.audit_entries(1, 100).expect("reads");
    let (of_person, of_pass) = (Some(format!("person:{person}")), Some(format!("pass:{id}")));
    let seen: Vec<_> = entries.iter().map(|e| (e.sequence, e.action.as_str(), e.subject.clone())).collect();
    assert_eq!(
        seen,
        [
            (1, "enrol", of_person.clone()),
            (2, "issue-pass", of_pass.clone()),
            (3, "view-names", of_person.clone()),
            (4, "view-names", None),
            (5, "revoke-pass", of_pass),
            (6, "withdraw-face", of_person.clone()),
            (7, "forget", of_person),
            (8, "threshold-change", None),
        ]
    );
    assert!(entries.iter().all(|e| e.actor == "desk/quillon" && !e.details.contains("Quill")), "{entries:?}");
    let details = r#"{"before":null,"gate":"north","rules":{"threshold":0.4}}"#;
    assert_eq!((entries[6].at, entries[7].details.as_str()), (noon() + HOUR, details));
    assert_eq!(store.audit_entries(3, 2).expect("reads"), entries[2..4]);
    let report = store.verify_audit(None).expect("nobody touched it");
    assert_eq!((report.rows, report.removed_until, report.compared_with_known), (8, 0, false));
    assert_eq!(report.head, AuditHead { sequence: 8, hash: entries[7].hash });
}

#[test]
fn a_gates_rules_are_recorded_when_they_change() {
    let site = Site::new();
    let store = site.open();
    let note = |name: &str, threshold: f64| {
        store.note_gate_rules(&gate(name), &json!({ "threshold": threshold }), &desk(), noon()).expect("records")
    };
    let noted = [("a", 0.4), ("a", 0.4), ("b", 0.4), ("a", 0.5), ("b", 0.4), ("a", 0.4)].map(|(g, t)| note(g, t));
    assert_eq!(noted, [true, false, true, true, false, true]);
    let entries = store.audit_entries(3, 1).expect("reads");
    assert_eq!(entries[0].details, r#"{"before":{"threshold":0.4},"gate":"a","rules":{"threshold":0.5}}"#);
    store.verify_audit(None).expect("sound");
}

#[test]
fn a_row_changed_in_any_field_is_found() {
    for change in [
        "at_unix_ns = at_unix_ns + 1",
        "actor = 'security/zebedee'",
        "action = 'enrol'",
        "subject = 'person:01ARZ3NDEKTSV4RRFFQ69G5FAV'",
        "subject = ''",
        "details_json = '{}'",
        "previous_hash = zeroblob(32)",
        "hash = zeroblob(32)",
        "actor = actor || action, action = 'x'",
    ] {
        let site = Site::new();
        let store = ten_rows(&site);
        tamper(&site, &format!("UPDATE audit_log SET {change} WHERE sequence = 5"));
        assert_eq!(fault(&store, None), AuditFault::Altered { sequence: 5 }, "{change}");
    }
}

#[test]
fn rows_taken_out_put_in_or_cut_off_are_found() {
    let renumber = "UPDATE audit_log SET sequence = -sequence WHERE sequence > 5;
                    UPDATE audit_log SET sequence = -sequence";
    let copy = |as_number: &str, from: u32| {
        format!(
            "INSERT INTO audit_log SELECT {as_number}, at_unix_ns, 'desk/zebedee', action, subject, details_json,
                 previous_hash, hash FROM audit_log WHERE sequence = {from}"
        )
    };
    let cases = [
        ("DELETE FROM audit_log WHERE sequence = 5".to_owned(), AuditFault::Missing { sequence: 5 }),
        ("DELETE FROM audit_log WHERE sequence BETWEEN 1 AND 3".to_owned(), AuditFault::Missing { sequence: 1 }),
        (
            format!(
                "DELETE FROM audit_log WHERE sequence = 5; PRAGMA ignore_check_constraints = ON; {renumber} - 1
                     WHERE sequence < 0"
            ),
            AuditFault::Missing { sequence: 5 },
        ),
        (
            format!("PRAGMA ignore_check_constraints = ON; {renumber} + 1 WHERE sequence < 0; {}", copy("6", 5)),
            AuditFault::Inserted { sequence: 6 },
        ),
        (copy("11", 10), AuditFault::Inserted { sequence: 11 }),
        ("DELETE FROM audit_log WHERE sequence > 7".to_owned(), AuditFault::CutOff { last: 7, newest: 10 }),
        ("DELETE FROM audit_log".to_owned(), AuditFault::CutOff { last: 0, newest: 10 }),
        ("UPDATE meta SET audit_head_sealed = zeroblob(80)".to_owned(), AuditFault::Head),
        ("UPDATE meta SET audit_removed_until = 3".to_owned(), AuditFault::Anchor),
        ("UPDATE meta SET audit_anchor_sealed = audit_head_sealed".to_owned(), AuditFault::Anchor),
    ];
    for (sql, expected) in cases {
        let site = Site::new();
        let store = ten_rows(&site);
        tamper(&site, &sql);
        assert_eq!(fault(&store, None), expected, "{sql}");
        assert!(store.verify_audit(None).expect_err("a fault").to_string().contains("site.db"));
    }
}

#[test]
fn an_older_note_of_the_newest_row_hides_nothing() {
    let site = Site::new();
    let store = ten_rows(&site);
    let old: Vec<u8> = site.raw().query_row("SELECT audit_head_sealed FROM meta", [], |row| row.get(0)).expect("reads");
    store.record(Action::Backup, None, json!({}), &desk(), noon()).expect("records");
    site.raw().execute("UPDATE meta SET audit_head_sealed = ?1", [old]).expect("writes");
    assert_eq!(fault(&store, None), AuditFault::Head);
}

#[test]
fn a_whole_store_put_back_is_found_by_a_head_noted_elsewhere() {
    let site = Site::new();
    let store = ten_rows(&site);
    drop(store);
    let earlier = crate::support::bytes(&site.path());
    let store = site.open();
    let noted = store.record(Action::Backup, None, json!({}), &desk(), noon()).expect("records");
    let report = store.verify_audit(Some(noted)).expect("it is there");
    assert!(report.compared_with_known && report.head == noted);
    drop(store);

    std::fs::write(site.path(), earlier).expect("puts back");
    let store = site.open();
    store.verify_audit(None).expect("by itself, nothing shows");
    assert_eq!(fault(&store, Some(noted)), AuditFault::RolledBack { known: 11, newest: 10 });
    // Another row in its place doesn't help.
    store.record(Action::ThresholdChange, None, json!({}), &desk(), noon()).expect("records");
    assert_eq!(fault(&store, Some(noted)), AuditFault::RolledBack { known: 11, newest: 11 });
    let text: AuditHead = noted.to_string().parse().expect("as it was noted");
    assert_eq!(text, noted);
}

#[test]
fn the_log_is_only_added_to() {
    let site = Site::new();
    drop(ten_rows(&site));
    for change in [
        "UPDATE audit_log SET actor = 'desk/zebedee'",
        "DELETE FROM audit_log WHERE sequence = 1",
        "INSERT INTO audit_log SELECT 3, at_unix_ns, actor, action, subject, details_json, previous_hash, hash
             FROM audit_log LIMIT 1",
    ] {
        let refused = site.raw().execute(change, []).expect_err(change);
        assert!(refused.to_string().contains("only added to"), "{change}: {refused}");
    }
}

#[test]
fn two_stores_of_one_secret_have_chains_of_their_own() {
    let (site, other) = (Site::new(), Site::new());
    let other = Site { key: site.key.clone(), ..other };
    let (first, second) = (ten_rows(&site), ten_rows(&other));
    assert_ne!(first.audit_entries(1, 1).expect("reads")[0].hash, second.audit_entries(1, 1).expect("reads")[0].hash);
}

#[test]
fn many_writers_leave_one_chain() {
    let site = Site::new();
    let (first, second) = (site.open(), site.open());
    std::thread::scope(|scope| {
        for store in [&first, &second, &first, &second] {
            scope.spawn(move || {
                for _ in 0..10 {
                    store.record(Action::Backup, None, json!({}), &desk(), noon()).expect("records");
                }
            });
        }
    });
    assert_eq!(first.verify_audit(None).expect("sound").rows, 40);
}
