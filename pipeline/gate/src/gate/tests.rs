use std::collections::HashSet;

use gatehouse_core::event::EntryLatency;
use gatehouse_core::time::{ClockSource, FrameTimes, StreamTime};
use gatehouse_picture::{Point, Rect};
use proptest::prelude::*;

use super::*;
use crate::gallery::{Enrolled, Gallery, MatchRule};
use crate::pass::PassKey;
use crate::policy::LivenessPolicy;
use crate::testing::{at, cues, policy, template};

const ANN: PersonKey = PersonKey(7);
const PASS: PassKey = PassKey(70);

fn face(x: f32, eye_distance: f32) -> Face {
    let p = |dx: f32, dy: f32| Point { x: x + dx, y: 100.0 + dy };
    Face {
        box_in_frame: Rect { x, y: 60.0, width: eye_distance * 2.5, height: eye_distance * 3.0 },
        score: 0.9,
        landmarks_in_frame: [p(0.0, 0.0), p(eye_distance, 0.0), p(20.0, 30.0), p(5.0, 60.0), p(35.0, 60.0)],
    }
}

/// A frame that arrives at `ms`, 30 ms after its capture; its faces are found, embedded and matched after 9, 40 and 41 ms.
fn times(ms: u64) -> StageTimes {
    let wall = WallTime::from_unix_nanos(1_790_000_000_000_000_000) + Duration::from_millis(ms);
    let capture = CaptureTime { at: wall - Duration::from_millis(30), source: ClockSource::Rtcp, error_ms: 100 };
    let frame = FrameTimes { stream: StreamTime(Duration::from_millis(ms)), arrival: at(ms), capture };
    StageTimes { frame, arrived: wall, detected: at(ms + 9), embedded: at(ms + 40), matched: at(ms + 41) }
}

fn found(ms: u64) -> StageTimes {
    StageTimes::found(times(ms).frame, times(ms).arrived, at(ms + 9))
}

fn live(matched: Matched) -> Observation {
    Observation::Face { matched, live: cues(Some(0.9)) }
}

/// Shows faces at these times, `observe` says what is found out about each; returns the outcomes.
fn show(
    gate: &mut Gate,
    at_ms: impl Iterator<Item = u64>,
    faces: &[Face],
    observe: impl Fn(&Gate, &Probe) -> Observation,
) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for ms in at_ms {
        let seen = gate.see(faces, &found(ms));
        outcomes.extend(seen.outcomes);
        for probe in seen.probes {
            let observation = observe(gate, &probe);
            outcomes.extend(gate.judge(probe.id, observation, &times(ms)));
        }
    }
    outcomes
}

fn walk_up(gate: &mut Gate, at_ms: std::ops::Range<u64>, matched: Matched) -> Vec<Outcome> {
    show(gate, at_ms.step_by(100), &[face(300.0, 60.0)], |_, _| live(matched))
}

fn told(outcomes: &[Outcome]) -> Vec<(Decision, Reason, Method)> {
    outcomes.iter().map(|o| (o.entry.decision, o.entry.reason, o.entry.method)).collect()
}

const ADMITTED_BY_FACE: (Decision, Reason, Method) = (Decision::Admit, Reason::Matched, Method::Face);
const NO_MATCH: (Decision, Reason, Method) = (Decision::Refer, Reason::NoMatch, Method::Face);

#[test]
fn the_coarse_pass_is_enough_while_nobody_is_near() {
    const FRAME: Size = Size { width: 1280, height: 720 };
    let mut gate = Gate::new(policy());
    let mut after = |ms, faces: &[Face]| {
        gate.see(faces, &found(ms));
        gate.coarse_side_px(FRAME)
    };
    assert_eq!(after(0, &[]), Some(320));
    assert_eq!(after(100, &[face(300.0, 39.0)]), Some(320), "far away");
    assert_eq!(after(200, &[face(300.0, 41.0), face(900.0, 20.0)]), None);
    assert_eq!(after(300, &[]), None, "a face that isn't found in one frame is still there");
    assert_eq!(after(400, &[face(300.0, 39.0)]), Some(320), "it steps back");
    assert_eq!(after(500, &[face(300.0, 41.0)]), None);
    assert_eq!(after(3000, &[]), Some(320), "it has gone");
    let faces = |eyes| [face(300.0, eyes)];
    assert!(gate.may_be_near(&faces(20.0)) && !gate.may_be_near(&faces(19.0)) && !gate.may_be_near(&[]));
}

