//! Simulated walk-ups. The gate's detector misses faces, its models err, and their answers come
//! late.
//!
//! Time is simulated. Each run follows from its seed, and a failure prints the seed.

#![expect(clippy::expect_used, reason = "a test fails by it, and helpers are not seen as tests")]

mod actor;
mod world;

use std::time::Duration;

use gatehouse_core::event::{Decision, Method, Reason};
use gatehouse_credential::PassId;
use gatehouse_gate::{CodeCheck, Policy};

use actor::{ANN, Actor, Appearance, BOB};
use world::{Decided, World};

/// Strangers are referred after 1.5 s, and everybody by 5 s.
fn policy() -> Policy {
    Policy {
        deadline: Duration::from_secs(5),
        max_frame_age: Duration::from_secs(1),
        ..gatehouse_gate::testing::policy()
    }
}

/// Runs a scene with many seeds. `check` gets the decisions in order.
fn play(seconds: u64, actors: impl Fn() -> Vec<Actor>, check: impl Fn(&[Decided])) {
    for seed in 0..60 {
        let mut world = World::new(seed, policy(), actors());
        let decided = world.run(0..seconds * 1000);
        check_seed(
            seed,
            || {
                world.check_admissions(&decided);
                check(&decided);
            },
            &decided,
        );
    }
}

fn check_seed(seed: u64, check: impl FnOnce(), decided: &[Decided]) {
    if let Err(failure) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)) {
        eprintln!("seed {seed}: the gate decided {decided:?}");
        std::panic::resume_unwind(failure);
    }
}

fn reasons(decided: &[Decided]) -> Vec<(Decision, Reason)> {
    decided.iter().map(|t| (t.outcome.entry.decision, t.outcome.entry.reason)).collect()
}

const ADMIT: (Decision, Reason) = (Decision::Admit, Reason::Matched);

fn refer(reason: Reason) -> (Decision, Reason) {
    (Decision::Refer, reason)
}

#[test]
fn a_resident_and_a_stranger_side_by_side() {
    let scene = || {
        vec![
            Actor::walks_up(500, 8000, 250.0, |_| Appearance::live(Some(ANN))),
            Actor::walks_up(900, 8000, 700.0, |_| Appearance::live(None)),
        ]
    };
    play(12, scene, |decided| {
        let mut reasons = reasons(decided);
        reasons.sort_by_key(|r| r.0 == Decision::Refer);
        assert_eq!(reasons, [ADMIT, refer(Reason::NoMatch)]);
    });
}

#[test]
fn a_resident_is_admitted_within_a_fraction_of_a_second() {
    play(
        4,
        || vec![Actor::stands(1000, 4000, 400.0, |_| Appearance::live(Some(ANN)))],
        |decided| {
            assert_eq!(reasons(decided), [ADMIT]);
            // Two usable frames at 10 a second, an occasional missed or misjudged one, and the
            // models' delay.
            assert!(decided[0].at_ms < 1000 + 1300, "{} ms", decided[0].at_ms);
        },
    );
}

#[test]
fn a_turned_face_is_referred_and_a_passer_by_is_not() {
    let away = || vec![Actor::stands(0, 9000, 400.0, |_| Appearance::turned(Some(ANN)))];
    play(10, away, |decided| assert_eq!(reasons(decided), [refer(Reason::FaceUnusable)]));
    let past = || vec![Actor::stands(0, 1400, 400.0, |_| Appearance::live(None)), Actor::far(0, 9000, 800.0)];
    play(10, past, |decided| assert_eq!(reasons(decided), []));
}

#[test]
fn a_print_in_turns_with_a_strangers_face_admits_nobody() {
    for period in [100, 200, 300, 700] {
        let scene = move || {
            vec![Actor::stands(0, 9000, 400.0, move |ms| {
                if (ms / period) % 2 == 0 { Appearance::print(ANN) } else { Appearance::live(None) }
            })]
        };
        play(10, scene, |decided| {
            let expected = [Reason::NotLive, Reason::NoMatch, Reason::Ambiguous];
            assert!(decided.len() == 1 && expected.contains(&decided[0].outcome.entry.reason), "every {period} ms");
        });
    }
}

