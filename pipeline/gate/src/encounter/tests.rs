use proptest::prelude::*;

use super::*;
use crate::testing::{at, cues, policy};

const ANN: PersonId = PersonId::from_u128(1);
const BOB: PersonId = PersonId::from_u128(2);

fn usable(matched: Matched, live: f32) -> Observation {
    Observation::Usable { matched, live: cues(Some(live)) }
}

fn ann(live: f32) -> Observation {
    usable(Matched::Person(ANN), live)
}

const UNUSABLE: Observation = Observation::Unusable(Problem::Blurred);

fn stranger() -> Observation {
    usable(Matched::Nobody, 0.9)
}

/// Repeats the pattern every 100 ms, each observation after a near one, until there is a verdict;
/// for at most 10 s. Returns the time in ms and the verdict.
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
fn a_stranger_is_referred_once_after_the_first_frames() {
    assert_eq!(run(&[stranger()], &policy()), (1500, refer(Reason::NoMatch)));
    let mut encounter = Encounter::default();
    let verdicts = (0..100).flat_map(|i| {
        [Observation::Near, stranger()].map(|observation| encounter.step(observation, at(i * 100), &policy()))
    });
    assert_eq!(verdicts.flatten().count(), 1, "however long they stay");
}

#[test]
fn frames_that_name_two_people_are_ambiguous() {
    let both = [ann(0.9), usable(Matched::Person(BOB), 0.9)];
    assert_eq!(
        run(&both, &policy()),
        (6000, refer(Reason::Ambiguous)),
        "no window fills: each frame clears the evidence"
    );
    let between = [ann(0.9), usable(Matched::Person(BOB), 0.9), stranger(), stranger(), stranger(), stranger()];
    assert_eq!(run(&between, &policy()).1, refer(Reason::Ambiguous));
    assert_eq!(run(&[usable(Matched::Ambiguous, 0.9)], &policy()), (1500, refer(Reason::Ambiguous)));
}

#[test]
fn a_print_is_not_live_even_in_turns_with_a_live_face() {
    assert_eq!(run(&[ann(0.1)], &policy()), (1500, refer(Reason::NotLive)));
    assert_eq!(run(&[ann(0.4)], &policy()), (1500, refer(Reason::NotLive)));
    assert_eq!(run(&[ann(0.1), stranger()], &policy()), (1500, refer(Reason::NotLive)));
    let off = Policy { liveness: LivenessPolicy::Off, ..policy() };
    assert_eq!(run(&[ann(0.1)], &off), (100, Some(Verdict::Admit(ANN))));
}

#[test]
fn nobody_is_admitted_without_a_liveness_score() {
    let unknown = Observation::Usable { matched: Matched::Person(ANN), live: cues(None) };
    assert_eq!(run(&[unknown], &policy()), (6000, refer(Reason::LivenessUnknown)));
    let broken = usable(Matched::Person(ANN), f32::NAN);
    assert_eq!(run(&[broken], &policy()), (6000, refer(Reason::LivenessUnknown)));
}

#[test]
fn a_second_factor_policy_asks_for_the_pass_in_doubt() {
    let policy = Policy { liveness: LivenessPolicy::SecondFactor, ..policy() };
    assert_eq!(run(&[ann(0.9)], &policy), (100, Some(Verdict::Admit(ANN))));
    assert_eq!(run(&[ann(0.1)], &policy), (6000, refer(Reason::PassNeeded)));
    // A lucky frame does not end the doubt, and looking at the phone makes nobody a stranger.
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
    assert_eq!(verdict, None, "the near frame reports the deadline");
    assert!(matches!(encounter.state(), State::Decided { .. }));
}

#[test]
fn another_face_clears_the_evidence() {
    let bob = usable(Matched::Person(BOB), 0.9);
    assert_eq!(run(&[ann(0.9), bob, bob], &policy()), (200, Some(Verdict::Admit(BOB))));
    let mut encounter = Encounter::default();
    encounter.step(Observation::Near, at(0), &policy());
    assert_eq!(encounter.step(ann(0.9), at(0), &policy()), None);
    encounter.step(Observation::ContinuityLost, at(100), &policy());
    assert!(matches!(encounter.state(), State::Acquire { .. }));
    assert_eq!(encounter.step(ann(0.9), at(100), &policy()), None, "one frame since the box jumped");
    assert_eq!(encounter.step(ann(0.9), at(200), &policy()), Some(Verdict::Admit(ANN)));
    // The deadline does not move: jumping up and down gains no time.
    let jumping = [Observation::ContinuityLost, ann(0.9)];
    assert_eq!(run(&jumping, &policy()), (6000, refer(Reason::FaceUnusable)));
}

