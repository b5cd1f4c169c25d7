use proptest::prelude::*;

use super::*;
use crate::testing::{at, cues, policy};

const ANN: PersonId = PersonId::from_u128(1);
const BOB: PersonId = PersonId::from_u128(2);

fn face(matched: Matched, live: f32) -> Observation {
    Observation::Face { matched, live: cues(Some(live)) }
}

fn ann(live: f32) -> Observation {
    face(Matched::Person(ANN), live)
}

const UNUSABLE: Observation = Observation::Unusable(Problem::Blurred);

fn stranger() -> Observation {
    face(Matched::Nobody, 0.9)
}

/// Each frame is seen near, and then judged, every 100 ms; the pattern is repeated until there is a verdict, for at most 10 s.
fn run(pattern: &[Observation], policy: &Policy) -> (u64, Option<Verdict>) {
    let mut encounter = Encounter::default();
    for i in 0..100u64 {
        for observation in [Observation::Near, pattern[i as usize % pattern.len()]] {
            if let Some(verdict) = encounter.step(observation, at(i * 100), policy) {
                return (i * 100, Some(verdict));
            }
        }
    }
    (10_000, None)
}

fn refer(reason: Reason) -> Option<Verdict> {
    Some(Verdict::Refer(reason))
}

#[test]
fn agreeing_live_frames_admit_at_once() {
    assert_eq!(run(&[ann(0.9)], &policy()), (100, Some(Verdict::Admit(ANN))));
    let now_and_then = [stranger(), stranger(), ann(0.8), stranger(), ann(0.9)];
    assert_eq!(run(&now_and_then, &policy()), (400, Some(Verdict::Admit(ANN))));
    assert_eq!(run(&[UNUSABLE, UNUSABLE, ann(0.9)], &policy()), (500, Some(Verdict::Admit(ANN))));
}

#[test]
fn a_stranger_is_referred_once_and_not_for_the_first_frames() {
    assert_eq!(run(&[stranger()], &policy()), (1500, refer(Reason::NoMatch)));
    let mut encounter = Encounter::default();
    let verdicts = (0..100).flat_map(|i| {
        [Observation::Near, stranger()].map(|observation| encounter.step(observation, at(i * 100), &policy()))
    });
    assert_eq!(verdicts.flatten().count(), 1, "however long they stay");
}

#[test]
fn frames_that_name_different_people_or_nearly_two_are_unsure() {
    let both = [ann(0.9), face(Matched::Person(BOB), 0.9)];
    assert_eq!(run(&both, &policy()), (6000, refer(Reason::Unsure)), "no window fills: each frame starts anew");
    let between = [ann(0.9), face(Matched::Person(BOB), 0.9), stranger(), stranger(), stranger(), stranger()];
    assert_eq!(run(&between, &policy()).1, refer(Reason::Unsure));
    assert_eq!(run(&[face(Matched::Ambiguous, 0.9)], &policy()), (1500, refer(Reason::Unsure)));
}

#[test]
fn a_picture_that_matches_is_not_live_and_a_live_face_in_turns_does_not_help() {
    assert_eq!(run(&[ann(0.1)], &policy()), (1500, refer(Reason::NotLive)));
    assert_eq!(run(&[ann(0.4)], &policy()), (1500, refer(Reason::NotLive)));
    assert_eq!(run(&[ann(0.1), stranger()], &policy()), (1500, refer(Reason::NotLive)));
    let off = Policy { liveness: LivenessPolicy::Off, ..policy() };
    assert_eq!(run(&[ann(0.1)], &off), (100, Some(Verdict::Admit(ANN))));
}

#[test]
fn without_an_answer_on_liveness_nobody_is_admitted() {
    let unknown = Observation::Face { matched: Matched::Person(ANN), live: cues(None) };
    assert_eq!(run(&[unknown], &policy()), (6000, refer(Reason::LivenessUnknown)));
    let broken = face(Matched::Person(ANN), f32::NAN);
    assert_eq!(run(&[broken], &policy()), (6000, refer(Reason::LivenessUnknown)));
}

#[test]
fn a_doubt_asks_for_the_pass_where_it_is_a_second_factor() {
    let policy = Policy { liveness: LivenessPolicy::SecondFactor, ..policy() };
    assert_eq!(run(&[ann(0.9)], &policy), (100, Some(Verdict::Admit(ANN))));
    assert_eq!(run(&[ann(0.1)], &policy), (6000, refer(Reason::PassNeeded)));
    // Once in doubt, a lucky frame is no way out; nor do looks at the phone make a stranger.
    let mut encounter = Encounter::default();
    let mut verdict = None;
    for i in 0..=60u64 {
        encounter.step(Observation::Near, at(i * 100), &policy);
        let observation = match i {
            0..=16 => ann(0.3),
            17..=40 => stranger(),
            _ => ann(0.95),
        };
        verdict = verdict.or(encounter.step(observation, at(i * 100), &policy));
        assert_eq!(
            encounter.agrees_on(ANN, at(i * 100), &policy),
            (1..=19).contains(&i) || (42..60).contains(&i),
            "{i}"
        );
        assert!(!encounter.agrees_on(BOB, at(i * 100), &policy));
    }
    assert_eq!(verdict, None, "the deadline is told by the near frame");
    assert_eq!(encounter.stage(), Stage::Decided);
}

