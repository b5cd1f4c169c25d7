//! Helpers, and the tests by concern.

mod admission;
mod cards;
mod freshness;
mod passes;
mod properties;
mod tracks;

use gatehouse_core::liveness::LivenessPolicy;
use gatehouse_core::time::{ClockSource, FrameTimes, StreamTime};
use gatehouse_credential::PassId;
use gatehouse_picture::{Point, Rect};

use super::*;
use crate::pass::CodeCheck;
use crate::testing::{at, cues, policy, template};

const ANN: PersonId = PersonId::from_u128(7);
const PASS: PassId = PassId::from_u128(70);

fn face(x: f32, eye_distance: f32) -> Face {
    let p = |dx: f32, dy: f32| Point { x: x + dx, y: 100.0 + dy };
    Face {
        box_in_frame: Rect { x, y: 60.0, width: eye_distance * 2.5, height: eye_distance * 3.0 },
        score: 0.9,
        landmarks_in_frame: [p(0.0, 0.0), p(eye_distance, 0.0), p(20.0, 30.0), p(5.0, 60.0), p(35.0, 60.0)],
    }
}

/// Times of a frame that arrives at `ms`, 30 ms after its capture. Its faces are detected, embedded
/// and matched after 9, 40 and 41 ms.
fn times(ms: u64) -> StageTimes {
    let wall = WallTime::from_unix_nanos(1_790_000_000_000_000_000) + Duration::from_millis(ms);
    let capture = CaptureTime {
        at: wall - Duration::from_millis(30),
        source: ClockSource::Rtcp,
        error_ms: 100,
        clock_offset_ms: None,
    };
    let frame = FrameTimes { stream: StreamTime(Duration::from_millis(ms)), arrival: at(ms), capture };
    StageTimes { frame, arrived: wall, detected: at(ms + 9), embedded: at(ms + 40), matched: at(ms + 41) }
}

fn found(ms: u64) -> StageTimes {
    StageTimes::found(times(ms).frame, times(ms).arrived, at(ms + 9))
}

fn live(matched: Matched) -> Observation {
    Observation::Usable { matched, live: cues(Some(0.9)) }
}

/// Shows faces at these times and answers their probes with `observe`. Returns the outcomes.
fn show(
    gate: &mut Gate,
    at_ms: impl Iterator<Item = u64>,
    faces: &[Face],
    observe: impl Fn(&Gate, &Probe) -> Observation,
) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for ms in at_ms {
        let result = gate.process_frame(faces, &found(ms));
        outcomes.extend(result.outcomes);
        for probe in result.probes {
            let observation = observe(gate, &probe);
            outcomes.extend(gate.process_probe(probe.id, observation, &times(ms)));
        }
    }
    outcomes
}

fn walk_up(gate: &mut Gate, at_ms: std::ops::Range<u64>, matched: Matched) -> Vec<Outcome> {
    show(gate, at_ms.step_by(100), &[face(300.0, 60.0)], |_, _| live(matched))
}

fn decisions(outcomes: &[Outcome]) -> Vec<(Decision, Reason, Method)> {
    outcomes.iter().map(|o| (o.entry.decision, o.entry.reason, o.entry.method)).collect()
}

const ADMITTED_BY_FACE: (Decision, Reason, Method) = (Decision::Admit, Reason::Matched, Method::Face);
const NO_MATCH: (Decision, Reason, Method) = (Decision::Refer, Reason::NoMatch, Method::Face);

/// Shows a code at `ms`, as the service does.
fn show_code(gate: &mut Gate, text: &str, ms: u64, check: impl FnOnce() -> CodeCheck) -> Option<Outcome> {
    if gate.register_code(text.as_bytes(), &found(ms)) { gate.process_code(check(), &times(ms)) } else { None }
}

fn accepted(person: Option<PersonId>) -> CodeCheck {
    CodeCheck::Accepted { person, id: PASS }
}

fn card() -> CodeCheck {
    CodeCheck::Card { id: PASS, template: Box::new(template(0.0)) }
}
