//! Retention: what goes by itself, and what stays.

use std::time::Duration;

use crate::support::{
    HOUR, Site, append, consent, consent_draft, desk, enrol, enrol_for_passes, gate, issue, noon, pass, pass_id,
};
use gatehouse_store::{
    Action, Actor, Applied, AuditFault, Consent, ConsentDraft, Counts, Look, NewPass, NewPassKind, PassUse, Retention,
};
use serde_json::json;

const DAY: Duration = Duration::from_secs(86_400);
const YEAR: Duration = Duration::from_secs(365 * 86_400);
const KEEP_ALL: Retention =
    Retention { outbox: YEAR, entry_log: YEAR, ended_consents: YEAR, ended_passes: YEAR, audit: YEAR };

fn node() -> Actor {
    Actor::gatehouse()
}

#[test]
fn nothing_goes_before_its_time_and_then_nothing_is_recorded() {
    let site = Site::new();
    let store = site.open();
    enrol(&store, "Zebedee Quill", &[1.0]);
    append(&store, &gate("north"), noon());
    store.mark_published(&gate("north"), 1).expect("marks");
    let before = store.verify_audit(None).expect("sound").head;
    assert_eq!(store.apply_retention(&KEEP_ALL, &node(), noon() + DAY).expect("applies"), Applied::default());
    assert_eq!(store.verify_audit(None).expect("sound").head, before);
}

#[test]
fn entries_go_from_outbox_and_log_each_in_its_time() {
    let site = Site::new();
    let store = site.open();
    let north = gate("north");
    for at in [noon(), noon() + DAY] {
        append(&store, &north, at);
        append(&store, &north, at);
    }
    for sequence in [1, 3, 4] {
        store.mark_published(&north, sequence).expect("marks");
    }
    let keep = Retention { outbox: HOUR, entry_log: 2 * HOUR, ..KEEP_ALL };
    let applied = store.apply_retention(&keep, &node(), noon() + HOUR + HOUR / 2).expect("applies");
    assert_eq!(applied, Applied { outbox: 1, ..Applied::default() }, "the one not published yet stays");
    let applied = store.apply_retention(&keep, &node(), noon() + 3 * HOUR).expect("applies");
    assert_eq!(applied, Applied { entry_log: 2, ..Applied::default() });
    let look = Look { reason: "test", from: noon(), until: noon() + 2 * DAY, gate: None };
    assert_eq!(store.look_up_entries(&look, &desk(), noon()).expect("reads").len(), 2);
    let left: Vec<u64> = store.entries_from(&north, 1, 10).expect("reads").iter().map(|e| e.sequence).collect();
    assert_eq!(left, [2, 3, 4]);
}

#[test]
fn ended_consent_forgets_the_person_unless_a_pass_remains() {
    let site = Site::new();
    let store = site.open();
    let gone = enrol(&store, "Zebedee Quill", &[1.0]);
    let kept = enrol(&store, "Ottoline Quill", &[2.0]);
    let used_up = enrol(&store, "Zenobia Quill", &[3.0]);
    let good = issue(&store, &NewPass { valid_until: noon() + 9 * DAY, ..pass(1, kept) });
    issue(&store, &pass(2, gone));
    let once = NewPass { valid_until: noon() + 9 * DAY, max_uses: Some(1), ..pass(3, used_up) };
    let once = issue(&store, &once);
    store.use_pass(once, noon(), HOUR).expect("uses");

    let keep = Retention { ended_consents: DAY, ..KEEP_ALL };
    let grace_over = noon() + HOUR + DAY;
    assert_eq!(store.apply_retention(&keep, &node(), grace_over).expect("applies"), Applied::default());
    let now = grace_over + Duration::from_secs(1);
    let applied = store.apply_retention(&keep, &node(), now).expect("applies");
    assert_eq!(applied, Applied { people: 2, faces: 1, ..Applied::default() });
    let counts = Counts { people: 1, pass_only: 1, passes: 1, withdrawn: 3, ..Counts::default() };
    assert_eq!(store.count(now).expect("counts"), counts);
    assert_eq!(store.name_of(kept, &desk(), now).expect("reads").as_str(), "Ottoline Quill");
    assert_eq!(store.use_pass(good, now, HOUR).expect("uses"), PassUse::Accepted { person: Some(kept) });
    drop(store);
    let keys = crate::support::raw(&site.keys_path());
    let left: i64 = keys.query_row("SELECT count(*) FROM data_key", [], |row| row.get(0)).expect("counts");
    assert_eq!(left, 1, "all keys but that of one name are destroyed");
    let store = site.open();
    let actions: Vec<_> = store.audit_entries(7, 10).expect("reads").into_iter().map(|e| e.action).collect();
    assert_eq!(actions, ["expire", "expire", "expire", "retention", "view-names"]);
}

