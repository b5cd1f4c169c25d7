//! One gate camera's state: who stands before it, which card is being compared, and who was admitted a moment ago.

use std::time::Duration;

use gatehouse_core::event::{Decision, EntryLatency, Method, Reason};
use gatehouse_core::time::{CaptureTime, Monotonic, WallTime};
use gatehouse_faces::{Face, Template};
use gatehouse_picture::Size;

use crate::admitted::{Admissions, Admitted, Again};
use crate::card::{CardCheck, CardVerdict};
use crate::coarse_pass::{coarse_side_px, may_be_near};
use crate::encounter::{Encounter, Matched, Observation, Stage, Verdict};
use crate::gallery::PersonKey;
use crate::pass::{Codes, PassKey, PassSeen};
use crate::policy::Policy;
use crate::quality::Problem;
use crate::times::StageTimes;
use crate::track::{Continuity, Sighting, Track, TrackId, Tracks};

/// A track that was admitted by face is forgotten when it was out of sight for this long.
const ADMITTED_FORGOTTEN_AFTER: Duration = Duration::from_millis(500);
/// How long after a pass the face of whoever showed it may come up from behind their phone.
const EXCUSED_FOR: Duration = Duration::from_secs(3);

/// A face that was seen this long ago still stands before the camera.
const IN_SIGHT: Duration = Duration::from_millis(500);

/// A stretch of a track during which nothing hints at another face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProbeId {
    /// The track.
    pub track: TrackId,
    /// Counts the track's stretches: an answer that comes after the face may have changed is told by it.
    pub stretch: u32,
}

/// A face whose pixels are wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probe {
    /// What to answer with.
    pub id: ProbeId,
    /// The face: landmarks for alignment, box for liveness.
    pub face: Face,
}

/// An entry that has no sequence number yet. Says nothing of who it is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EntryDraft {
    /// Let through, or sent to a person.
    pub decision: Decision,
    /// Why.
    pub reason: Reason,
    /// What was presented.
    pub method: Method,
    /// When the frame that settled it was captured.
    pub capture_time: CaptureTime,
    /// Where the time went.
    pub latency_ms: EntryLatency,
    /// Until when the grant may be used; only an `admit` has one.
    pub expires_at: Option<WallTime>,
}

/// A decision, and what stays at the site.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// What goes out.
    pub entry: EntryDraft,
    /// Who was let through, for the site's own entry log. Nobody who is referred is written down.
    pub admitted: Option<Admitted>,
    /// What was wrong with the last unusable frame of somebody who is referred: for the operator's log.
    pub problem: Option<Problem>,
}

/// What a frame's faces come to.
#[derive(Debug, Default, PartialEq)]
pub struct Seen {
    /// The faces to look at.
    pub probes: Vec<Probe>,
    /// Decisions that were due.
    pub outcomes: Vec<Outcome>,
}

/// Somebody before the camera.
#[derive(Debug, Default)]
struct Visitor {
    encounter: Encounter,
    stretch: u32,
    /// Was near enough when it was last seen.
    near: bool,
    /// When the first of the frames arrived that its encounter is about.
    first: Option<Monotonic>,
    /// Showed a pass, so that their face isn't referred as well.
    excused: bool,
}

/// One gate camera.
#[derive(Debug)]
pub struct Gate {
    policy: Policy,
    tracks: Tracks<Visitor>,
    /// Reused by every frame.
    sightings: Vec<Sighting>,
    codes: Codes,
    card: Option<CardCheck>,
    /// Ends of the excuses for faces that weren't in sight when their pass was shown.
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

    /// Frames, and codes, that came too late to be evidence. A number that grows means an overloaded node, or a camera whose
    /// clock is behind.
    pub fn stale_frames(&self) -> u64 {
        self.stale_frames
    }

    /// Whether nobody is followed and no card is being compared, so that a frame in which nothing has changed says nothing new.
    pub fn is_idle(&self) -> bool {
        self.tracks.iter().next().is_none() && self.card.is_none()
    }