#[test]
fn whoever_withdraws_or_whose_consent_ends_in_mid_approach_is_not_admitted() {
    let rule = MatchRule { threshold: 0.5, margin: 0.05 };
    let now = times(0).wall();
    let until = |ms: u64| [(Enrolled { person: ANN, consent_until: now + Duration::from_millis(ms) }, template(0.0))];
    let gallery = |ms: u64| Gallery::new(until(ms), rule);
    let withdrawn = gallery(60_000).with_changes(&HashSet::from([ANN]), []);
    // One frame short of an admission, then the version without them; or a consent that ends in between.
    for (before, after) in [(gallery(60_000), withdrawn), (gallery(50), gallery(50))] {
        let mut gate = Gate::new(policy());
        let mut frames = 0;
        let mut outcomes = Vec::new();
        for ms in (0..3000).step_by(100) {
            let seen = gate.see(&[face(300.0, 60.0)], &found(ms));
            outcomes.extend(seen.outcomes);
            for probe in seen.probes {
                let version = if frames == 0 { &before } else { &after };
                frames += 1;
                let matched = version.identify(&template(1.0), times(ms).wall());
                assert_eq!(matched == Matched::Person(ANN), frames == 1, "frame {frames}");
                outcomes.extend(gate.judge(probe.id, live(matched), &times(ms)));
            }
        }
        assert_eq!(outcomes.len(), 1);
        assert_eq!(outcomes[0].entry.decision, Decision::Refer);
    }
    let mut gate = Gate::new(policy());
    let stays = gallery(60_000);
    let matched = |_: &Gate, _: &Probe| live(stays.identify(&template(1.0), now));
    let outcomes = show(&mut gate, (0..300).step_by(100), &[face(300.0, 60.0)], matched);
    assert_eq!(told(&outcomes), [ADMITTED_BY_FACE], "who doesn't is");
}

#[test]
fn an_enrolled_person_is_admitted_once_and_again_only_after_the_cool_down() {
    let mut gate = Gate::new(policy());
    let first = walk_up(&mut gate, 0..2000, Matched::Person(ANN));
    assert_eq!(told(&first), [ADMITTED_BY_FACE]);
    assert_eq!(first[0].admitted, Some(Admitted { person: Some(ANN), pass: None }));
    assert_eq!(first[0].entry.expires_at, Some(first[0].entry.capture_time.at + policy().grant));
    let latency = EntryLatency { acquire: 100.0, capture_to_arrival: 30.0, detect: 9.0, embed: 31.0, decide: 1.0 };
    assert_eq!(first[0].entry.latency_ms, latency);

    let soon = walk_up(&mut gate, 5000..7000, Matched::Person(ANN));
    assert_eq!(soon, [], "a new track of somebody admitted a moment ago says nothing");
    let waiting = walk_up(&mut gate, 9500..11_000, Matched::Person(ANN));
    assert_eq!(told(&waiting), [ADMITTED_BY_FACE], "and is admitted when the cool-down is over");
}

#[test]
fn a_stranger_is_referred_without_a_grant_and_leaves_no_name() {
    let mut gate = Gate::new(policy());
    let outcomes = walk_up(&mut gate, 0..20_000, Matched::Nobody);
    assert_eq!(told(&outcomes), [NO_MATCH]);
    assert_eq!((outcomes[0].entry.expires_at, outcomes[0].admitted), (None, None));
}