#[test]
fn ended_passes_go_and_then_people_whom_nothing_keeps() {
    let site = Site::new();
    let store = site.open();
    let person = enrol_for_passes(&store, "Zebedee Quill");
    let ended = issue(&store, &pass(1, person));
    let lasting = issue(&store, &NewPass { valid_until: noon() + 9 * DAY, ..pass(2, person) });
    let draft = ConsentDraft { under_14: true, guardian: Some("Ottoline Quill".to_owned()), ..consent_draft() };
    for (number, consent) in [(3, consent()), (4, Consent::new(draft).expect("has a guardian"))] {
        let kind = NewPassKind::Card { consent };
        let (valid_from, valid_until) = (noon(), noon() + 9 * DAY);
        issue(&store, &NewPass { id: pass_id(number), kind, valid_from, valid_until, max_uses: None });
    }
    let keep = Retention { ended_passes: DAY, ..KEEP_ALL };
    let applied = store.apply_retention(&keep, &node(), noon() + 2 * DAY).expect("applies");
    assert_eq!(applied, Applied { passes: 3, ..Applied::default() }, "cards go after their holder's consent");
    assert_eq!(store.passes().expect("lists").iter().map(|p| p.id).collect::<Vec<_>>(), [lasting]);
    assert_eq!(store.use_pass(ended, noon() + 2 * DAY, HOUR).expect("asks"), PassUse::Unknown);

    store.revoke_pass(lasting, &desk(), noon() + 2 * DAY).expect("takes back");
    let applied = store.apply_retention(&keep, &node(), noon() + 4 * DAY).expect("applies");
    assert_eq!(applied, Applied { passes: 1, people: 1, ..Applied::default() });
    assert_eq!(store.count(noon()).expect("counts").people, 0);
    drop(store);
    let keys = crate::support::raw(&site.keys_path());
    let left: i64 = keys.query_row("SELECT count(*) FROM data_key", [], |row| row.get(0)).expect("counts");
    assert_eq!(left, 0, "the guardian's key too");
}

#[test]
fn a_shortened_log_verifies_and_a_tampered_one_stays_whole() {
    let site = Site::new();
    let store = site.open();
    let mut heads = Vec::new();
    for day in 0..10 {
        heads.push(
            store.record(Action::Backup, None, json!({ "day": day }), &desk(), noon() + day * DAY).expect("records"),
        );
    }
    let keep = Retention { audit: 5 * DAY, ..KEEP_ALL };
    let now = noon() + 9 * DAY;
    let applied = store.apply_retention(&keep, &node(), now).expect("applies");
    assert_eq!(applied, Applied { audit: 4, ..Applied::default() });
    let report = store.verify_audit(Some(heads[6])).expect("sound");
    assert_eq!((report.rows, report.removed_until, report.compared_with_known), (7, 4, true));
    assert!(
        store.verify_audit(Some(heads[3])).expect("sound").compared_with_known,
        "the anchor is the last one removed"
    );
    assert!(!store.verify_audit(Some(heads[2])).expect("sound").compared_with_known, "older ones can't be compared");

    let raw = site.raw();
    assert!(raw.execute("DELETE FROM audit_log WHERE sequence = 5", []).is_err(), "only retention removes rows");
    raw.execute_batch("DROP TRIGGER audit_row_is_never_changed; UPDATE audit_log SET actor = 'x/y' WHERE sequence = 6")
        .expect("an intruder can write");
    let applied = store.apply_retention(&keep, &node(), now + 5 * DAY).expect("applies");
    assert_eq!(applied, Applied { audit_fault: Some(AuditFault::Altered { sequence: 6 }), ..Applied::default() });
    assert_eq!(store.audit_entries(1, 100).expect("reads").len(), 7, "the evidence stays");
}

#[test]
fn a_log_of_old_rows_only_is_emptied_and_goes_on() {
    let site = Site::new();
    let store = site.open();
    store.record(Action::Backup, None, json!({}), &desk(), noon()).expect("records");
    let keep = Retention { audit: DAY, ..KEEP_ALL };
    for round in 1..4_u32 {
        let now = noon() + round * 2 * DAY;
        assert_eq!(store.apply_retention(&keep, &node(), now).expect("applies").audit, 1);
        let report = store.verify_audit(None).expect("sound");
        assert_eq!((report.rows, report.removed_until), (1, u64::from(round)), "the row that says so");
    }
}