    /// The longer side of the coarse pass's picture for a frame of this size, in pixels: one of
    /// [`crate::COARSE_SIDES_PX`]. `None` if the frame is to be searched in full: somebody was near in
    /// the last frame, or a card is being compared.
    pub fn coarse_side_px(&self, frame: Size) -> Option<usize> {
        let is_nobody_near = self.card.is_none() && !self.tracks.iter().any(|track| track.state.near);
        is_nobody_near.then(|| coarse_side_px(frame, self.policy.min_eye_distance_px)).flatten()
    }

    /// True if a face of the coarse pass may be near.
    pub fn may_be_near(&self, faces: &[Face]) -> bool {
        may_be_near(faces, self.policy.min_eye_distance_px)
    }

    /// Takes the faces of one frame, also when there are none. To be called for every analysed frame: what is due is told
    /// here.
    pub fn see(&mut self, faces: &[Face], times: &StageTimes) -> Seen {
        let (now, policy) = (times.matched, self.policy);
        let mut seen = Seen::default();
        self.excuses.retain(|until| now < *until);
        self.tracks.retain(|t| !t.state.may_make_way() || now.since(t.seen) < ADMITTED_FORGOTTEN_AFTER);
        let mut sightings = std::mem::take(&mut self.sightings);
        self.tracks.update(faces.iter().map(|face| face.box_in_frame), now, Visitor::default, &mut sightings);
        for (sighting, face) in sightings.iter().zip(faces) {
            if let Some(track) = self.tracks.get_mut(sighting.track) {
                track.state.near = face.eye_distance_px() >= policy.min_eye_distance_px;
                if sighting.continuity == Continuity::Jumped {
                    track.state.may_be_another(now, &policy);
                }
            }
        }
        seen.outcomes.extend(self.tend_card(times));
        for (sighting, face) in sightings.iter().zip(faces) {
            let Some(track) = self.tracks.get_mut(sighting.track) else { continue };
            let (id, visitor) = (probe_id(track), &mut track.state);
            if self.card.as_ref().is_some_and(|card| card.face() == Some(id)) {
                // Its own decision waits: the card's owner may be enrolled nowhere.
                seen.probes.push(Probe { id, face: *face });
                continue;
            }
            let observation = if visitor.near { Observation::Near } else { Observation::TooFar };
            let before = visitor.encounter.stage();
            let verdict = visitor.encounter.step(observation, now, &policy);
            if !matches!(before, Stage::Acquire | Stage::Verify) {
                visitor.first = Some(times.frame.arrival);
            }
            if before == Stage::Approach && visitor.encounter.stage() == Stage::Acquire && !self.excuses.is_empty() {
                self.excuses.remove(0);
                visitor.excused = true;
            }
            if visitor.near && visitor.encounter.wants_frames() {
                seen.probes.push(Probe { id, face: *face });
            }
            if let Some(verdict) = verdict {
                seen.outcomes.extend(self.settle(id.track, verdict, times));
            }
        }
        self.sightings = sightings;
        seen
    }

    /// Whether a face is to be compared with a card (1:1) and not with the gallery; and if so, whether it is the card's.
    pub fn compare_with_card(&self, probe: ProbeId, face: &Template) -> Option<bool> {
        let card = self.card.as_ref().filter(|card| card.face() == Some(probe))?;
        Some(card.matches(face, &self.policy))
    }

    /// Whether a card is being compared with a face.
    pub fn verifies_card(&self) -> bool {
        self.card.is_some()
    }

    /// Takes what was found out about a probe: [`Observation::Unusable`] or [`Observation::Face`]. Returns what that settles.
    pub fn judge(&mut self, probe: ProbeId, observation: Observation, times: &StageTimes) -> Option<Outcome> {
        let now = times.matched;
        let fresh = times.is_fresh(&self.policy);
        self.stale_frames += u64::from(!fresh);
        let compared = self.card.as_ref().is_some_and(|card| card.face() == Some(probe));
        if compared {
            if let (Observation::Unusable(problem), Some(track)) = (observation, self.tracks.get_mut(probe.track)) {
                track.state.encounter.note(problem);
            }
            let Observation::Face { matched: Matched::Card(same), live } = observation else { return None };
            let verdict = self.card.as_mut().filter(|_| fresh)?.observe(same, live, now, &self.policy)?;
            return self.end_card(verdict, times);
        }
        // The track may have been forgotten, or changed its face, while this was being found out.
        let visitor = &mut self.tracks.get_mut(probe.track)?.state;
        if visitor.stretch != probe.stretch || !fresh {
            return None;
        }
        let verdict = visitor.encounter.step(observation, now, &self.policy)?;
        self.settle(probe.track, verdict, times)
    }