#[test]
fn who_is_far_away_is_not_looked_at() {
    let mut gate = Gate::new(policy());
    assert_eq!(gate.see(&[face(0.0, 39.0)], &found(0)), Seen::default());
    assert_eq!(gate.see(&[face(0.0, 39.0), face(400.0, 41.0)], &found(100)).probes.len(), 1);
}

#[test]
fn two_at_once_keep_their_own_states() {
    let mut gate = Gate::new(policy());
    let faces = [face(100.0, 60.0), face(500.0, 60.0)];
    let outcomes = show(&mut gate, (0..3000).step_by(100), &faces, |_, probe| {
        let left = probe.face.box_in_frame.x < 300.0;
        live(if left { Matched::Nobody } else { Matched::Person(ANN) })
    });
    assert_eq!(told(&outcomes), [ADMITTED_BY_FACE, NO_MATCH]);
}

#[test]
fn the_next_in_the_queue_steps_into_the_same_place() {
    let mut gate = Gate::new(policy());
    assert_eq!(told(&walk_up(&mut gate, 0..1000, Matched::Person(ANN))), [ADMITTED_BY_FACE]);
    let next = walk_up(&mut gate, 1500..2500, Matched::Person(PersonKey(8)));
    assert_eq!(told(&next), [ADMITTED_BY_FACE]);
    // While a stranger who looks down for a second is still the same stranger.
    assert_eq!(told(&walk_up(&mut gate, 10_000..12_000, Matched::Nobody)), [NO_MATCH]);
    assert_eq!(walk_up(&mut gate, 13_000..18_000, Matched::Nobody), []);
}

#[test]
fn who_takes_over_the_track_of_somebody_admitted_is_seen() {
    let mut gate = Gate::new(policy());
    assert_eq!(told(&walk_up(&mut gate, 0..500, Matched::Person(ANN))), [ADMITTED_BY_FACE]);
    // They cross, and the tracker takes each for the other: Bob goes on in Ann's track, and she in another.
    let both = [face(300.0, 60.0), face(600.0, 60.0)];
    let outcomes = show(&mut gate, (500..2000).step_by(100), &both, |_, probe| {
        let left = probe.face.box_in_frame.x < 400.0;
        live(Matched::Person(if left { PersonKey(8) } else { ANN }))
    });
    assert_eq!(told(&outcomes), [ADMITTED_BY_FACE]);
    assert_eq!(outcomes[0].admitted.and_then(|a| a.person), Some(PersonKey(8)));
}

#[test]
fn answers_about_a_face_that_may_have_changed_or_is_forgotten_are_dropped() {
    let mut gate = Gate::new(policy());
    let before = gate.see(&[face(300.0, 60.0)], &found(0)).probes[0].id;
    assert_eq!(gate.judge(before, live(Matched::Person(ANN)), &times(0)), None);
    let after = gate.see(&[face(365.0, 60.0)], &found(100)).probes[0].id;
    assert!(after.track == before.track && after.stretch != before.stretch, "the box jumped");
    assert_eq!(gate.judge(before, live(Matched::Person(ANN)), &times(50)), None, "it was in the embedder meanwhile");
    assert_eq!(gate.judge(after, live(Matched::Person(ANN)), &times(100)), None, "the first of its stretch");
    let gone = gate.see(&[face(300.0, 60.0)], &found(200)).probes[0].id;
    gate.see(&[], &found(3000));
    assert_eq!(gate.judge(gone, live(Matched::Person(ANN)), &times(3000)), None);
}

#[test]
fn a_stale_frame_is_no_evidence() {
    let mut gate = Gate::new(Policy { max_frame_age: Duration::from_millis(500), ..policy() });
    let late = |ms: u64, by: u64| StageTimes { matched: at(ms + by), ..times(ms) };
    let mut judge = |ms: u64, by: u64| {
        let id = gate.see(&[face(300.0, 60.0)], &found(ms)).probes[0].id;
        gate.judge(id, live(Matched::Person(ANN)), &late(ms, by))
    };
    // 30 ms of each age passed before the frame arrived.
    assert!((0..10).all(|i| judge(i * 100, 471).is_none()));
    assert_eq!(judge(1000, 470), None);
    assert!(judge(1100, 470).is_some());
    assert_eq!(gate.stale_frames(), 10);
}