#[test]
fn a_face_that_turns_away_is_referred_and_one_that_leaves_not() {
    assert_eq!(run(&[UNUSABLE], &policy()), (6000, refer(Reason::FaceUnusable)));
    let mut encounter = Encounter::default();
    encounter.step(Observation::Near, at(0), &policy());
    encounter.step(stranger(), at(0), &policy());
    // Turned away from then on: one usable frame is too little for `NoMatch`.
    let verdict = (1..=60).find_map(|i| {
        encounter.step(Observation::Near, at(i * 100), &policy()).or(encounter.step(UNUSABLE, at(i * 100), &policy()))
    });
    assert_eq!(verdict, refer(Reason::FaceUnusable));
    assert_eq!(encounter.last_problem, Some(Problem::Blurred));

    let mut leaving = Encounter::default();
    leaving.step(Observation::Near, at(0), &policy());
    leaving.step(stranger(), at(0), &policy());
    for i in 1..100 {
        assert_eq!(leaving.step(Observation::TooFar, at(i * 100), &policy()), None);
        let is_collecting = matches!(leaving.state(), State::Verify { .. });
        assert_eq!((is_collecting, matches!(leaving.state(), State::Approach)), (i < 10, i >= 10));
    }
}

#[test]
fn a_flickering_distance_does_not_restart_the_deadline() {
    let mut encounter = Encounter::default();
    let verdict = (0..100u64).find_map(|i| {
        let observation = if i % 2 == 0 { Observation::Near } else { Observation::TooFar };
        encounter.step(observation, at(i * 100), &policy()).map(|verdict| (i, verdict))
    });
    assert_eq!(verdict, Some((60, Verdict::Refer(Reason::FaceUnusable))));
}

#[test]
fn the_same_track_is_admitted_again_after_the_cool_down() {
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
        12 => (matched, live).prop_map(|(matched, live)| Observation::Usable { matched, live: cues(live) }),
        6 => Just(Observation::Near),
        1 => Just(Observation::TooFar),
        1 => Just(Observation::ContinuityLost),
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

/// The start and the history of the current visit: since the face came near again after it had
/// stepped back. Written straight from the rules. `None` if the face is not near.
fn this_visit(history: &History) -> Option<(Monotonic, History)> {
    let (mut near, mut visit): (Option<Monotonic>, Option<(Monotonic, History)>) = (None, None);
    for (now, observation) in history {
        match observation {
            Observation::Near => {
                near = Some(*now);
                visit.get_or_insert((*now, Vec::new()));
            }
            Observation::TooFar if near.is_some_and(|near| now.since(near) >= STEPPED_BACK_AFTER) => {
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

/// Liveness scores, newest first, of the frames within the window that name `who`.
fn agreeing(visit: &History, who: PersonId, policy: &Policy) -> Vec<Option<f32>> {
    let Some(end) = visit.last().map(|(now, _)| *now) else { return Vec::new() };
    let newest = visit.iter().rev();
    newest
        .take_while(|(_, o)| match o {
            Observation::ContinuityLost => false,
            Observation::Usable { matched: Matched::Person(p), .. } => *p == who,
            _ => true,
        })
        .filter_map(|(at, o)| match o {
            Observation::Usable { matched: Matched::Card(_), .. } => None,
            Observation::Usable { matched, live } => Some((*at, *matched, live.score)),
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
    fn every_verdict_is_allowed_by_the_rules(
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
            let (since, visit) = this_visit(&history).expect("a decision is about a near face");
            match verdict {
                Verdict::Admit(who) => {
                    let names_them = matches!(observation, Observation::Usable { matched: Matched::Person(p), .. } if p == who);
                    prop_assert!(names_them, "the newest frame names the person");
                    let scores = agreeing(&visit, who, &policy);
                    prop_assert!(scores.len() >= policy.frames_to_agree, "enough frames agree");
                    prop_assert!(policy.liveness == LivenessPolicy::Off || is_live(&scores, &policy), "and they are live");
                }
                Verdict::Refer(reason) => {
                    prop_assert!(at(ms).since(since) >= policy.refer_not_before);
                    let late = at(ms).since(since) >= policy.deadline;
                    match reason {
                        Reason::NotLive => prop_assert!(policy.liveness == LivenessPolicy::Required),
                        Reason::LivenessUnknown => prop_assert!(late && policy.liveness == LivenessPolicy::Required),
                        Reason::PassNeeded => prop_assert!(late && policy.liveness == LivenessPolicy::SecondFactor),
                        Reason::FaceUnusable => prop_assert!(late),
                        Reason::NoMatch | Reason::Ambiguous => {}
                        _ => prop_assert!(false, "not a reason of a face"),
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