    /// Whether a code that was read is to be checked: it is new, its frame is not too old, and no card is being compared. To
    /// be asked before the code is verified and counted as used; `times.matched` is when it was read.
    pub fn notice_code(&mut self, text: &[u8], times: &StageTimes) -> bool {
        if !times.is_fresh(&self.policy) {
            self.stale_frames += 1;
            return false;
        }
        let busy = self.card.is_some();
        self.codes.notice(text, busy, times.matched)
    }

    /// Whether a good pass would admit somebody now. To be asked before it is counted as used: one that is shown by somebody who
    /// has just been let in, or in a frame that has grown too old, costs no use.
    pub fn would_admit(&self, person: Option<PersonKey>, id: PassKey, times: &StageTimes) -> bool {
        let again = self.admissions.again(&Admitted { person, pass: Some(id) }, times.matched, &self.policy);
        times.is_fresh(&self.policy) && matches!(again, Again::No)
    }

    /// Takes what the site says of a code that [`Gate::notice_code`] wanted checked.
    pub fn show_pass(&mut self, seen: PassSeen, times: &StageTimes) -> Option<Outcome> {
        let now = times.matched;
        if !times.is_fresh(&self.policy) {
            self.stale_frames += 1;
            return None;
        }
        let (person, id, template) = match seen {
            PassSeen::Refused(reason) => {
                self.codes.refused(now);
                self.excuse_nearest(now);
                return Some(refer(reason, Method::Qr, None, times, None));
            }
            PassSeen::Accepted { person, id } => (person, id, None),
            PassSeen::Card { id, template } => (None, id, Some(template)),
        };
        let admitted = Admitted { person, pass: Some(id) };
        match self.admissions.again(&admitted, now, &self.policy) {
            Again::No => {}
            Again::SameVisit => return None,
            Again::TooSoon => {
                self.codes.refused(now);
                self.excuse_nearest(now);
                return Some(refer(Reason::PassUsed, Method::Qr, None, times, None));
            }
        }
        if let Some(template) = template {
            self.card = Some(CardCheck::new(id, template, now));
            return self.tend_card(times);
        }
        let waiting = person.and_then(|person| {
            let agrees = |visitor: &Visitor| visitor.encounter.agrees_on(person, now, &self.policy);
            self.tracks.iter().find(|t| agrees(&t.state)).map(|t| t.id)
        });
        let (method, first) = if let Some(track) = waiting.and_then(|track| self.tracks.get_mut(track)) {
            track.state.encounter.decided_elsewhere();
            (Method::QrAndFace, track.state.first)
        } else {
            self.excuse_nearest(now);
            (Method::Qr, None)
        };
        Some(self.admit(admitted, Reason::PassAccepted, method, times, first))
    }

    /// The verdict of a track's own frames becomes an entry, unless it says nothing new.
    fn settle(&mut self, track: TrackId, verdict: Verdict, times: &StageTimes) -> Option<Outcome> {
        let visitor = &mut self.tracks.get_mut(track)?.state;
        let first = visitor.first;
        match verdict {
            Verdict::Admit(person) => {
                let admitted = Admitted { person: Some(person), pass: None };
                if let Some(until) = self.admissions.cooling_until(&admitted, times.matched, &self.policy) {
                    visitor.encounter.cool_down(until);
                    self.look_again_at_the_track_of(person);
                    return None;
                }
                Some(self.admit(admitted, Reason::Matched, Method::Face, times, first))
            }
            // An excuse that nobody has claimed may be this one's: their track began before the phone hid their face.
            Verdict::Refer(_) if visitor.excused || self.excuses.pop().is_some() => None,
            Verdict::Refer(reason) => Some(refer(reason, Method::Face, visitor.encounter.problem(), times, first)),
        }
    }

