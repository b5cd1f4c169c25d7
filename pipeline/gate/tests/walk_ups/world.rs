//! The camera, the models with their errors and delays, and the truth that the gate is checked
//! against.

use std::ops::Range;
use std::time::Duration;

use gatehouse_core::time::{CaptureTime, ClockSource, FrameTimes, Monotonic, StreamTime, WallTime};
use gatehouse_credential::PersonId;
use gatehouse_faces::Face;
use gatehouse_gate::quality::Problem;
use gatehouse_gate::{CodeCheck, Gate, LivenessCues, Matched, Observation, Outcome, Policy, ProbeId, StageTimes};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::actor::{Actor, Appearance};

/// Time between two frames.
const INTERVAL_MS: u64 = 100;

/// A decision of the gate, and its times.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) at_ms: u64,
    pub(crate) captured_ms: u64,
    pub(crate) outcome: Outcome,
}

/// An answer of the models that is not ready yet.
struct Answer {
    ready_ms: u64,
    captured_ms: u64,
    probe: ProbeId,
    observation: Observation,
}

struct Code {
    shown: Range<u64>,
    text: &'static str,
    check: fn() -> CodeCheck,
}

pub(crate) struct World {
    rng: StdRng,
    policy: Policy,
    gate: Gate,
    actors: Vec<Actor>,
    codes: Vec<Code>,
}

fn times(captured_ms: u64, now_ms: u64) -> StageTimes {
    let at = |ms| Monotonic::from_start(Duration::from_millis(ms));
    let wall = WallTime::from_unix_nanos(1_790_000_000_000_000_000) + Duration::from_millis(captured_ms);
    let capture = CaptureTime { at: wall, source: ClockSource::Rtcp, error_ms: 100, clock_offset_ms: None };
    let frame =
        FrameTimes { stream: StreamTime(Duration::from_millis(captured_ms)), arrival: at(captured_ms), capture };
    StageTimes::found(frame, wall, at(now_ms))
}

impl World {
    pub(crate) fn new(seed: u64, policy: Policy, actors: Vec<Actor>) -> Self {
        let (rng, gate) = (StdRng::seed_from_u64(seed), Gate::new(policy));
        Self { rng, policy, gate, actors, codes: Vec::new() }
    }

    pub(crate) fn show_code(&mut self, shown: Range<u64>, text: &'static str, check: fn() -> CodeCheck) {
        self.codes.push(Code { shown, text, check });
    }

    pub(crate) fn run(&mut self, span_ms: Range<u64>) -> Vec<Decided> {
        let (mut decided, mut waiting) = (Vec::new(), Vec::<Answer>::new());
        for captured_ms in span_ms.step_by(INTERVAL_MS as usize) {
            let now_ms = captured_ms + self.rng.random_range(15..40);
            let ready = waiting.iter().filter(|answer| answer.ready_ms <= now_ms).count();
            for answer in waiting.drain(..ready) {
                let times = times(answer.captured_ms, answer.ready_ms);
                let outcome = self.gate.process_probe(answer.probe, answer.observation, &times);
                let (at_ms, captured_ms) = (answer.ready_ms, answer.captured_ms);
                decided.extend(outcome.map(|outcome| Decided { at_ms, captured_ms, outcome }));
            }
            if self.rng.random_bool(0.05) {
                continue; // A newer frame superseded this one.
            }
            let mut seen: Vec<(Face, Appearance)> =
                self.actors.iter().filter_map(|actor| actor.at(captured_ms)).collect();
            seen.retain(|_| self.rng.random_bool(0.97));
            seen.shuffle(&mut self.rng);
            let faces: Vec<Face> = seen.iter().map(|(face, _)| *face).collect();
            let result = self.gate.process_frame(&faces, &times(captured_ms, now_ms));
            decided.extend(result.outcomes.into_iter().map(|outcome| Decided { at_ms: now_ms, captured_ms, outcome }));
            // Faces of one frame are embedded together, and frames in order.
            let not_before = waiting.last().map_or(0, |last| last.ready_ms);
            let ready_ms = (now_ms + self.rng.random_range(20..160)).max(not_before);
            for probe in result.probes {
                let appearance = seen.iter().find(|(face, _)| *face == probe.face).expect("a face that was shown").1;
                let observation = self.observe(appearance);
                waiting.push(Answer { ready_ms, captured_ms, probe: probe.id, observation });
            }
            for code in self.codes.iter().filter(|code| code.shown.contains(&captured_ms)) {
                let times = times(captured_ms, now_ms);
                if self.gate.register_code(code.text.as_bytes(), &times) {
                    let outcome = self.gate.process_code((code.check)(), &times);
                    decided.extend(outcome.map(|outcome| Decided { at_ms: now_ms, captured_ms, outcome }));
                }
            }
        }
        decided
    }

    /// The models' answer about a face. They err, but no stranger matches and no print appears live
    /// twice.
    fn observe(&mut self, appearance: Appearance) -> Observation {
        if !appearance.is_usable || self.rng.random_bool(0.05) {
            return Observation::Unusable(Problem::Blurred);
        }
        let matched = match appearance.who {
            Some(_) if self.rng.random_bool(0.1) => Matched::Nobody,
            Some(_) if self.rng.random_bool(0.03) => Matched::Ambiguous,
            Some(person) => Matched::Person(person),
            None => Matched::Nobody,
        };
        let live = match (appearance.is_live, self.rng.random_bool(0.05)) {
            (true, false) => self.rng.random_range(0.7..1.0),
            (true, true) => self.rng.random_range(0.2..0.6),
            (false, false) => self.rng.random_range(0.0..0.2),
            (false, true) => self.rng.random_range(0.3..0.49),
        };
        Observation::Usable { matched, live: LivenessCues { score: Some(live), openness: None } }
    }

    /// Checks every admission: the person stood there alive, was seen alive in enough frames, and
    /// was not in the cool-down; and the grant ends in time.
    pub(crate) fn check_admissions(&self, decided: &[Decided]) {
        let mut last: Vec<(PersonId, u64)> = Vec::new();
        for Decided { at_ms, captured_ms, outcome } in decided {
            let Some(admitted) = outcome.admitted else { continue };
            let person = admitted.person.expect("every pass here has an owner");
            let alive = |ms: u64| {
                let appearances = self.actors.iter().filter_map(|actor| actor.at(ms));
                appearances
                    .map(|(_, appearance)| appearance)
                    .any(|appearance| appearance.who == Some(person) && appearance.is_live && appearance.is_usable)
            };
            let start = captured_ms.saturating_sub(2000) / INTERVAL_MS;
            let alive_in = (start..=captured_ms / INTERVAL_MS).filter(|frame| alive(frame * INTERVAL_MS)).count();
            assert!(alive(*captured_ms), "admitted at {at_ms} ms without standing there");
            assert!(alive_in >= self.policy.frames_to_agree, "admitted at {at_ms} ms on {alive_in} live frame(s)");
            let cool_down = self.policy.cool_down.as_millis() as u64;
            let again = last.iter().any(|(p, before)| *p == person && at_ms - before < cool_down);
            assert!(!again, "admitted again at {at_ms} ms");
            let expected = times(*captured_ms, *at_ms).frame.arrival + self.policy.grant;
            assert_eq!(outcome.entry.grant.map(|grant| grant.until), Some(expected));
            last.push((person, *at_ms));
        }
    }
}