#[test]
fn another_face_starts_the_agreement_anew() {
    let bob = face(Matched::Person(BOB), 0.9);
    assert_eq!(run(&[ann(0.9), bob, bob], &policy()), (200, Some(Verdict::Admit(BOB))));
    let mut encounter = Encounter::default();
    encounter.step(Observation::Near, at(0), &policy());
    assert_eq!(encounter.step(ann(0.9), at(0), &policy()), None);
    encounter.step(Observation::MaybeAnother, at(100), &policy());
    assert_eq!(encounter.stage(), Stage::Acquire);
    assert_eq!(encounter.step(ann(0.9), at(100), &policy()), None, "one frame since the box jumped");
    assert_eq!(encounter.step(ann(0.9), at(200), &policy()), Some(Verdict::Admit(ANN)));
    // The deadline stays: jumping up and down gains no time.
    let jumping = [Observation::MaybeAnother, ann(0.9)];
    assert_eq!(run(&jumping, &policy()), (6000, refer(Reason::FaceUnusable)));
}

#[test]
fn who_turns_away_is_unusable_at_the_deadline_and_who_leaves_is_nothing() {
    assert_eq!(run(&[UNUSABLE], &policy()), (6000, refer(Reason::FaceUnusable)));
    let mut encounter = Encounter::default();
    encounter.step(Observation::Near, at(0), &policy());
    encounter.step(stranger(), at(0), &policy());
    // Turned away from then on: one usable frame is too little to call them a stranger.
    let verdict = (1..=60).find_map(|i| {
        encounter.step(Observation::Near, at(i * 100), &policy()).or(encounter.step(UNUSABLE, at(i * 100), &policy()))
    });
    assert_eq!(verdict, refer(Reason::FaceUnusable));
    assert_eq!(encounter.problem(), Some(Problem::Blurred));

    let mut leaving = Encounter::default();
    leaving.step(Observation::Near, at(0), &policy());
    leaving.step(stranger(), at(0), &policy());
    for i in 1..100 {
        assert_eq!(leaving.step(Observation::TooFar, at(i * 100), &policy()), None);
        assert_eq!(leaving.stage(), if i < 10 { Stage::Verify } else { Stage::Approach });
    }
}

#[test]
fn a_flicker_of_the_distance_does_not_restart_the_deadline() {
    let mut encounter = Encounter::default();
    let verdict = (0..100u64).find_map(|i| {
        let observation = if i % 2 == 0 { Observation::Near } else { Observation::TooFar };
        encounter.step(observation, at(i * 100), &policy()).map(|verdict| (i, verdict))
    });
    assert_eq!(verdict, Some((60, Verdict::Refer(Reason::FaceUnusable))));
}

#[test]
fn after_the_cool_down_the_same_track_may_be_admitted() {
    let mut encounter = Encounter::default();
    let mut frame = |ms: u64| {
        encounter.step(Observation::Near, at(ms), &policy());
        let verdict = encounter.step(ann(0.9), at(ms), &policy());
        if verdict.is_some() && ms < 1000 {
            encounter.cool_down(at(4000));
        }
        verdict.is_some()
    };
    let admitted: Vec<u64> = (0..60).map(|i| i * 100).filter(|ms| frame(*ms)).collect();
    assert_eq!(admitted, [100, 4100]);
}

fn observation() -> impl Strategy<Value = Observation> {
    let matched = prop_oneof![
        5 => Just(Matched::Person(ANN)),
        1 => Just(Matched::Person(BOB)),
        1 => Just(Matched::Ambiguous),
        2 => Just(Matched::Nobody),
        1 => Just(Matched::Card(true)),
    ];
    let live = prop_oneof![4 => (0f32..=1.0).prop_map(Some), 1 => Just(None), 1 => Just(Some(f32::NAN))];
    prop_oneof![
        12 => (matched, live).prop_map(|(matched, live)| Observation::Face { matched, live: cues(live) }),
        6 => Just(Observation::Near),
        1 => Just(Observation::TooFar),
        1 => Just(Observation::MaybeAnother),
        2 => Just(UNUSABLE),
    ]
}

fn rules() -> impl Strategy<Value = Policy> {
    let liveness = prop_oneof![
        3 => Just(LivenessPolicy::Required),
        1 => Just(LivenessPolicy::SecondFactor),
        1 => Just(LivenessPolicy::Off),
    ];
    (1usize..5, 0usize..5, liveness, 0.3f32..0.8, 0u64..2500, 0u64..6000).prop_map(
        |(agree, more, liveness, live_threshold, not_before, deadline)| Policy {
            frames_to_agree: agree,
            frames_to_judge: agree + more,
            liveness,
            live_threshold,
            refer_not_before: Duration::from_millis(not_before),
            deadline: Duration::from_millis(deadline),
            ..policy()
        },
    )
}

