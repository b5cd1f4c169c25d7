//! Random scenes in which no rule may be broken.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::gallery::{Enrolled, Gallery, MatchRule};
use crate::testing::template;

/// A step of a random scene.
#[derive(Debug, Clone)]
enum Step {
    /// A frame with a face at this angle and this liveness score, after a pause in ms.
    Frame { degrees: f32, live: f32, after: u64 },
    /// Somebody withdraws.
    Withdraw(u128),
    /// Somebody shows a valid pass.
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

    /// Nobody is admitted by face without valid consent, enough frames above threshold and margin,
    /// and a live face. Every grant ends when the policy says.
    #[test]
    fn a_face_needs_consent_score_and_liveness(
        steps in proptest::collection::vec(step(), 1..60),
        consents in proptest::collection::vec(0u64..12_000, 3),
    ) {
        let rule = MatchRule { threshold: 0.7, margin: 0.1 };
        let start = times(0).wall();
        // Three people, 60 degrees apart, each with their own end of consent.
        let person = |n: usize| Enrolled {
            person: PersonId::from_u128(n as u128),
            consent_until: start + Duration::from_millis(consents[n]),
        };
        let mut gallery = Gallery::new((0..3).map(|n| (person(n), template(60.0 * n as f32))), rule);
        let mut enrolled = [true; 3];
        let (mut gate, mut ms) = (Gate::new(policy()), 0);
        // Time, person by this test's own rule, and liveness score of each frame.
        let mut named: Vec<(u64, Option<usize>, f32)> = Vec::new();
        for step in steps {
            let mut outcomes = Vec::new();
            match step {
                Step::Withdraw(who) => {
                    enrolled[who as usize] = false;
                    gallery = gallery.with_changes(&HashSet::from([PersonId::from_u128(who)]), []);
                }
                Step::Pass(who) => {
                    let check = CodeCheck::Accepted { person: Some(PersonId::from_u128(who)), id: PassId::from_u128(100 + who) };
                    outcomes.extend(gate.process_code(check, &found(ms)));
                    for outcome in &outcomes {
                        prop_assert!(outcome.entry.method != Method::Face);
                    }
                }
                Step::Frame { degrees, live, after } => {
                    ms += after;
                    let result = gate.process_frame(&[face(300.0, 60.0)], &found(ms));
                    outcomes.extend(result.outcomes);
                    let now = times(ms).wall();
                    let score = |n: usize| (degrees - 60.0 * n as f32).to_radians().cos();
                    let mut scores: Vec<(f32, usize)> =
                        (0..3).filter(|n| enrolled[*n] && person(*n).consent_until > now).map(|n| (score(n), n)).collect();
                    scores.sort_by(|a, b| b.0.total_cmp(&a.0));
                    let clear = |runner_up: Option<&(f32, usize)>, best: f32| runner_up.is_none_or(|r| best - r.0 >= 0.0999);
                    let who = scores.first().filter(|(best, _)| *best >= 0.6999 && clear(scores.get(1), *best)).map(|s| s.1);
                    named.push((ms, who, live));
                    for probe in result.probes {
                        let matched = gallery.identify(&template(degrees), now);
                        outcomes.extend(gate.process_probe(probe.id, Observation::Usable { matched, live: cues(Some(live)) }, &times(ms)));
                    }
                }
            }
            for outcome in outcomes {
                let entry = &outcome.entry;
                prop_assert_eq!(entry.grant.is_some(), entry.decision == Decision::Admit);
                if let Some(grant) = entry.grant {
                    prop_assert_eq!(grant.until, grant.from + policy().grant);
                }
                if (entry.decision, entry.method) != (Decision::Admit, Method::Face) {
                    continue;
                }
                let number = |person: PersonId| u128::from_be_bytes(person.to_bytes()) as usize;
                let who = outcome.admitted.and_then(|admitted| admitted.person).map(number);
                // The deciding frame may be an older one: only the frames of the window count.
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