#[test]
fn a_grant_that_would_have_ended_is_not_given_and_a_camera_ahead_of_time_makes_none_longer() {
    let short = Policy { grant: Duration::from_millis(60), ..policy() };
    assert_eq!(walk_up(&mut Gate::new(short), 0..1000, Matched::Person(ANN)), [], "71 ms are over at the decision");
    let mut ahead = times(0);
    ahead.frame.capture.at = ahead.arrived + Duration::from_secs(8);
    assert_eq!(ahead.grant_ends(&policy()), ahead.arrived + policy().grant);
    let mut behind = times(0);
    behind.frame.capture.at = behind.arrived - Duration::from_secs(8);
    assert!(!behind.is_fresh(&policy()));
}

/// Holds up a code at `ms`, as the service does.
fn hold_up(gate: &mut Gate, text: &str, ms: u64, seen: impl FnOnce() -> PassSeen) -> Option<Outcome> {
    if gate.notice_code(text.as_bytes(), &found(ms)) { gate.show_pass(seen(), &times(ms)) } else { None }
}

fn accepted(person: Option<PersonKey>) -> PassSeen {
    PassSeen::Accepted { person, id: PASS }
}

#[test]
fn a_pass_admits_at_once_and_the_face_of_its_owner_is_not_referred() {
    let mut gate = Gate::new(policy());
    assert_eq!(walk_up(&mut gate, 0..500, Matched::Nobody), []);
    let by_pass = hold_up(&mut gate, "pass", 500, || accepted(Some(ANN))).expect("admitted");
    assert_eq!(told(&[by_pass]), [(Decision::Admit, Reason::PassAccepted, Method::Qr)]);
    assert_eq!(by_pass.admitted, Some(Admitted { person: Some(ANN), pass: Some(PASS) }));
    assert!(by_pass.entry.expires_at.is_some());
    assert_eq!(walk_up(&mut gate, 600..9000, Matched::Nobody), []);
}

#[test]
fn a_pass_excuses_one_face_only() {
    let mut gate = Gate::new(policy());
    let both = [face(100.0, 60.0), face(500.0, 80.0)];
    let strangers = |_: &Gate, _: &Probe| live(Matched::Nobody);
    show(&mut gate, (0..300).step_by(100), &both, strangers);
    hold_up(&mut gate, "pass", 300, || accepted(None)).expect("admitted");
    let outcomes = show(&mut gate, (400..4000).step_by(100), &both, strangers);
    assert_eq!(told(&outcomes), [NO_MATCH], "the one who is further away");
}

#[test]
fn a_face_that_comes_up_from_behind_the_phone_is_excused() {
    let mut gate = Gate::new(policy());
    hold_up(&mut gate, "pass", 0, || accepted(None)).expect("admitted");
    assert_eq!(walk_up(&mut gate, 1000..5000, Matched::Nobody), []);
    let mut gate = Gate::new(policy());
    hold_up(&mut gate, "pass", 0, || accepted(None)).expect("admitted");
    assert_eq!(told(&walk_up(&mut gate, 4000..8000, Matched::Nobody)), [NO_MATCH], "that is somebody else");
}

#[test]
fn face_and_pass_of_one_person_are_one_entry() {
    let mut gate = Gate::new(policy());
    assert_eq!(told(&walk_up(&mut gate, 0..500, Matched::Person(ANN))), [ADMITTED_BY_FACE]);
    assert_eq!(hold_up(&mut gate, "pass", 600, || accepted(Some(ANN))), None);
    let mut gate = Gate::new(policy());
    hold_up(&mut gate, "pass", 0, || accepted(Some(ANN))).expect("admitted");
    assert_eq!(walk_up(&mut gate, 100..4000, Matched::Person(ANN)), []);
    // The phone handed back to a friend.
    let handed_back = hold_up(&mut gate, "another pass", 7000, || accepted(Some(ANN))).expect("told");
    assert_eq!(told(&[handed_back]), [(Decision::Refer, Reason::PassUsed, Method::Qr)]);
}

