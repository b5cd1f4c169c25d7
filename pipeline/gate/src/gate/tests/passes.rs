//! Passes, alone and as a second factor.

use super::*;

#[test]
fn a_pass_admits_at_once_and_excuses_its_owners_face() {
    let mut gate = Gate::new(policy());
    assert_eq!(walk_up(&mut gate, 0..500, Matched::Nobody), []);
    let by_pass = show_code(&mut gate, "pass", 500, || accepted(Some(ANN))).expect("admitted");
    assert_eq!(decisions(&[by_pass]), [(Decision::Admit, Reason::PassAccepted, Method::Qr)]);
    assert_eq!(by_pass.admitted, Some(Admitted { person: Some(ANN), pass: Some(PASS) }));
    assert!(by_pass.entry.grant.is_some());
    assert_eq!(walk_up(&mut gate, 600..9000, Matched::Nobody), []);
}

#[test]
fn a_pass_excuses_one_face_only() {
    let mut gate = Gate::new(policy());
    let both = [face(100.0, 60.0), face(500.0, 80.0)];
    let strangers = |_: &Gate, _: &Probe| live(Matched::Nobody);
    show(&mut gate, (0..300).step_by(100), &both, strangers);
    show_code(&mut gate, "pass", 300, || accepted(None)).expect("admitted");
    let outcomes = show(&mut gate, (400..4000).step_by(100), &both, strangers);
    assert_eq!(decisions(&outcomes), [NO_MATCH], "the face that is farther away");
}

#[test]
fn a_face_that_appears_from_behind_the_phone_is_excused() {
    let mut gate = Gate::new(policy());
    show_code(&mut gate, "pass", 0, || accepted(None)).expect("admitted");
    assert_eq!(walk_up(&mut gate, 1000..5000, Matched::Nobody), []);
    let mut gate = Gate::new(policy());
    show_code(&mut gate, "pass", 0, || accepted(None)).expect("admitted");
    assert_eq!(decisions(&walk_up(&mut gate, 4000..8000, Matched::Nobody)), [NO_MATCH], "this is somebody else");
}

#[test]
fn face_and_pass_of_one_person_are_one_entry() {
    let mut gate = Gate::new(policy());
    assert_eq!(decisions(&walk_up(&mut gate, 0..500, Matched::Person(ANN))), [ADMITTED_BY_FACE]);
    assert_eq!(show_code(&mut gate, "pass", 600, || accepted(Some(ANN))), None);
    let mut gate = Gate::new(policy());
    show_code(&mut gate, "pass", 0, || accepted(Some(ANN))).expect("admitted");
    assert_eq!(walk_up(&mut gate, 100..4000, Matched::Person(ANN)), []);
    // The phone is handed back to a friend.
    let handed_back = show_code(&mut gate, "another pass", 7000, || accepted(Some(ANN))).expect("a decision");
    assert_eq!(decisions(&[handed_back]), [(Decision::Refer, Reason::PassUsed, Method::Qr)]);
}

#[test]
fn a_refused_code_makes_one_referral() {
    let mut gate = Gate::new(policy());
    let mut outcomes = Vec::new();
    for ms in (0..8000).step_by(100) {
        outcomes.extend(show(&mut gate, std::iter::once(ms), &[face(300.0, 60.0)], |_, _| live(Matched::Nobody)));
        outcomes.extend(show_code(&mut gate, "old", ms, || CodeCheck::Refused(Reason::PassExpired)));
    }
    assert_eq!(decisions(&outcomes), [(Decision::Refer, Reason::PassExpired, Method::Qr)]);
}

#[test]
fn a_pass_is_the_second_factor_for_its_owners_face() {
    let doubtful = |_: &Gate, _: &Probe| Observation::Usable { matched: Matched::Person(ANN), live: cues(Some(0.2)) };
    let second_factor = Policy { liveness: LivenessPolicy::SecondFactor, ..policy() };
    let mut gate = Gate::new(second_factor);
    assert_eq!(show(&mut gate, (0..3000).step_by(100), &[face(300.0, 60.0)], doubtful), []);
    let both = show_code(&mut gate, "pass", 3000, || accepted(Some(ANN))).expect("admitted");
    assert_eq!(decisions(&[both]), [(Decision::Admit, Reason::PassAccepted, Method::QrAndFace)]);
    assert_eq!(show(&mut gate, (3100..9000).step_by(100), &[face(300.0, 60.0)], doubtful), []);

    let mut gate = Gate::new(second_factor);
    let outcomes = show(&mut gate, (0..9000).step_by(100), &[face(300.0, 60.0)], doubtful);
    assert_eq!(decisions(&outcomes), [(Decision::Refer, Reason::PassNeeded, Method::Face)]);
    let mut gate = Gate::new(second_factor);
    show(&mut gate, (0..3000).step_by(100), &[face(300.0, 60.0)], doubtful);
    let other = show_code(&mut gate, "pass", 3000, || accepted(Some(PersonId::from_u128(8)))).expect("admitted");
    assert_eq!(other.entry.method, Method::Qr, "another person's pass says nothing about this face");
}

#[test]
fn a_pass_that_would_admit_nobody_loses_no_use() {
    let mut gate = Gate::new(policy());
    assert!(gate.would_admit(Some(ANN), PASS, &found(0)));
    let outcomes = walk_up(&mut gate, 0..1000, Matched::Person(ANN));
    assert_eq!(decisions(&outcomes), [ADMITTED_BY_FACE]);
    assert!(!gate.would_admit(Some(ANN), PASS, &found(1000)), "Ann was just admitted by face");
    assert_eq!(gate.process_code(accepted(Some(ANN)), &found(1000)), None);
    assert!(gate.would_admit(None, PassId::from_u128(71), &found(1000)), "another person's pass would admit");
    let late = StageTimes { matched: at(30_000), ..found(20_000) };
    assert!(!gate.would_admit(Some(ANN), PASS, &late), "the frame is too old");
    assert!(gate.would_admit(Some(ANN), PASS, &found(20_000)));
}
