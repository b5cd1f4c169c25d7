//! Passes and cards at one gate.

use std::time::Duration;

use gatehouse_core::event::{Method, Reason};
use gatehouse_core::time::Monotonic;
use gatehouse_credential::{PassId, PersonId};

use super::{Gate, Outcome, Visitor, probe_id, refer};
use crate::admitted::{Admitted, Readmission};
use crate::card::{CardCheck, CardVerdict};
use crate::pass::CodeCheck;
use crate::times::StageTimes;

/// How long after a code the face of its holder may appear from behind the phone.
const EXCUSED_FOR: Duration = Duration::from_secs(3);

impl Gate {
    /// Registers a code that was read; `times.matched` is the time of reading. Returns true if the
    /// code must be checked: it is new, its frame is fresh, and no card is being verified. Call it
    /// before the code is verified and its use is counted.
    pub fn register_code(&mut self, text: &[u8], times: &StageTimes) -> bool {
        if !times.is_fresh(&self.policy) {
            self.stale_frames += 1;
            return false;
        }
        let is_busy = self.card.is_some();
        self.codes.register(text, is_busy, times.matched)
    }

    /// True if a valid pass would admit somebody now. Ask before its use is counted: a pass of
    /// somebody who was just admitted, or in a stale frame, must not lose a use.
    pub fn would_admit(&self, person: Option<PersonId>, id: PassId, times: &StageTimes) -> bool {
        let admitted = Admitted { person, pass: Some(id) };
        let readmission = self.admissions.readmission(&admitted, times.matched, &self.policy);
        times.is_fresh(&self.policy) && readmission == Readmission::None
    }

    /// Processes the result of a check that [`Gate::register_code`] asked for.
    pub fn process_code(&mut self, check: CodeCheck, times: &StageTimes) -> Option<Outcome> {
        let now = times.matched;
        if !times.is_fresh(&self.policy) {
            self.stale_frames += 1;
            return None;
        }
        let (person, id, template) = match check {
            CodeCheck::Refused(reason) => return Some(self.refuse_code(reason, times)),
            CodeCheck::Accepted { person, id } => (person, id, None),
            CodeCheck::Card { id, template } => (None, id, Some(template)),
        };
        let admitted = Admitted { person, pass: Some(id) };
        match self.admissions.readmission(&admitted, now, &self.policy) {
            Readmission::None => {}
            Readmission::SameVisit => return None,
            Readmission::TooSoon => return Some(self.refuse_code(Reason::PassUsed, times)),
        }
        if let Some(template) = template {
            self.card = Some(CardCheck::new(id, template, now));
            return self.update_card(times);
        }
        let awaiting = person.and_then(|person| {
            let agrees = |visitor: &Visitor| visitor.encounter.agrees_on(person, now, &self.policy);
            self.tracks.iter().find(|t| agrees(&t.state)).map(|t| t.id)
        });
        let (method, first) = if let Some(track) = awaiting.and_then(|track| self.tracks.get_mut(track)) {
            track.state.encounter.decide_by_code();
            (Method::QrAndFace, track.state.first_arrival)
        } else {
            self.excuse_nearest(now);
            (Method::Qr, None)
        };
        Some(self.admit(admitted, Reason::PassAccepted, method, times, first))
    }

    fn refuse_code(&mut self, reason: Reason, times: &StageTimes) -> Outcome {
        self.codes.record_refusal(times.matched);
        self.excuse_nearest(times.matched);
        refer(reason, Method::Qr, None, times, None)
    }

    /// Binds the card to the nearest face that was not just admitted, and ends the verification at
    /// its deadline.
    pub(super) fn update_card(&mut self, times: &StageTimes) -> Option<Outcome> {
        let nearest = self.nearest(times.matched, |visitor| visitor.encounter.admitted().is_none());
        let admitted = self.nearest(times.matched, |visitor| visitor.encounter.admitted().is_some());
        let card = self.card.as_mut()?;
        card.bind(nearest.and_then(|id| self.tracks.get(id)).map(probe_id));
        if admitted.is_some() {
            card.record_admitted_face();
        }
        let verdict = card.verdict_at_deadline(times.matched, &self.policy)?;
        self.finish_card(verdict, times)
    }

    /// Ends the verification of the card and drops its template.
    pub(super) fn finish_card(&mut self, verdict: CardVerdict, times: &StageTimes) -> Option<Outcome> {
        let card = self.card.take().filter(|card| !card.is_obsolete())?;
        let (mut problem, first) = (None, Some(card.since));
        if let Some(track) = card.face.and_then(|face| self.tracks.get_mut(face.track)) {
            problem = track.state.encounter.last_problem;
            track.state.is_excused = true;
            track.state.encounter.decide_by_code();
        } else {
            self.excuses.push(times.matched + EXCUSED_FOR);
        }
        match verdict {
            CardVerdict::Admit => {
                let admitted = Admitted { person: None, pass: Some(card.id) };
                Some(self.admit(admitted, Reason::Matched, Method::QrAndFace, times, first))
            }
            CardVerdict::Refer(reason) => Some(refer(reason, Method::QrAndFace, problem, times, first)),
        }
    }

    /// Excuses one face from a referral of its own, because its owner showed a code: the nearest
    /// face, or the next one that appears.
    fn excuse_nearest(&mut self, now: Monotonic) {
        let nearest = self.nearest(now, |visitor| !visitor.is_excused);
        match nearest.and_then(|id| self.tracks.get_mut(id)) {
            Some(track) => track.state.is_excused = true,
            None => self.excuses.push(now + EXCUSED_FOR),
        }
    }
}