#[test]
fn a_replayed_video_is_refused_at_every_try() {
    let video = || {
        vec![
            Actor::stands(0, 7000, 400.0, |_| Appearance::print(ANN)),
            Actor::stands(10_000, 17_000, 400.0, |_| Appearance::print(ANN)),
        ]
    };
    play(20, video, |decided| assert_eq!(reasons(decided), [refer(Reason::NotLive); 2]));
}

#[test]
fn a_print_before_the_residents_face_does_not_count() {
    let scene =
        || {
            vec![Actor::stands(0, 7000, 400.0, |ms| {
                if ms < 900 { Appearance::print(ANN) } else { Appearance::live(Some(ANN)) }
            })]
        };
    play(10, scene, |decided| {
        assert_eq!(decided.len(), 1);
        if decided[0].outcome.entry.decision == Decision::Admit {
            assert!(decided[0].captured_ms >= 1000, "two frames of the live face: {} ms", decided[0].captured_ms);
        }
    });
}

#[test]
fn taking_over_a_residents_place_gains_nothing() {
    // The resident turns away after one usable frame, and a stranger's face moves into the same
    // box.
    let scene =
        || {
            vec![Actor::stands(0, 9000, 400.0, |ms| {
                if ms < 60 { Appearance::live(Some(ANN)) } else { Appearance::live(None) }
            })]
        };
    play(10, scene, |decided| assert!(reasons(decided).iter().all(|(decision, _)| *decision == Decision::Refer)));
    // Two residents in one track: the admitted one stands there (see `check_admissions`).
    let scene = || {
        vec![Actor::stands(0, 9000, 400.0, |ms| Appearance::live(Some(if (ms / 100) % 2 == 0 { ANN } else { BOB })))]
    };
    play(10, scene, |decided| assert_eq!(decided.len(), 1));
}

#[test]
fn two_residents_who_cross_are_not_confused() {
    let scene = || {
        vec![
            Actor::crosses(500, 6000, 400.0, 520.0, |_| Appearance::live(Some(ANN))),
            Actor::crosses(500, 6000, 520.0, 400.0, |_| Appearance::live(Some(BOB))),
        ]
    };
    play(9, scene, |decided| {
        let people: Vec<_> = decided.iter().filter_map(|t| t.outcome.admitted.and_then(|a| a.person)).collect();
        assert_eq!(people.len(), 2, "{} admitted", people.len());
    });
}

#[test]
fn a_pass_instead_of_a_face_is_one_entry() {
    for shown_at in [200, 900, 1400] {
        let scene = move || {
            vec![Actor::stands(0, 9000, 400.0, move |ms| {
                // The phone hides the face for a moment.
                if (shown_at..shown_at + 600).contains(&ms) { Appearance::hidden() } else { Appearance::live(None) }
            })]
        };
        for seed in 0..60 {
            let mut world = World::new(seed, policy(), scene());
            world.show_code(shown_at + 100..shown_at + 2500, "pass", || CodeCheck::Accepted {
                person: Some(BOB),
                id: PassId::from_u128(9),
            });
            let decided = world.run(0..10_000);
            check_seed(
                seed,
                || {
                    assert_eq!(reasons(&decided), [(Decision::Admit, Reason::PassAccepted)]);
                    assert_eq!(decided[0].outcome.entry.method, Method::Qr);
                },
                &decided,
            );
        }
    }
}

#[test]
fn a_crowd_of_walk_ups_breaks_no_rule() {
    for seed in 0..40 {
        let mut world = World::new(seed, policy(), actor::crowd(seed));
        let decided = world.run(0..60_000);
        check_seed(seed, || world.check_admissions(&decided), &decided);
    }
}
