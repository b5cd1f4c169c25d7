//! Cards, which are verified against a face (1:1).

use super::*;
use crate::testing::template;

/// Observes a probe as the service does, with a face at this angle from the card's: 1:1 while a
/// card is shown, else a stranger.
fn with_card(degrees: f32, live: Option<f32>) -> impl Fn(&Gate, &Probe) -> Observation {
    move |gate, probe| {
        let compared = gate.compare_with_card(probe.id, &template(degrees));
        Observation::Usable { matched: compared.map_or(Matched::Nobody, Matched::Card), live: cues(live) }
    }
}

/// Shows a card at 0.5 s, with a face at this angle from the card's. Returns the outcomes and their
/// time in ms.
fn by_card(policy: Policy, degrees: f32, live: Option<f32>) -> (Vec<Outcome>, u64) {
    let mut gate = Gate::new(policy);
    let frame = [face(300.0, 60.0)];
    assert_eq!(show(&mut gate, (0..500).step_by(100), &frame, with_card(degrees, live)), []);
    assert_eq!(show_code(&mut gate, "card", 500, card), None);
    assert!(gate.card.is_some());
    for ms in (600..20_000).step_by(100) {
        let outcomes = show(&mut gate, std::iter::once(ms), &frame, with_card(degrees, live));
        if !outcomes.is_empty() {
            assert!(gate.card.is_none(), "the card's template is dropped");
            let after = show(&mut gate, (ms + 100..ms + 9000).step_by(100), &frame, with_card(degrees, live));
            assert_eq!(after, [], "no second decision about its owner");
            return (outcomes, ms);
        }
    }
    panic!("a card verification always ends");
}

#[test]
fn a_card_admits_the_face_that_it_carries() {
    let (outcomes, ms) = by_card(policy(), 20.0, Some(0.9));
    assert_eq!(decisions(&outcomes), [(Decision::Admit, Reason::Matched, Method::QrAndFace)]);
    assert_eq!(outcomes[0].admitted, Some(Admitted { person: None, pass: Some(PASS) }));
    assert_eq!(ms, 700, "at the second frame after the card");
}

#[test]
fn a_mismatch_stays_the_reason_after_the_holder_has_left() {
    let mut gate = Gate::new(policy());
    let frame = [face(300.0, 60.0)];
    assert_eq!(show_code(&mut gate, "card", 0, card), None);
    assert_eq!(show(&mut gate, (100..1500).step_by(100), &frame, with_card(70.0, Some(0.9))), []);
    let outcomes = show(&mut gate, (1500..9000).step_by(100), &[], with_card(70.0, None));
    assert_eq!(decisions(&outcomes), [(Decision::Refer, Reason::CardMismatch, Method::QrAndFace)]);
}

#[test]
fn an_unverified_card_is_referred_at_the_deadline() {
    let reason = |policy: Policy, degrees: f32, live: Option<f32>| {
        let (outcomes, ms) = by_card(policy, degrees, live);
        assert_eq!((outcomes.len(), outcomes[0].entry.method), (1, Method::QrAndFace));
        assert!((6500..6700).contains(&ms), "{ms}");
        (outcomes[0].entry.decision, outcomes[0].entry.reason)
    };
    let second_factor = Policy { liveness: LivenessPolicy::SecondFactor, ..policy() };
    assert_eq!(reason(policy(), 70.0, Some(0.9)), (Decision::Refer, Reason::CardMismatch));
    for policy in [policy(), second_factor] {
        assert_eq!(reason(policy, 0.0, Some(0.1)), (Decision::Refer, Reason::NotLive));
        assert_eq!(reason(policy, 0.0, None), (Decision::Refer, Reason::LivenessUnknown));
    }
    let off = Policy { liveness: LivenessPolicy::Off, ..policy() };
    assert_eq!(by_card(off, 0.0, None).0[0].entry.decision, Decision::Admit);
}

#[test]
fn a_card_without_a_face_is_referred_and_blocks_other_codes() {
    let mut gate = Gate::new(policy());
    show_code(&mut gate, "card", 0, card);
    assert_eq!(show_code(&mut gate, "pass", 100, || accepted(None)), None);
    let outcomes = show(&mut gate, (200..7000).step_by(100), &[], with_card(0.0, None));
    assert_eq!(decisions(&outcomes), [(Decision::Refer, Reason::FaceUnusable, Method::QrAndFace)]);
    assert!(show_code(&mut gate, "pass", 7000, || accepted(None)).is_some());
}

#[test]
fn a_card_is_compared_with_the_nearest_face() {
    let mut gate = Gate::new(policy());
    show_code(&mut gate, "card", 0, card);
    let (behind, before) = (face(100.0, 60.0), face(500.0, 80.0));
    let probes = gate.process_frame(&[behind, before], &found(100)).probes;
    let compared: Vec<bool> = probes.iter().map(|p| gate.compare_with_card(p.id, &template(0.0)).is_some()).collect();
    assert_eq!(compared, [false, true]);
    assert_eq!(gate.process_probe(probes[1].id, live(Matched::Card(true)), &times(100)), None);
    // The other face comes nearer. One agreeing frame each is no agreement.
    let probes = gate.process_frame(&[face(90.0, 85.0), before], &found(200)).probes;
    assert_eq!(gate.process_probe(probes[0].id, live(Matched::Card(true)), &times(200)), None);
    assert_eq!(
        gate.process_probe(probes[1].id, live(Matched::Card(true)), &times(200)),
        None,
        "no longer compared with the card"
    );
    assert!(gate.process_probe(probes[0].id, live(Matched::Card(true)), &times(300)).is_some());
}

#[test]
fn a_face_compared_with_a_card_skips_the_gallery() {
    let mut gate = Gate::new(policy());
    let early = gate.process_frame(&[face(300.0, 60.0)], &found(0)).probes[0].id;
    show_code(&mut gate, "card", 100, card);
    for ms in [150, 200, 250] {
        assert_eq!(
            gate.process_probe(early, live(Matched::Person(ANN)), &times(ms)),
            None,
            "the probe is from before the card"
        );
    }
}

#[test]
fn face_and_card_of_one_person_are_one_entry() {
    let mut gate = Gate::new(policy());
    assert_eq!(decisions(&walk_up(&mut gate, 0..300, Matched::Person(ANN))), [ADMITTED_BY_FACE]);
    show_code(&mut gate, "card", 300, card);
    assert_eq!(walk_up(&mut gate, 300..8000, Matched::Person(ANN)), []);
    assert!(gate.card.is_none());
}
