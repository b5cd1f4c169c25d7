//! Several tracks, and what a gate keeps of them.

use super::*;
use crate::testing::template;

#[test]
fn two_people_at_once_keep_their_own_states() {
    let mut gate = Gate::new(policy());
    let faces = [face(100.0, 60.0), face(500.0, 60.0)];
    let outcomes = show(&mut gate, (0..3000).step_by(100), &faces, |_, probe| {
        let left = probe.face.box_in_frame.x < 300.0;
        live(if left { Matched::Nobody } else { Matched::Person(ANN) })
    });
    assert_eq!(decisions(&outcomes), [ADMITTED_BY_FACE, NO_MATCH]);
}

#[test]
fn the_next_person_in_the_queue_may_take_over_a_track() {
    let mut gate = Gate::new(policy());
    assert_eq!(decisions(&walk_up(&mut gate, 0..1000, Matched::Person(ANN))), [ADMITTED_BY_FACE]);
    let next = walk_up(&mut gate, 1500..2500, Matched::Person(PersonId::from_u128(8)));
    assert_eq!(decisions(&next), [ADMITTED_BY_FACE]);
    // A stranger who looks down for a second is still the same stranger.
    assert_eq!(decisions(&walk_up(&mut gate, 10_000..12_000, Matched::Nobody)), [NO_MATCH]);
    assert_eq!(walk_up(&mut gate, 13_000..18_000, Matched::Nobody), []);
}

#[test]
fn a_swap_with_an_admitted_track_is_noticed() {
    let mut gate = Gate::new(policy());
    assert_eq!(decisions(&walk_up(&mut gate, 0..500, Matched::Person(ANN))), [ADMITTED_BY_FACE]);
    // They cross and the tracker swaps them: Bob continues Ann's track, and she gets another.
    let both = [face(300.0, 60.0), face(600.0, 60.0)];
    let outcomes = show(&mut gate, (500..2000).step_by(100), &both, |_, probe| {
        let left = probe.face.box_in_frame.x < 400.0;
        live(Matched::Person(if left { PersonId::from_u128(8) } else { ANN }))
    });
    assert_eq!(decisions(&outcomes), [ADMITTED_BY_FACE]);
    assert_eq!(outcomes[0].admitted.and_then(|a| a.person), Some(PersonId::from_u128(8)));
}

#[test]
fn answers_about_an_earlier_face_are_dropped() {
    let mut gate = Gate::new(policy());
    let before = gate.process_frame(&[face(300.0, 60.0)], &found(0)).probes[0].id;
    assert_eq!(gate.process_probe(before, live(Matched::Person(ANN)), &times(0)), None);
    let after = gate.process_frame(&[face(365.0, 60.0)], &found(100)).probes[0].id;
    assert!(after.track == before.track && after.stretch != before.stretch, "the box jumped");
    assert_eq!(
        gate.process_probe(before, live(Matched::Person(ANN)), &times(50)),
        None,
        "it was in the embedder when the box jumped"
    );
    assert_eq!(
        gate.process_probe(after, live(Matched::Person(ANN)), &times(100)),
        None,
        "the first frame of its stretch"
    );
    let gone = gate.process_frame(&[face(300.0, 60.0)], &found(200)).probes[0].id;
    gate.process_frame(&[], &found(3000));
    assert_eq!(gate.process_probe(gone, live(Matched::Person(ANN)), &times(3000)), None);
}

#[test]
fn debug_text_identifies_nobody() {
    let mut gate = Gate::new(policy());
    walk_up(&mut gate, 0..500, Matched::Person(PersonId::from_u128(987_654_321)));
    show_code(&mut gate, "card", 600, || CodeCheck::Card {
        id: PassId::from_u128(123_456_789),
        template: Box::new(template(10.0)),
    });
    let text = format!("{gate:?}");
    assert!(!text.contains("987654321") && !text.contains("123456789") && !text.contains("0.98"), "{text}");
}

#[test]
fn a_frame_allocates_only_the_list_of_probes() {
    let mut gate = Gate::new(policy());
    let mut taken = |faces: &[Face], ms: u64| {
        let nobody = |_: &Gate, _: &Probe| live(Matched::Nobody);
        show(&mut gate, (ms..ms + 1000).step_by(100), faces, nobody);
        allocation_counter::measure(|| drop(gate.process_frame(faces, &found(ms + 1000)))).count_total
    };
    let (far, near) = ([face(0.0, 20.0), face(400.0, 20.0)], [face(0.0, 80.0), face(400.0, 80.0)]);
    assert_eq!(taken(&[], 0), 0);
    assert_eq!(taken(&far, 2_000), 0);
    assert_eq!(taken(&near, 5_000), 1, "they are not decided yet");
    assert_eq!(taken(&near, 6_100), 0, "they were referred");
}
