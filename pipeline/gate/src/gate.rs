//! One gate camera: who stands in front of it, which card is verified, and who was admitted a
//! moment ago.

mod codes;

use std::time::Duration;

use gatehouse_core::event::{Decision, EntryLatency, Method, Reason};
use gatehouse_core::time::{CaptureTime, Monotonic, WallTime};
use gatehouse_credential::PersonId;
use gatehouse_faces::{Face, Template};

use crate::admitted::{Admissions, Admitted};
use crate::card::CardCheck;
use crate::encounter::{Encounter, Matched, Observation, State, Verdict};
use crate::pass::Codes;
use crate::policy::Policy;
use crate::quality::Problem;
use crate::times::{GrantPeriod, StageTimes};
use crate::track::{Continuity, Sighting, Track, TrackId, Tracks};

/// A track that was admitted by face is dropped when it was out of sight for this long.
const ADMITTED_DROPPED_AFTER: Duration = Duration::from_millis(500);
/// A face that was seen this recently still stands in front of the camera.
const IN_SIGHT: Duration = Duration::from_millis(500);

/// A stretch of a track during which nothing suggests another face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProbeId {
    pub(crate) track: TrackId,
    /// Number of the stretch within the track. An answer about an earlier stretch is dropped.
    pub(crate) stretch: u32,
}

/// A face whose pixels are needed for a decision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probe {
    /// Identifies the face in [`Gate::process_probe`].
    pub id: ProbeId,
    /// The face: landmarks for alignment, box for liveness.
    pub face: Face,
}

/// An entry without a sequence number. Does not say who it is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EntryDraft {
    /// Admitted, or referred to a person.
    pub decision: Decision,
    /// Why.
    pub reason: Reason,
    /// What was presented.
    pub method: Method,
    /// Capture time of the frame that decided.
    pub capture_time: CaptureTime,
    /// Latency by stage.
    pub latency_ms: EntryLatency,
    /// When the gate decided, on this machine's wall clock.
    pub decided_at: WallTime,
    /// When the grant may be used; `None` unless the decision is `admit`.
    pub grant: Option<GrantPeriod>,
}

/// A decision, and what stays at the site.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// What is published.
    pub entry: EntryDraft,
    /// Who was admitted, for the site's own entry log. A referred person is never recorded.
    pub admitted: Option<Admitted>,
    /// What was wrong with the last unusable frame of a referred person, for the operator's log.
    pub problem: Option<Problem>,
}

/// What one frame leads to.
#[derive(Debug, Default, PartialEq)]
pub struct FrameResult {
    /// The faces to embed and match.
    pub probes: Vec<Probe>,
    /// The decisions that are due.
    pub outcomes: Vec<Outcome>,
}

/// Somebody in front of the camera.
#[derive(Debug, Default)]
struct Visitor {
    encounter: Encounter,
    stretch: u32,
    /// True if the face was near when it was last seen.
    is_near: bool,
    /// Arrival of the first frame of the encounter.
    first_arrival: Option<Monotonic>,
    /// True if they showed a code, so that their face is not referred as well.
    is_excused: bool,
}

/// The state of one gate camera.
#[derive(Debug)]
pub struct Gate {
    policy: Policy,
    tracks: Tracks<Visitor>,
    /// Scratch, reused by every frame.
    sightings: Vec<Sighting>,
    codes: Codes,
    card: Option<CardCheck>,
    /// Ends of the excuses for faces that were out of sight when their code was shown.
    excuses: Vec<Monotonic>,
    admissions: Admissions,
    stale_frames: u64,
}