#[test]
fn a_refused_code_that_is_held_up_is_told_once_and_its_owner_not_referred_again() {
    let mut gate = Gate::new(policy());
    let mut outcomes = Vec::new();
    for ms in (0..8000).step_by(100) {
        outcomes.extend(show(&mut gate, std::iter::once(ms), &[face(300.0, 60.0)], |_, _| live(Matched::Nobody)));
        outcomes.extend(hold_up(&mut gate, "old", ms, || PassSeen::Refused(Reason::PassExpired)));
    }
    assert_eq!(told(&outcomes), [(Decision::Refer, Reason::PassExpired, Method::Qr)]);
}

#[test]
fn a_stale_code_is_neither_checked_nor_admitted() {
    let mut gate = Gate::new(policy());
    let old = StageTimes { matched: at(3000), ..times(0) };
    assert!(!gate.notice_code(b"pass", &old));
    assert_eq!(gate.show_pass(accepted(None), &old), None);
    assert!(gate.notice_code(b"pass", &times(3000)), "the code itself is not to blame");
}

#[test]
fn a_pass_of_the_same_person_settles_a_doubt_about_their_face() {
    let doubtful = |_: &Gate, _: &Probe| Observation::Face { matched: Matched::Person(ANN), live: cues(Some(0.2)) };
    let second_factor = Policy { liveness: LivenessPolicy::SecondFactor, ..policy() };
    let mut gate = Gate::new(second_factor);
    assert_eq!(show(&mut gate, (0..3000).step_by(100), &[face(300.0, 60.0)], doubtful), []);
    let both = hold_up(&mut gate, "pass", 3000, || accepted(Some(ANN))).expect("admitted");
    assert_eq!(told(&[both]), [(Decision::Admit, Reason::PassAccepted, Method::QrAndFace)]);
    assert_eq!(show(&mut gate, (3100..9000).step_by(100), &[face(300.0, 60.0)], doubtful), []);

    let mut gate = Gate::new(second_factor);
    let outcomes = show(&mut gate, (0..9000).step_by(100), &[face(300.0, 60.0)], doubtful);
    assert_eq!(told(&outcomes), [(Decision::Refer, Reason::PassNeeded, Method::Face)]);
    let mut gate = Gate::new(second_factor);
    show(&mut gate, (0..3000).step_by(100), &[face(300.0, 60.0)], doubtful);
    let other = hold_up(&mut gate, "pass", 3000, || accepted(Some(PersonKey(8)))).expect("admitted");
    assert_eq!(other.entry.method, Method::Qr, "somebody else's pass says nothing of this face");
}

fn card() -> PassSeen {
    PassSeen::Card { id: PASS, template: Box::new(template(0.0)) }
}

/// What the service does with a probe whose face is at this angle from the card's: 1:1 where a card is shown, else a stranger.
fn with_card(degrees: f32, live: Option<f32>) -> impl Fn(&Gate, &Probe) -> Observation {
    move |gate, probe| {
        let compared = gate.compare_with_card(probe.id, &template(degrees));
        Observation::Face { matched: compared.map_or(Matched::Nobody, Matched::Card), live: cues(live) }
    }
}

