//! Verification of a card against the face of the person who shows it (1:1).

use gatehouse_core::event::Reason;
use gatehouse_core::liveness::LivenessPolicy;
use gatehouse_core::time::Monotonic;
use gatehouse_credential::PassId;
use gatehouse_faces::Template;

use crate::evidence::{Evidence, Liveness, LivenessCues, Name};
use crate::gate::ProbeId;
use crate::policy::Policy;

/// How a verification ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CardVerdict {
    Admit,
    Refer(Reason),
}

/// A card, and the evidence of the frames since it was shown. Dropping it overwrites the template.
#[derive(Debug)]
pub(crate) struct CardCheck {
    pub(crate) id: PassId,
    template: Box<Template>,
    /// When the card was read.
    pub(crate) since: Monotonic,
    /// The face that the card is compared with.
    pub(crate) face: Option<ProbeId>,
    evidence: Evidence<()>,
    /// The last objection of the frames to the card's holder.
    last_objection: Option<Reason>,
    /// True once somebody is near whose own face has just admitted them.
    is_admitted_face_near: bool,
}

impl CardCheck {
    pub(crate) fn new(id: PassId, template: Box<Template>, now: Monotonic) -> Self {
        Self {
            id,
            template,
            since: now,
            face: None,
            evidence: Evidence::default(),
            last_objection: None,
            is_admitted_face_near: false,
        }
    }

    /// Compares the card with this face from now on. A different face clears the evidence.
    pub(crate) fn bind(&mut self, face: Option<ProbeId>) {
        // A frame without a face, such as behind a hand, changes nothing.
        if face.is_some() && face != self.face {
            self.face = face;
            self.evidence = Evidence::default();
        }
    }

    pub(crate) fn matches(&self, face: &Template, policy: &Policy) -> bool {
        self.template.cosine(face) >= policy.card_threshold
    }

    /// Records that somebody is near whose own face has just admitted them.
    pub(crate) fn record_admitted_face(&mut self) {
        self.is_admitted_face_near = true;
    }

    /// True if no decision is needed: the owner was admitted by their face, and nobody else came.
    pub(crate) fn is_obsolete(&self) -> bool {
        self.is_admitted_face_near && self.face.is_none()
    }

    /// Processes a usable frame of the face that the card is compared with.
    pub(crate) fn process_frame(
        &mut self,
        is_same_face: bool,
        live: LivenessCues,
        now: Monotonic,
        policy: &Policy,
    ) -> Option<CardVerdict> {
        if now.since(self.since) >= policy.deadline {
            return None;
        }
        self.evidence.add(if is_same_face { Name::One(()) } else { Name::Nobody }, live, now, policy);
        self.last_objection = self.objection(now, policy).or(self.last_objection);
        let agreement = self.evidence.agreement(now, policy)?;
        (is_same_face && agreement.is_sufficient(policy)).then_some(CardVerdict::Admit)
    }

    /// The verdict once the card's time is over; `None` before.
    pub(crate) fn verdict_at_deadline(&self, now: Monotonic, policy: &Policy) -> Option<CardVerdict> {
        if now.since(self.since) < policy.deadline {
            return None;
        }
        // The reason stays if a person was seen not to be the card's owner and has left.
        let objection = self.objection(now, policy).or(self.last_objection);
        Some(CardVerdict::Refer(objection.unwrap_or(Reason::FaceUnusable)))
    }

    /// The objection of the frames to the card's holder; `None` while there are too few frames.
    fn objection(&self, now: Monotonic, policy: &Policy) -> Option<Reason> {
        // Nothing can replace liveness for a card: `SecondFactor` is as strict as `Required` here.
        let checks_liveness = policy.liveness != LivenessPolicy::Off;
        match self.evidence.agreement(now, policy) {
            Some(agreement) if checks_liveness && agreement.liveness == Liveness::NotLive => Some(Reason::NotLive),
            Some(agreement) if checks_liveness && agreement.liveness == Liveness::Unknown => {
                Some(Reason::LivenessUnknown)
            }
            Some(_) => None,
            None => (self.evidence.usable_frames(now) >= policy.needed_frames()).then_some(Reason::CardMismatch),
        }
    }
}