    /// A person who was admitted in one track and is seen in another has changed tracks: the first one follows somebody else
    /// by now, who would be overlooked there.
    fn look_again_at_the_track_of(&mut self, person: PersonKey) {
        for visitor in self.tracks.iter_mut().map(|t| &mut t.state) {
            if visitor.encounter.admitted() == Some(person) {
                visitor.stretch += 1;
                visitor.encounter = Encounter::default();
            }
        }
    }

    /// Chooses the face that a card is compared with: the nearest one that hasn't just been admitted. Ends the comparison when
    /// its time is over.
    fn tend_card(&mut self, times: &StageTimes) -> Option<Outcome> {
        let nearest = self.nearest(times.matched, |visitor| visitor.encounter.admitted().is_none());
        let admitted = self.nearest(times.matched, |visitor| visitor.encounter.admitted().is_some());
        let card = self.card.as_mut()?;
        card.bind(nearest.and_then(|id| self.tracks.get(id)).map(probe_id));
        if admitted.is_some() {
            card.admitted_is_near();
        }
        let verdict = card.due(times.matched, &self.policy)?;
        self.end_card(verdict, times)
    }

    /// Ends the comparison with a card, and with it the card's template.
    fn end_card(&mut self, verdict: CardVerdict, times: &StageTimes) -> Option<Outcome> {
        let card = self.card.take().filter(|card| !card.is_idle())?;
        let (mut problem, first) = (None, Some(card.since()));
        if let Some(track) = card.face().and_then(|face| self.tracks.get_mut(face.track)) {
            problem = track.state.encounter.problem();
            track.state.excused = true;
            track.state.encounter.decided_elsewhere();
        } else {
            self.excuses.push(times.matched + EXCUSED_FOR);
        }
        match verdict {
            CardVerdict::Admit => {
                let admitted = Admitted { person: None, pass: Some(card.id()) };
                Some(self.admit(admitted, Reason::Matched, Method::QrAndFace, times, first))
            }
            CardVerdict::Refer(reason) => Some(refer(reason, Method::QrAndFace, problem, times, first)),
        }
    }

    /// The nearest face that was in sight just now.
    fn nearest(&self, now: Monotonic, wanted: impl Fn(&Visitor) -> bool) -> Option<TrackId> {
        let in_sight = |t: &&Track<Visitor>| t.state.near && now.since(t.seen) < IN_SIGHT && wanted(&t.state);
        let nearest = self.tracks.iter().filter(in_sight);
        nearest.max_by(|a, b| a.box_in_frame.area().total_cmp(&b.box_in_frame.area())).map(|t| t.id)
    }

    /// Whoever showed a pass has been decided about: their face isn't to be referred as well. That is one face, the nearest,
    /// or the next that comes up.
    fn excuse_nearest(&mut self, now: Monotonic) {
        let nearest = self.nearest(now, |visitor| !visitor.excused);
        match nearest.and_then(|id| self.tracks.get_mut(id)) {
            Some(track) => track.state.excused = true,
            None => self.excuses.push(now + EXCUSED_FOR),
        }
    }

    /// `first`: when the first frame arrived that the decision rests on, if not the settling one.
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
            expires_at: Some(times.grant_ends(&self.policy)),
        };
        Outcome { entry, admitted: Some(admitted), problem: None }
    }
}

impl Visitor {
    /// Whether the next in the queue may step into this track's place: the person's own cool-down keeps them from being
    /// admitted twice, while a stranger would be referred twice.
    fn may_make_way(&self) -> bool {
        self.encounter.admitted().is_some() && !self.excused
    }

    fn may_be_another(&mut self, now: Monotonic, policy: &Policy) {
        self.stretch += 1;
        if self.may_make_way() {
            self.encounter = Encounter::default();
        }
        self.encounter.step(Observation::MaybeAnother, now, policy);
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
        expires_at: None,
    };
    Outcome { entry, admitted: None, problem }
}

#[cfg(test)]
mod tests;
