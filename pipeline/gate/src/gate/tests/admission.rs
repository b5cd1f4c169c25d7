//! Decisions by face.

use std::collections::HashSet;

use gatehouse_core::event::EntryLatency;
use gatehouse_picture::Size;

use super::*;
use crate::coarse_pass::{coarse_side_px, may_be_near};
use crate::gallery::{Enrolled, Gallery, MatchRule};
use crate::testing::template;

#[test]
fn the_coarse_pass_is_enough_while_nobody_is_near() {
    const FRAME: Size = Size { width: 1280, height: 720 };
    let near = policy().min_eye_distance_px;
    let mut gate = Gate::new(policy());
    let mut after = |ms, faces: &[Face]| {
        gate.process_frame(faces, &found(ms));
        if gate.is_somebody_near() { None } else { coarse_side_px(FRAME, near) }
    };
    assert_eq!(after(0, &[]), Some(320));
    assert_eq!(after(100, &[face(300.0, 39.0)]), Some(320), "far away");
    assert_eq!(after(200, &[face(300.0, 41.0), face(900.0, 20.0)]), None);
    assert_eq!(after(300, &[]), None, "a face that isn't found in one frame is still there");
    assert_eq!(after(400, &[face(300.0, 39.0)]), Some(320), "it steps back");
    assert_eq!(after(500, &[face(300.0, 41.0)]), None);
    assert_eq!(after(3000, &[]), Some(320), "it has gone");
    let faces = |eyes| [face(300.0, eyes)];
    assert!(may_be_near(&faces(20.0), near) && !may_be_near(&faces(19.0), near) && !may_be_near(&[], near));
}

#[test]
fn withdrawn_or_ended_consent_stops_an_admission_in_progress() {
    let rule = MatchRule { threshold: 0.5, margin: 0.05 };
    let now = times(0).wall();
    let until = |ms: u64| [(Enrolled { person: ANN, consent_until: now + Duration::from_millis(ms) }, template(0.0))];
    let gallery = |ms: u64| Gallery::new(until(ms), rule);
    let withdrawn = gallery(60_000).with_changes(&HashSet::from([ANN]), []);
    // One frame short of an admission, then the version without them; or a consent that ends in
    // between.
    for (before, after) in [(gallery(60_000), withdrawn), (gallery(50), gallery(50))] {
        let mut gate = Gate::new(policy());
        let mut frames = 0;
        let mut outcomes = Vec::new();
        for ms in (0..3000).step_by(100) {
            let result = gate.process_frame(&[face(300.0, 60.0)], &found(ms));
            outcomes.extend(result.outcomes);
            for probe in result.probes {
                let version = if frames == 0 { &before } else { &after };
                frames += 1;
                let matched = version.identify(&template(1.0), times(ms).wall());
                assert_eq!(matched == Matched::Person(ANN), frames == 1, "frame {frames}");
                outcomes.extend(gate.process_probe(probe.id, live(matched), &times(ms)));
            }
        }
        assert_eq!(outcomes.len(), 1);
        assert_eq!(outcomes[0].entry.decision, Decision::Refer);
    }
    let mut gate = Gate::new(policy());
    let stays = gallery(60_000);
    let matched = |_: &Gate, _: &Probe| live(stays.identify(&template(1.0), now));
    let outcomes = show(&mut gate, (0..300).step_by(100), &[face(300.0, 60.0)], matched);
    assert_eq!(decisions(&outcomes), [ADMITTED_BY_FACE], "without a withdrawal the person is admitted");
}

#[test]
fn a_person_is_admitted_once_within_the_cool_down() {
    let mut gate = Gate::new(policy());
    let first = walk_up(&mut gate, 0..2000, Matched::Person(ANN));
    assert_eq!(decisions(&first), [ADMITTED_BY_FACE]);
    assert_eq!(first[0].admitted, Some(Admitted { person: Some(ANN), pass: None }));
    let grant = first[0].entry.grant.expect("an admission has one");
    assert_eq!(grant.until, grant.from + policy().grant);
    let latency = EntryLatency { acquire: 100.0, capture_to_arrival: 30.0, detect: 9.0, embed: 31.0, decide: 1.0 };
    assert_eq!(first[0].entry.latency_ms, latency);

    let soon = walk_up(&mut gate, 5000..7000, Matched::Person(ANN));
    assert_eq!(soon, [], "a new track of an admitted person makes no entry");
    let waiting = walk_up(&mut gate, 9500..11_000, Matched::Person(ANN));
    assert_eq!(decisions(&waiting), [ADMITTED_BY_FACE], "they are admitted again after the cool-down");
}

#[test]
fn a_stranger_is_referred_without_grant_and_name() {
    let mut gate = Gate::new(policy());
    let outcomes = walk_up(&mut gate, 0..20_000, Matched::Nobody);
    assert_eq!(decisions(&outcomes), [NO_MATCH]);
    assert_eq!((outcomes[0].entry.grant, outcomes[0].admitted), (None, None));
}

#[test]
fn a_distant_face_is_not_analysed() {
    let mut gate = Gate::new(policy());
    assert_eq!(gate.process_frame(&[face(0.0, 39.0)], &found(0)), FrameResult::default());
    assert_eq!(gate.process_frame(&[face(0.0, 39.0), face(400.0, 41.0)], &found(100)).probes.len(), 1);
}
