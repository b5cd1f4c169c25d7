//! A card that is being compared with the face of whoever shows it (1:1).

use gatehouse_core::event::Reason;
use gatehouse_core::time::Monotonic;
use gatehouse_models::Template;

use crate::evidence::{Evidence, Liveness, Name};
use crate::gate::ProbeId;
use crate::pass::PassKey;
use crate::policy::{LivenessPolicy, Policy};

/// How a comparison ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CardVerdict {
    Admit,
    Refer(Reason),
}

/// A card, and what the frames since it was shown say. Dropping it overwrites the template.
#[derive(Debug)]
pub(crate) struct CardCheck {
    id: PassKey,
    template: Box<Template>,
    since: Monotonic,
    face: Option<ProbeId>,
    evidence: Evidence<()>,
    admitted_is_near: bool,
}

impl CardCheck {
    pub(crate) fn new(id: PassKey, template: Box<Template>, now: Monotonic) -> Self {
        Self { id, template, since: now, face: None, evidence: Evidence::default(), admitted_is_near: false }
    }

    pub(crate) fn id(&self) -> PassKey {
        self.id
    }

    /// The face that it is compared with.
    pub(crate) fn face(&self) -> Option<ProbeId> {
        self.face
    }

    /// From now on the card is compared with this face; with another one than before, the agreement starts anew.
    pub(crate) fn bind(&mut self, face: Option<ProbeId>) {
        // A frame without any face, while a hand is before it, changes nothing.
        if face.is_some() && face != self.face {
            self.face = face;
            self.evidence = Evidence::default();
        }
    }

    pub(crate) fn matches(&self, face: &Template, policy: &Policy) -> bool {
        self.template.cosine(face) >= policy.card_threshold
    }

    /// Notes that somebody is near whose face has just admitted them.
    pub(crate) fn admitted_is_near(&mut self) {
        self.admitted_is_near = true;
    }

    /// Whether all that it was held up for has happened: its owner was admitted by their face, and nobody else came.
    pub(crate) fn is_idle(&self) -> bool {
        self.admitted_is_near && self.face.is_none()
    }

    /// Takes a usable frame of the face that it is compared with.
    pub(crate) fn observe(
        &mut self,
        same: bool,
        live: Option<f32>,
        now: Monotonic,
        policy: &Policy,
    ) -> Option<CardVerdict> {
        if now.since(self.since) >= policy.card_deadline {
            return None;
        }
        self.evidence.add(if same { Name::One(()) } else { Name::Nobody }, live, now, policy);
        let agreed = self.evidence.agreed(now, policy)?;
        (same && agreed.suffices(policy)).then_some(CardVerdict::Admit)
    }

    /// What becomes of it once its time is over.
    pub(crate) fn due(&self, now: Monotonic, policy: &Policy) -> Option<CardVerdict> {
        if now.since(self.since) < policy.card_deadline {
            return None;
        }
        // A card has nothing behind it that could stand in for liveness: as a second factor it is as strict as required.
        let asked = policy.liveness != LivenessPolicy::Off;
        Some(CardVerdict::Refer(match self.evidence.agreed(now, policy) {
            Some(agreed) if asked && agreed.liveness == Liveness::NotLive => Reason::NotLive,
            Some(agreed) if asked && agreed.liveness == Liveness::Unknown => Reason::LivenessUnknown,
            Some(_) => Reason::FaceUnusable,
            None if self.evidence.usable(now) >= policy.needed_frames() => Reason::CardMismatch,
            None => Reason::FaceUnusable,
        }))
    }
}