impl Gate {
    /// A gate that has seen nobody yet.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            tracks: Tracks::default(),
            sightings: Vec::new(),
            codes: Codes::default(),
            card: None,
            excuses: Vec::new(),
            admissions: Admissions::default(),
            stale_frames: 0,
        }
    }

    /// Number of frames and codes that were too old to be evidence. It grows when the node is
    /// overloaded.
    pub fn stale_frames(&self) -> u64 {
        self.stale_frames
    }

    /// True if no face is tracked and no card is verified: an unchanged frame says nothing new.
    pub fn is_idle(&self) -> bool {
        self.tracks.iter().next().is_none() && self.card.is_none()
    }

    /// True if somebody was near in the last frame, or a card is being compared. Then frames are
    /// searched in full; otherwise the coarse pass is enough.
    pub fn is_somebody_near(&self) -> bool {
        self.card.is_some() || self.tracks.iter().any(|track| track.state.is_near)
    }

    /// Processes the faces of one analysed frame. Call it for frames without faces too: decisions
    /// become due with time.
    pub fn process_frame(&mut self, faces: &[Face], times: &StageTimes) -> FrameResult {
        let mut result = FrameResult::default();
        self.drop_expired(times.matched);
        let mut sightings = std::mem::take(&mut self.sightings);
        self.tracks.update(faces.iter().map(|face| face.box_in_frame), times.matched, Visitor::default, &mut sightings);
        self.update_visitors(&sightings, faces, times.matched);
        result.outcomes.extend(self.update_card(times));
        for (sighting, face) in sightings.iter().zip(faces) {
            self.step_visitor(sighting.track, face, times, &mut result);
        }
        self.sightings = sightings;
        result
    }

    /// Compares a face with the card (1:1). `None` if the face belongs into the gallery search;
    /// otherwise true if it is the card's face.
    pub fn compare_with_card(&self, probe: ProbeId, face: &Template) -> Option<bool> {
        let card = self.card.as_ref().filter(|card| card.face == Some(probe))?;
        Some(card.matches(face, &self.policy))
    }

    /// Processes the answer about a probe: [`Observation::Unusable`] or [`Observation::Usable`].
    /// Returns the decision that it leads to.
    pub fn process_probe(&mut self, probe: ProbeId, observation: Observation, times: &StageTimes) -> Option<Outcome> {
        let now = times.matched;
        let is_fresh = times.is_fresh(&self.policy);
        self.stale_frames += u64::from(!is_fresh);
        let is_card_face = self.card.as_ref().is_some_and(|card| card.face == Some(probe));
        if is_card_face {
            if let (Observation::Unusable(problem), Some(track)) = (observation, self.tracks.get_mut(probe.track)) {
                track.state.encounter.last_problem = Some(problem);
            }
            let Observation::Usable { matched: Matched::Card(is_same_face), live } = observation else { return None };
            let card = self.card.as_mut().filter(|_| is_fresh)?;
            let verdict = card.process_frame(is_same_face, live, now, &self.policy)?;
            return self.finish_card(verdict, times);
        }
        // Meanwhile the track may have been dropped, or may have changed its face.
        let visitor = &mut self.tracks.get_mut(probe.track)?.state;
        if visitor.stretch != probe.stretch || !is_fresh {
            return None;
        }
        let verdict = visitor.encounter.step(observation, now, &self.policy)?;
        self.conclude(probe.track, verdict, times)
    }

    fn drop_expired(&mut self, now: Monotonic) {
        self.excuses.retain(|until| now < *until);
        self.tracks.retain(|t| !t.state.is_replaceable() || now.since(t.seen) < ADMITTED_DROPPED_AFTER);
    }

    fn update_visitors(&mut self, sightings: &[Sighting], faces: &[Face], now: Monotonic) {
        let policy = self.policy;
        for (sighting, face) in sightings.iter().zip(faces) {
            let Some(track) = self.tracks.get_mut(sighting.track) else { continue };
            track.state.is_near = face.eye_distance_px() >= policy.min_eye_distance_px;
            if sighting.continuity == Continuity::Jumped {
                track.state.lose_continuity(now, &policy);
            }
        }
    }

    fn step_visitor(&mut self, id: TrackId, face: &Face, times: &StageTimes, result: &mut FrameResult) {
        let Some(track) = self.tracks.get_mut(id) else { return };
        let (probe, visitor) = (Probe { id: probe_id(track), face: *face }, &mut track.state);
        if self.card.as_ref().is_some_and(|card| card.face == Some(probe.id)) {
            // The face's own decision waits: the card's owner may not be enrolled.
            result.probes.push(probe);
            return;
        }
        let observation = if visitor.is_near { Observation::Near } else { Observation::TooFar };
        let (was_approaching, was_collecting) =
            (matches!(visitor.encounter.state(), State::Approach), visitor.encounter.is_collecting());
        let verdict = visitor.encounter.step(observation, times.matched, &self.policy);
        if !was_collecting {
            visitor.first_arrival = Some(times.frame.arrival);
        }
        let came_near = was_approaching && matches!(visitor.encounter.state(), State::Acquire { .. });
        if came_near && !self.excuses.is_empty() {
            self.excuses.remove(0);
            visitor.is_excused = true;
        }
        if visitor.is_near && visitor.encounter.is_collecting() {
            result.probes.push(probe);
        }
        if let Some(verdict) = verdict {
            result.outcomes.extend(self.conclude(id, verdict, times));
        }
    }

    /// Turns the verdict of a track's own frames into an entry, unless it says nothing new.
    fn conclude(&mut self, track: TrackId, verdict: Verdict, times: &StageTimes) -> Option<Outcome> {
        let visitor = &mut self.tracks.get_mut(track)?.state;
        let first = visitor.first_arrival;
        match verdict {
            Verdict::Admit(person) => {
                let admitted = Admitted { person: Some(person), pass: None };
                if let Some(until) = self.admissions.cooling_until(&admitted, times.matched, &self.policy) {
                    visitor.encounter.cool_down(until);
                    self.restart_track_admitted_for(person);
                    return None;
                }
                Some(self.admit(admitted, Reason::Matched, Method::Face, times, first))
            }
            // An unclaimed excuse may be this one's: the track began before the phone hid the face.
            Verdict::Refer(_) if visitor.is_excused || self.excuses.pop().is_some() => None,
            Verdict::Refer(reason) => Some(refer(reason, Method::Face, visitor.encounter.last_problem, times, first)),
        }
    }

    /// Restarts the track in which this person was admitted. The person is now in another track, so
    /// the first one follows somebody else, who would be overlooked.
    fn restart_track_admitted_for(&mut self, person: PersonId) {
        for visitor in self.tracks.iter_mut().map(|t| &mut t.state) {
            if visitor.encounter.admitted() == Some(person) {
                visitor.stretch += 1;
                visitor.encounter = Encounter::default();
            }
        }
    }

    /// The nearest face that is in sight and fulfils the condition.
    fn nearest(&self, now: Monotonic, condition: impl Fn(&Visitor) -> bool) -> Option<TrackId> {
        let is_candidate = |t: &&Track<Visitor>| t.state.is_near && now.since(t.seen) < IN_SIGHT && condition(&t.state);
        let nearest = self.tracks.iter().filter(is_candidate);
        nearest.max_by(|a, b| a.box_in_frame.area().total_cmp(&b.box_in_frame.area())).map(|t| t.id)
    }

    /// `first`: arrival of the first frame that the decision rests on, if it is not the deciding
    /// one.
    fn admit(
        &mut self,
        admitted: Admitted,
        reason: Reason,
        method: Method,
        times: &StageTimes,
        first: Option<Monotonic>,
    ) -> Outcome {
        self.admissions.add(admitted, times.matched, &self.policy);
        let entry = EntryDraft {
            decision: Decision::Admit,
            reason,
            method,
            capture_time: times.frame.capture,
            latency_ms: times.latency(first.unwrap_or(times.frame.arrival)),
            decided_at: times.wall(),
            grant: Some(times.grant(&self.policy)),
        };
        Outcome { entry, admitted: Some(admitted), problem: None }
    }
}

impl Visitor {
    /// True if the next person in the queue may take over this track. The cool-down keeps an
    /// admitted person from being admitted twice; a stranger would be referred twice.
    fn is_replaceable(&self) -> bool {
        self.encounter.admitted().is_some() && !self.is_excused
    }

    fn lose_continuity(&mut self, now: Monotonic, policy: &Policy) {
        self.stretch += 1;
        if self.is_replaceable() {
            self.encounter = Encounter::default();
        }
        self.encounter.step(Observation::ContinuityLost, now, policy);
    }
}

fn probe_id(track: &Track<Visitor>) -> ProbeId {
    ProbeId { track: track.id, stretch: track.state.stretch }
}

fn refer(
    reason: Reason,
    method: Method,
    problem: Option<Problem>,
    times: &StageTimes,
    first: Option<Monotonic>,
) -> Outcome {
    let entry = EntryDraft {
        decision: Decision::Refer,
        reason,
        method,
        capture_time: times.frame.capture,
        latency_ms: times.latency(first.unwrap_or(times.frame.arrival)),
        decided_at: times.wall(),
        grant: None,
    };
    Outcome { entry, admitted: None, problem }
}

#[cfg(test)]
mod tests;
