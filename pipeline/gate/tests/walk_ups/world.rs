//! The camera, the models with their errors and their lag, and the truth to check the gate by.

use std::ops::Range;
use std::time::Duration;

use gatehouse_core::time::{CaptureTime, ClockSource, FrameTimes, Monotonic, StreamTime, WallTime};
use gatehouse_credential::PersonId;
use gatehouse_faces::Face;
use gatehouse_gate::quality::Problem;
use gatehouse_gate::{Gate, LivenessCues, Matched, Observation, Outcome, PassSeen, Policy, ProbeId, StageTimes};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::actor::{Actor, Look};

/// Between two frames.
const INTERVAL_MS: u64 = 100;

/// What the gate told, and when.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) at_ms: u64,
    pub(crate) captured_ms: u64,
    pub(crate) outcome: Outcome,
}

/// An answer of the models that is still on its way.
struct Answer {
    ready_ms: u64,
    captured_ms: u64,
    probe: ProbeId,
    observation: Observation,
}

struct Code {
    shown: Range<u64>,
    text: &'static str,
    seen: fn() -> PassSeen,
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
    let capture = CaptureTime { at: wall, source: ClockSource::Rtcp, error_ms: 100 };
    let frame =
        FrameTimes { stream: StreamTime(Duration::from_millis(captured_ms)), arrival: at(captured_ms), capture };
    StageTimes::found(frame, wall, at(now_ms))
}

impl World {
    pub(crate) fn new(seed: u64, policy: Policy, actors: Vec<Actor>) -> Self {
        let (rng, gate) = (StdRng::seed_from_u64(seed), Gate::new(policy));
        Self { rng, policy, gate, actors, codes: Vec::new() }
    }

    pub(crate) fn holds_up(&mut self, shown: Range<u64>, text: &'static str, seen: fn() -> PassSeen) {
        self.codes.push(Code { shown, text, seen });
    }

    pub(crate) fn run(&mut self, span_ms: Range<u64>) -> Vec<Told> {
        let (mut told, mut waiting) = (Vec::new(), Vec::<Answer>::new());
        for captured_ms in span_ms.step_by(INTERVAL_MS as usize) {
            let now_ms = captured_ms + self.rng.random_range(15..40);
            let ready = waiting.iter().filter(|answer| answer.ready_ms <= now_ms).count();
            for answer in waiting.drain(..ready) {
                let times = times(answer.captured_ms, answer.ready_ms);
                let outcome = self.gate.judge(answer.probe, answer.observation, &times);
                let (at_ms, captured_ms) = (answer.ready_ms, answer.captured_ms);
                told.extend(outcome.map(|outcome| Told { at_ms, captured_ms, outcome }));
            }
            if self.rng.random_bool(0.05) {
                continue; // The frame was overtaken.
            }
            let mut seen: Vec<(Face, Look)> = self.actors.iter().filter_map(|actor| actor.at(captured_ms)).collect();
            seen.retain(|_| self.rng.random_bool(0.97));
            seen.shuffle(&mut self.rng);
            let faces: Vec<Face> = seen.iter().map(|(face, _)| *face).collect();
            let found = self.gate.see(&faces, &times(captured_ms, now_ms));
            told.extend(found.outcomes.into_iter().map(|outcome| Told { at_ms: now_ms, captured_ms, outcome }));
            // One frame's faces are embedded together, and one frame after the other.
            let not_before = waiting.last().map_or(0, |last| last.ready_ms);
            let ready_ms = (now_ms + self.rng.random_range(20..160)).max(not_before);
            for probe in found.probes {
                let look = seen.iter().find(|(face, _)| *face == probe.face).expect("a face that was shown").1;
                let observation = self.observe(look);
                waiting.push(Answer { ready_ms, captured_ms, probe: probe.id, observation });
            }
            for code in self.codes.iter().filter(|code| code.shown.contains(&captured_ms)) {
                let times = times(captured_ms, now_ms);
                if self.gate.notice_code(code.text.as_bytes(), &times) {
                    let outcome = self.gate.show_pass((code.seen)(), &times);
                    told.extend(outcome.map(|outcome| Told { at_ms: now_ms, captured_ms, outcome }));
                }
            }
        }
        told
    }

    /// What the models make of a face. They err, but never so far that a stranger matches or a print looks live twice.
    fn observe(&mut self, look: Look) -> Observation {
        if !look.is_usable || self.rng.random_bool(0.05) {
            return Observation::Unusable(Problem::Blurred);
        }
        let matched = match look.who {
            Some(_) if self.rng.random_bool(0.1) => Matched::Nobody,
            Some(_) if self.rng.random_bool(0.03) => Matched::Ambiguous,
            Some(person) => Matched::Person(person),
            None => Matched::Nobody,
        };
        let live = match (look.is_live, self.rng.random_bool(0.05)) {
            (true, false) => self.rng.random_range(0.7..1.0),
            (true, true) => self.rng.random_range(0.2..0.6),
            (false, false) => self.rng.random_range(0.0..0.2),
            (false, true) => self.rng.random_range(0.3..0.49),
        };
        Observation::Face { matched, live: LivenessCues { score: Some(live), openness: None } }
    }

    /// Whoever was admitted by face stood there alive at that moment, was seen alive in as many frames as must agree, and
    /// wasn't admitted a moment before; and no grant outlasts its time.
    pub(crate) fn check_admissions(&self, told: &[Told]) {
        let mut last: Vec<(PersonId, u64)> = Vec::new();
        for Told { at_ms, captured_ms, outcome } in told {
            let Some(admitted) = outcome.admitted else { continue };
            let person = admitted.person.expect("nobody shows a pass without an owner here");
            let alive = |ms: u64| {
                let looks = self.actors.iter().filter_map(|actor| actor.at(ms));
                looks.map(|(_, look)| look).any(|look| look.who == Some(person) && look.is_live && look.is_usable)
            };
            let start = captured_ms.saturating_sub(2000) / INTERVAL_MS;
            let alive_in = (start..=captured_ms / INTERVAL_MS).filter(|frame| alive(frame * INTERVAL_MS)).count();
            assert!(alive(*captured_ms), "admitted at {at_ms} ms without standing there");
            assert!(alive_in >= self.policy.frames_to_agree, "admitted at {at_ms} ms on {alive_in} live frame(s)");
            let cool_down = self.policy.cool_down.as_millis() as u64;
            let again = last.iter().any(|(p, before)| *p == person && at_ms - before < cool_down);
            assert!(!again, "admitted again at {at_ms} ms");
            let expected = times(*captured_ms, *at_ms).frame.capture.at + self.policy.grant;
            assert_eq!(outcome.entry.expires_at, Some(expected));
            last.push((person, *at_ms));
        }
    }
}
