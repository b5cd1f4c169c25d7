//! A card that is being compared with the face of whoever shows it (1:1).

use gatehouse_core::event::Reason;
use gatehouse_core::time::Monotonic;
use gatehouse_credential::PassId;
use gatehouse_faces::Template;

use crate::evidence::{Evidence, Liveness, LivenessCues, Name};
use crate::gate::ProbeId;
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
    id: PassId,
    template: Box<Template>,
    since: Monotonic,
    face: Option<ProbeId>,
    evidence: Evidence<()>,
    /// The last that the frames said against its holder.
    last_word: Option<Reason>,
    admitted_is_near: bool,
}

impl CardCheck {
    pub(crate) fn new(id: PassId, template: Box<Template>, now: Monotonic) -> Self {
        Self {
            id,
            template,
            since: now,
            face: None,
            evidence: Evidence::default(),
            last_word: None,
            admitted_is_near: false,
        }
    }

    pub(crate) fn id(&self) -> PassId {
        self.id
    }

    /// When it was read.
    pub(crate) fn since(&self) -> Monotonic {
        self.since
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
        live: LivenessCues,
        now: Monotonic,
        policy: &Policy,
    ) -> Option<CardVerdict> {
        if now.since(self.since) >= policy.card_deadline {
            return None;
        }
        self.evidence.add(if same { Name::One(()) } else { Name::Nobody }, live, now, policy);
        self.last_word = self.word(now, policy).or(self.last_word);
        let agreed = self.evidence.agreed(now, policy)?;
        (same && agreed.suffices(policy)).then_some(CardVerdict::Admit)
    }

    /// What becomes of it once its time is over.
    pub(crate) fn due(&self, now: Monotonic, policy: &Policy) -> Option<CardVerdict> {
        if now.since(self.since) < policy.card_deadline {
            return None;
        }
        // Whoever was seen not to be the card's owner, and left, is told so.
        let word = self.word(now, policy).or(self.last_word);
        Some(CardVerdict::Refer(word.unwrap_or(Reason::FaceUnusable)))
    }

    /// What the frames say against its holder; nothing while there are too few.
    fn word(&self, now: Monotonic, policy: &Policy) -> Option<Reason> {
        // A card has nothing behind it that could stand in for liveness: as a second factor it is as strict as required.
        let asked = policy.liveness != LivenessPolicy::Off;
        match self.evidence.agreed(now, policy) {
            Some(agreed) if asked && agreed.liveness == Liveness::NotLive => Some(Reason::NotLive),
            Some(agreed) if asked && agreed.liveness == Liveness::Unknown => Some(Reason::LivenessUnknown),
            Some(_) => None,
            None => (self.evidence.usable(now) >= policy.needed_frames()).then_some(Reason::CardMismatch),
        }
    }
}
