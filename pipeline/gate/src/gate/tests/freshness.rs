//! The age of frames and the end of grants.

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