type History = Vec<(Monotonic, Observation)>;

/// The part of a history that may count at its end: since the face was last near again after it had stepped back, with the
/// moment when it came near; straight from the rules. None if it isn't near.
fn this_visit(history: &History) -> Option<(Monotonic, History)> {
    let (mut near, mut visit): (Option<Monotonic>, Option<(Monotonic, History)>) = (None, None);
    for (now, observation) in history {
        match observation {
            Observation::Near => {
                near = Some(*now);
                visit.get_or_insert((*now, Vec::new()));
            }
            Observation::TooFar if near.is_some_and(|near| now.since(near) >= STEPPED_BACK) => {
                (near, visit) = (None, None);
            }
            _ => {}
        }
        if let Some((_, since_near)) = &mut visit {
            since_near.push((*now, *observation));
        }
    }
    visit
}

/// The scores, newest first, of the frames that name `who` within the window.
fn agreeing(visit: &History, who: PersonId, policy: &Policy) -> Vec<Option<f32>> {
    let Some(end) = visit.last().map(|(now, _)| *now) else { return Vec::new() };
    let newest = visit.iter().rev();
    newest
        .take_while(|(_, o)| match o {
            Observation::MaybeAnother => false,
            Observation::Face { matched: Matched::Person(p), .. } => *p == who,
            _ => true,
        })
        .filter_map(|(at, o)| match o {
            Observation::Face { matched: Matched::Card(_), .. } => None,
            Observation::Face { matched, live } => Some((*at, *matched, live.score)),
            _ => None,
        })
        .take(policy.frames_to_judge)
        .filter(|(at, matched, _)| end.since(*at) < Duration::from_secs(2) && *matched == Matched::Person(who))
        .map(|(_, _, live)| live)
        .collect()
}

fn is_live(scores: &[Option<f32>], policy: &Policy) -> bool {
    let known: Vec<f32> = scores.iter().copied().flatten().filter(|s| s.is_finite()).collect();
    known.len() >= policy.frames_to_agree
        && known.iter().sum::<f32>() / known.len() as f32 >= policy.live_threshold - 1e-5
        && known.iter().all(|s| *s >= policy.live_threshold / 2.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn every_verdict_is_one_that_the_rules_allow(
        steps in prop::collection::vec((0u64..400, observation()), 1..80), policy in rules(),
    ) {
        let mut encounter = Encounter::default();
        let (mut ms, mut history, mut decided) = (0, History::new(), false);
        for (after, observation) in steps {
            ms += after;
            history.push((at(ms), observation));
            let Some(verdict) = encounter.step(observation, at(ms), &policy) else {
                if let (Observation::Near, false, Some((since, _))) = (observation, decided, this_visit(&history)) {
                    let deadline = policy.deadline.max(policy.refer_not_before);
                    prop_assert!(at(ms).since(since) < deadline, "nobody waits past the deadline");
                }
                continue;
            };
            prop_assert!(!decided, "a track is decided once");
            decided = true;
            let (since, visit) = this_visit(&history).expect("nobody is decided about who isn't near");
            match verdict {
                Verdict::Admit(who) => {
                    let names_them = matches!(observation, Observation::Face { matched: Matched::Person(p), .. } if p == who);
                    prop_assert!(names_them, "the newest frame names them");
                    let scores = agreeing(&visit, who, &policy);
                    prop_assert!(scores.len() >= policy.frames_to_agree, "enough frames agree");
                    prop_assert!(policy.liveness == LivenessPolicy::Off || is_live(&scores, &policy), "and are live");
                }
                Verdict::Refer(reason) => {
                    prop_assert!(at(ms).since(since) >= policy.refer_not_before);
                    let late = at(ms).since(since) >= policy.deadline;
                    match reason {
                        Reason::NotLive => prop_assert!(policy.liveness == LivenessPolicy::Required),
                        Reason::LivenessUnknown => prop_assert!(late && policy.liveness == LivenessPolicy::Required),
                        Reason::PassNeeded => prop_assert!(late && policy.liveness == LivenessPolicy::SecondFactor),
                        Reason::FaceUnusable => prop_assert!(late),
                        Reason::NoMatch | Reason::Unsure => {}
                        _ => prop_assert!(false, "no reason of a face"),
                    }
                    if matches!(reason, Reason::NotLive | Reason::LivenessUnknown) {
                        let scores = [ANN, BOB].map(|who| agreeing(&visit, who, &policy));
                        prop_assert!(scores.iter().any(|s| s.len() >= policy.frames_to_agree && !is_live(s, &policy)));
                    }
                }
            }
        }
    }
}