/// A card is shown at 0.5 s by a face at this angle.
fn by_card(policy: Policy, degrees: f32, live: Option<f32>) -> (Vec<Outcome>, u64) {
    let mut gate = Gate::new(policy);
    let frame = [face(300.0, 60.0)];
    assert_eq!(show(&mut gate, (0..500).step_by(100), &frame, with_card(degrees, live)), []);
    assert_eq!(hold_up(&mut gate, "card", 500, card), None);
    assert!(gate.verifies_card());
    for ms in (600..20_000).step_by(100) {
        let outcomes = show(&mut gate, std::iter::once(ms), &frame, with_card(degrees, live));
        if !outcomes.is_empty() {
            assert!(!gate.verifies_card(), "the card's template is gone");
            let after = show(&mut gate, (ms + 100..ms + 9000).step_by(100), &frame, with_card(degrees, live));
            assert_eq!(after, [], "nothing more is said of its owner");
            return (outcomes, ms);
        }
    }
    panic!("a card always comes to an end");
}

#[test]
fn a_card_admits_the_face_that_it_carries() {
    let (outcomes, ms) = by_card(policy(), 20.0, Some(0.9));
    assert_eq!(told(&outcomes), [(Decision::Admit, Reason::Matched, Method::QrAndFace)]);
    assert_eq!(outcomes[0].admitted, Some(Admitted { person: None, pass: Some(PASS) }));
    assert_eq!(ms, 700, "the second frame after it was shown");
}

#[test]
fn whoever_isnt_the_cards_owner_and_leaves_before_the_deadline_is_told_so() {
    let mut gate = Gate::new(policy());
    let frame = [face(300.0, 60.0)];
    assert_eq!(hold_up(&mut gate, "card", 0, card), None);
    assert_eq!(show(&mut gate, (100..1500).step_by(100), &frame, with_card(70.0, Some(0.9))), []);
    let outcomes = show(&mut gate, (1500..9000).step_by(100), &[], with_card(70.0, None));
    assert_eq!(told(&outcomes), [(Decision::Refer, Reason::CardMismatch, Method::QrAndFace)]);
}

