//! The age of frames and the end of grants.

use proptest::prelude::*;

use super::*;

#[test]
fn a_stale_frame_is_no_evidence() {
    let mut gate = Gate::new(Policy { max_frame_age: Duration::from_millis(500), ..policy() });
    let late = |ms: u64, by: u64| StageTimes { matched: at(ms + by), ..times(ms) };
    let mut judge = |ms: u64, by: u64| {
        let id = gate.process_frame(&[face(300.0, 60.0)], &found(ms)).probes[0].id;
        gate.process_probe(id, live(Matched::Person(ANN)), &late(ms, by))
    };
    assert!((0..10).all(|i| judge(i * 100, 501).is_none()));
    assert_eq!(judge(1000, 500), None);
    assert!(judge(1100, 500).is_some());
    assert_eq!(gate.stale_frames(), 10);
}

#[test]
fn an_ended_grant_is_not_given_and_no_camera_clock_changes_it() {
    let short = Policy { grant: Duration::from_millis(41), ..policy() };
    assert_eq!(walk_up(&mut Gate::new(short), 0..1000, Matched::Person(ANN)), [], "41 ms have passed at the decision");
    let right = times(0);
    for captured in [right.arrived + Duration::from_secs(8), right.arrived - Duration::from_secs(1 << 30)] {
        let mut wrong = right;
        wrong.frame.capture.at = captured;
        assert_eq!(wrong.grant(&policy()), right.grant(&policy()));
        assert!(wrong.is_fresh(&policy()));
    }
}

#[test]
fn a_stale_code_is_neither_checked_nor_admitted() {
    let mut gate = Gate::new(policy());
    let old = StageTimes { matched: at(3000), ..times(0) };
    assert!(!gate.register_code(b"pass", &old));
    assert_eq!(gate.process_code(accepted(None), &old), None);
    assert!(gate.register_code(b"pass", &times(3000)), "the code itself is still new");
}

proptest! {
    /// Whatever time the camera states for each frame: ahead, behind, drifting, set, without sense.
    #[test]
    fn no_camera_clock_changes_a_decision(
        captured in prop::collection::vec(any::<i64>(), 1..40), late_ms in prop::collection::vec(0..2500u64, 1..40),
    ) {
        let (mut right, mut wrong) = (Gate::new(policy()), Gate::new(policy()));
        let mut ms = 0;
        for (n, late_ms) in late_ms.into_iter().enumerate() {
            ms += 100;
            let decide = |gate: &mut Gate, capture: Option<i64>| {
                let at_time = |mut times: StageTimes| {
                    times.frame.capture.at = capture.map_or(times.frame.capture.at, WallTime::from_unix_nanos);
                    times
                };
                let result = gate.process_frame(&[face(300.0, 60.0)], &at_time(found(ms)));
                let answered = StageTimes { matched: at(ms + late_ms), ..at_time(times(ms)) };
                let probed = result.probes.iter().filter_map(|probe| {
                    gate.process_probe(probe.id, live(Matched::Person(ANN)), &answered)
                });
                let outcomes: Vec<_> = result.outcomes.iter().copied().chain(probed).collect();
                outcomes
                    .iter()
                    .map(|o| (o.entry.decision, o.entry.reason, o.entry.grant, o.entry.decided_at, o.admitted))
                    .collect::<Vec<_>>()
            };
            let expected = decide(&mut right, None);
            prop_assert_eq!(decide(&mut wrong, Some(captured[n % captured.len()])), expected);
        }
        prop_assert_eq!(right.stale_frames(), wrong.stale_frames());
    }
}