#[test]
fn a_card_of_somebody_else_a_picture_and_a_doubt_are_referred_at_the_deadline() {
    let reason = |policy: Policy, degrees: f32, live: Option<f32>| {
        let (outcomes, ms) = by_card(policy, degrees, live);
        assert_eq!((outcomes.len(), outcomes[0].entry.method), (1, Method::QrAndFace));
        assert!((5500..5700).contains(&ms), "{ms}");
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
fn a_card_without_a_face_is_referred_and_no_other_code_is_taken_meanwhile() {
    let mut gate = Gate::new(policy());
    hold_up(&mut gate, "card", 0, card);
    assert_eq!(hold_up(&mut gate, "pass", 100, || accepted(None)), None);
    let outcomes = show(&mut gate, (200..6000).step_by(100), &[], with_card(0.0, None));
    assert_eq!(told(&outcomes), [(Decision::Refer, Reason::FaceUnusable, Method::QrAndFace)]);
    assert!(hold_up(&mut gate, "pass", 6000, || accepted(None)).is_some());
}

#[test]
fn a_card_is_compared_with_the_nearest_face_and_anew_when_that_is_another() {
    let mut gate = Gate::new(policy());
    hold_up(&mut gate, "card", 0, card);
    let (behind, before) = (face(100.0, 60.0), face(500.0, 80.0));
    let probes = gate.see(&[behind, before], &found(100)).probes;
    let compared: Vec<bool> = probes.iter().map(|p| gate.compare_with_card(p.id, &template(0.0)).is_some()).collect();
    assert_eq!(compared, [false, true]);
    assert_eq!(gate.judge(probes[1].id, live(Matched::Card(true)), &times(100)), None);
    // Now the other one comes nearer. One agreeing frame each is no agreement.
    let probes = gate.see(&[face(90.0, 85.0), before], &found(200)).probes;
    assert_eq!(gate.judge(probes[0].id, live(Matched::Card(true)), &times(200)), None);
    assert_eq!(gate.judge(probes[1].id, live(Matched::Card(true)), &times(200)), None, "no longer the card's");
    assert!(gate.judge(probes[0].id, live(Matched::Card(true)), &times(300)).is_some());
}

#[test]
fn a_face_compared_with_a_card_is_not_matched_with_the_gallery() {
    let mut gate = Gate::new(policy());
    let early = gate.see(&[face(300.0, 60.0)], &found(0)).probes[0].id;
    hold_up(&mut gate, "card", 100, card);
    for ms in [150, 200, 250] {
        assert_eq!(gate.judge(early, live(Matched::Person(ANN)), &times(ms)), None, "asked before the card was shown");
    }
}

#[test]
fn who_was_just_admitted_by_face_and_shows_their_card_too_is_one_entry() {
    let mut gate = Gate::new(policy());
    assert_eq!(told(&walk_up(&mut gate, 0..300, Matched::Person(ANN))), [ADMITTED_BY_FACE]);
    hold_up(&mut gate, "card", 300, card);
    assert_eq!(walk_up(&mut gate, 300..8000, Matched::Person(ANN)), []);
    assert!(!gate.verifies_card());
}

#[test]
fn nothing_of_anyone_shows_in_debug_text() {
    let mut gate = Gate::new(policy());
    walk_up(&mut gate, 0..500, Matched::Person(PersonKey(987_654_321)));
    hold_up(&mut gate, "card", 600, || PassSeen::Card { id: PassKey(123_456_789), template: Box::new(template(10.0)) });
    let text = format!("{gate:?}");
    assert!(!text.contains("987654321") && !text.contains("123456789") && !text.contains("0.98"), "{text}");
}

#[test]
fn a_pass_costs_no_use_where_it_would_admit_nobody() {
    let mut gate = Gate::new(policy());
    assert!(gate.would_admit(Some(ANN), PASS, &found(0)));
    let outcomes = walk_up(&mut gate, 0..1000, Matched::Person(ANN));
    assert_eq!(told(&outcomes), [ADMITTED_BY_FACE]);
    assert!(!gate.would_admit(Some(ANN), PASS, &found(1000)), "she has just been let in by her face");
    assert_eq!(gate.show_pass(accepted(Some(ANN)), &found(1000)), None);
    assert!(gate.would_admit(None, PassKey(71), &found(1000)), "somebody else's pass is another matter");
    let late = StageTimes { matched: at(30_000), ..found(20_000) };
    assert!(!gate.would_admit(Some(ANN), PASS, &late), "the frame is too old");
    assert!(gate.would_admit(Some(ANN), PASS, &found(20_000)));
}

/// What is done at a gate, and what is enrolled while it is done.
#[derive(Debug, Clone)]
enum Step {
    /// A frame with a face at so many degrees, judged live by so much, after a pause in ms.
    Frame { degrees: f32, live: f32, after: u64 },
    /// Somebody withdraws.
    Withdraw(u128),
    /// A good pass of somebody is held up.
    Pass(u128),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (-40f32..130.0, 0f32..1.0, 40u64..400).prop_map(|(degrees, live, after)| Step::Frame { degrees, live, after }),
        1 => (0u128..3).prop_map(Step::Withdraw),
        1 => (0u128..3).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Nobody is let in by their face whose consent doesn't hold, who has withdrawn, whom fewer frames than must agree name by
    /// the threshold and the margin, or who isn't judged live; and every grant ends when the policy says.
    #[test]
    fn nobody_is_admitted_by_face_without_consent_score_and_life(
        steps in proptest::collection::vec(step(), 1..60),
        consents in proptest::collection::vec(0u64..12_000, 3),
    ) {
        let rule = MatchRule { threshold: 0.7, margin: 0.1 };
        let start = times(0).wall();
        // Three people, 60 degrees apart, with consents of their own.
        let person = |n: usize| Enrolled {
            person: PersonKey(n as u128),
            consent_until: start + Duration::from_millis(consents[n]),
        };
        let mut gallery = Gallery::new((0..3).map(|n| (person(n), template(60.0 * n as f32))), rule);
        let mut enrolled = [true; 3];
        let (mut gate, mut ms) = (Gate::new(policy()), 0);
        // Each frame's person by the rule that this test works out for itself, if they were live enough not to be an attack.
        let mut named: Vec<(u64, Option<usize>, f32)> = Vec::new();
        for step in steps {
            let mut outcomes = Vec::new();
            match step {
                Step::Withdraw(who) => {
                    enrolled[who as usize] = false;
                    gallery = gallery.with_changes(&HashSet::from([PersonKey(who)]), []);
                }
                Step::Pass(who) => {
                    let seen = PassSeen::Accepted { person: Some(PersonKey(who)), id: PassKey(100 + who) };
                    outcomes.extend(gate.show_pass(seen, &found(ms)));
                    for outcome in &outcomes {
                        prop_assert!(outcome.entry.method != Method::Face);
                    }
                }
                Step::Frame { degrees, live, after } => {
                    ms += after;
                    let seen = gate.see(&[face(300.0, 60.0)], &found(ms));
                    outcomes.extend(seen.outcomes);
                    let now = times(ms).wall();
                    let score = |n: usize| (degrees - 60.0 * n as f32).to_radians().cos();
                    let mut scores: Vec<(f32, usize)> =
                        (0..3).filter(|n| enrolled[*n] && person(*n).consent_until > now).map(|n| (score(n), n)).collect();
                    scores.sort_by(|a, b| b.0.total_cmp(&a.0));
                    let clear = |runner_up: Option<&(f32, usize)>, best: f32| runner_up.is_none_or(|r| best - r.0 >= 0.0999);
                    let who = scores.first().filter(|(best, _)| *best >= 0.6999 && clear(scores.get(1), *best)).map(|s| s.1);
                    named.push((ms, who, live));
                    for probe in seen.probes {
                        let matched = gallery.identify(&template(degrees), now);
                        outcomes.extend(gate.judge(probe.id, Observation::Face { matched, live: cues(Some(live)) }, &times(ms)));
                    }
                }
            }
            for outcome in outcomes {
                let entry = &outcome.entry;
                prop_assert_eq!(entry.expires_at.is_some(), entry.decision == Decision::Admit);
                if let Some(expires_at) = entry.expires_at {
                    prop_assert_eq!(expires_at, entry.capture_time.at + policy().grant);
                }
                if (entry.decision, entry.method) != (Decision::Admit, Method::Face) {
                    continue;
                }
                let who = outcome.admitted.and_then(|admitted| admitted.person).map(|person| person.0 as usize);
                // The frame that settled it may be an older one whose turn came: no more than the window's frames count.
                let recent = named.iter().rev().take(policy().window() + 1);
                let theirs: Vec<f32> = recent.filter(|(_, named, _)| *named == who).map(|(_, _, live)| *live).collect();
                prop_assert!(who.is_some_and(|who| enrolled[who]), "{who:?} has withdrawn");
                prop_assert!(theirs.len() >= policy().needed_frames(), "{who:?} in {named:?}");
                let best = theirs.iter().fold(0f32, |best, live| best.max(*live));
                prop_assert!(best >= policy().live_threshold, "nobody was live: {theirs:?}");
            }
        }
    }
}

#[test]
fn a_frame_takes_no_memory_but_for_the_list_of_faces_to_look_at() {
    let mut gate = Gate::new(policy());
    let mut taken = |faces: &[Face], ms: u64| {
        let nobody = |_: &Gate, _: &Probe| live(Matched::Nobody);
        show(&mut gate, (ms..ms + 1000).step_by(100), faces, nobody);
        allocation_counter::measure(|| drop(gate.see(faces, &found(ms + 1000)))).count_total
    };
    let (far, near) = ([face(0.0, 20.0), face(400.0, 20.0)], [face(0.0, 80.0), face(400.0, 80.0)]);
    assert_eq!(taken(&[], 0), 0);
    assert_eq!(taken(&far, 2_000), 0);
    assert_eq!(taken(&near, 5_000), 1, "they are being decided about");
    assert_eq!(taken(&near, 6_100), 0, "they have been referred");
}
