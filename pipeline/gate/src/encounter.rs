//! The states of one track, from the first sight of a face to its one decision.
//!
//! A pure function of observations and times. The events are [`Observation`]s, the states are
//! [`State`]s, and [`Encounter::step`] has one method per event.
//!
//! ```text
//!               near              usable frame            agreement, or deadline
//!  ┌──────────┐      ┌─────────┐                ┌────────┐                    ┌─────────┐
//!  │ Approach │─────▶│ Acquire │───────────────▶│ Verify │───────────────────▶│ Decided │
//!  └──────────┘      └─────────┘                └────────┘                    └─────────┘
//!       ▲   stepped back │  ▲    continuity lost         │  ╲ admitted a
//!       ├────────────────┘  └───────────────────────────┤   ╲ moment ago
//!       ├──────────────── stepped back ─────────────────┘    ▼
//!       │                                               ┌──────────┐
//!       └───── cool-down over, or continuity lost ──────│ CoolDown │
//!                                                       └──────────┘
//! ```
//!
//! The rules, each with a test:
//!
//! 1. *Admit* when `frames_to_agree` of the newest `frames_to_judge` usable frames name the same
//!    person. The newest frame must name them, and no frame since the first of them may name
//!    another person. Where liveness is required, the same frames must be judged live.
//! 2. Evidence starts anew when a frame names another person, when a box jumps, or when a face was
//!    out of sight. The deadline does not move.
//! 3. Nobody is referred before `refer_not_before`. After it, a person who matches and is not live
//!    is `NotLive`. A full window without agreement is `NoMatch` if no frame named anyone, and
//!    `Ambiguous` otherwise.
//! 4. With [`LivenessPolicy::SecondFactor`] a person who matches and is not judged live is not
//!    refused: their pass admits them until the deadline. At the deadline they are `PassNeeded`.
//!    Only a frame that names another person ends this.
//! 5. At the deadline: `NotLive`, `LivenessUnknown` if the agreeing frames have no score,
//!    `PassNeeded`, `NoMatch`, `Ambiguous`, or `FaceUnusable` if there are too few frames for any
//!    of these.
//! 6. Time runs only while a face is near. A face that steps back for a second, or leaves, is
//!    forgotten without a decision.
//! 7. A track is decided once.

use std::time::Duration;

use gatehouse_core::event::Reason;
use gatehouse_core::liveness::LivenessPolicy;
use gatehouse_core::time::Monotonic;
use gatehouse_credential::PersonId;

use crate::evidence::{Agreement, Evidence, Liveness, LivenessCues, Name};
use crate::policy::Policy;
use crate::quality::Problem;

/// A face that was not near for this long has stepped back. A shorter time would let a flickering
/// measurement restart the deadline.
const STEPPED_BACK_AFTER: Duration = Duration::from_secs(1);

/// Whom a face matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matched {
    /// This enrolled and consenting person.
    Person(PersonId),
    /// Two people, one hardly better than the other.
    Ambiguous,
    /// Nobody who may be recognised.
    Nobody,
    /// Compared with a card's template only: true if it is the card's face.
    Card(bool),
}

/// An event of the state machine: what one frame says about a track.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Observation {
    /// The face is too far away to be analysed.
    TooFar,
    /// The face is near. Sent for every frame, before the frame's pixels are analysed.
    Near,
    /// The face's box jumped, or the face was out of sight: it may be another person's.
    ContinuityLost,
    /// The frame cannot be used for recognition. This differs from matching nobody.
    Unusable(Problem),
    /// The frame was matched.
    Usable {
        /// Whom the face matches.
        matched: Matched,
        /// What the frame says about liveness.
        live: LivenessCues,
    },
}

/// The decision that a track's own frames lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// This person may pass.
    Admit(PersonId),
    /// The person cannot be admitted, for this reason.
    Refer(Reason),
}

/// A state of the machine. Holds keys and scores, never pixels, embeddings or templates.
#[derive(Debug)]
pub(crate) enum State {
    /// Seen, and too far away.
    Approach,
    /// Near; no usable frame yet.
    Acquire { since: Monotonic },
    /// Near; evidence of identity and liveness is collected.
    Verify { since: Monotonic, evidence: Evidence<PersonId>, awaits_pass_of: Option<PersonId> },
    /// Has its decision. `admitted`: the person whom its own frames admitted.
    Decided { admitted: Option<PersonId> },
    /// Shows a person who was admitted a moment ago: no decision until the cool-down is over.
    CoolDown { until: Monotonic },
}

/// The state machine of one track.
#[derive(Debug)]
pub(crate) struct Encounter {
    state: State,
    last_near: Option<Monotonic>,
    /// What was wrong with its last unusable frame.
    pub(crate) last_problem: Option<Problem>,
}

impl Default for Encounter {
    fn default() -> Self {
        Self { state: State::Approach, last_near: None, last_problem: None }
    }
}

impl Encounter {
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// True while its frames are analysed.
    pub(crate) fn is_collecting(&self) -> bool {
        matches!(self.state, State::Acquire { .. } | State::Verify { .. })
    }

    /// The person whom its own frames have admitted.
    pub(crate) fn admitted(&self) -> Option<PersonId> {
        if let State::Decided { admitted } = self.state { admitted } else { None }
    }

    /// Processes one observation. Returns the verdict once, when this observation leads to it.
    pub(crate) fn step(&mut self, observation: Observation, now: Monotonic, policy: &Policy) -> Option<Verdict> {
        self.end_cool_down_if_over(observation, now);
        match observation {
            Observation::TooFar => {
                self.on_too_far(now);
                return None;
            }
            Observation::ContinuityLost => {
                self.on_continuity_lost();
                return None;
            }
            Observation::Near => self.on_near(now),
            Observation::Unusable(problem) => self.last_problem = Some(problem),
            Observation::Usable { matched, live } => {
                if let Some(admission) = self.on_usable(matched, live, now, policy) {
                    return Some(admission);
                }
            }
        }
        self.refer_if_due(now, policy)
    }

    /// Ends the encounter because a card decided, or the pass that it waited for.
    pub(crate) fn decide_by_code(&mut self) {
        self.state = State::Decided { admitted: None };
    }

    /// Withdraws the admission of a person who was admitted a moment ago, and waits until `until`.
    pub(crate) fn cool_down(&mut self, until: Monotonic) {
        self.state = State::CoolDown { until };
    }

    /// True if enough of the newest frames name this person, so that their pass is a second factor.
    pub(crate) fn agrees_on(&self, person: PersonId, now: Monotonic, policy: &Policy) -> bool {
        let State::Verify { evidence, .. } = &self.state else { return false };
        evidence.agreement(now, policy).is_some_and(|agreement| agreement.who == person)
    }

    fn end_cool_down_if_over(&mut self, observation: Observation, now: Monotonic) {
        if let State::CoolDown { until } = self.state
            && (now >= until || observation == Observation::ContinuityLost)
        {
            self.state = State::Approach;
        }
    }

    fn on_too_far(&mut self, now: Monotonic) {
        if self.is_collecting() && self.last_near.is_none_or(|near| now.since(near) >= STEPPED_BACK_AFTER) {
            *self = Self::default();
        }
    }

    fn on_continuity_lost(&mut self) {
        if let State::Verify { since, .. } = self.state {
            self.state = State::Acquire { since };
        }
    }

    fn on_near(&mut self, now: Monotonic) {
        self.last_near = Some(now);
        if matches!(self.state, State::Approach) {
            self.state = State::Acquire { since: now };
        }
    }

    fn on_usable(&mut self, matched: Matched, live: LivenessCues, now: Monotonic, policy: &Policy) -> Option<Verdict> {
        let name = match matched {
            Matched::Person(person) => Name::One(person),
            Matched::Ambiguous => Name::Ambiguous,
            Matched::Nobody => Name::Nobody,
            // A comparison with a card says nothing about the gallery.
            Matched::Card(_) => return None,
        };
        if let State::Acquire { since } = self.state {
            self.state = State::Verify { since, evidence: Evidence::default(), awaits_pass_of: None };
        }
        let State::Verify { evidence, awaits_pass_of, .. } = &mut self.state else { return None };
        evidence.add(name, live, now, policy);
        if let (Some(awaited), Name::One(person)) = (*awaits_pass_of, name)
            && awaited != person
        {
            *awaits_pass_of = None;
        }
        // An agreement of earlier frames must not admit the person whom this frame shows.
        let agreement = evidence.agreement(now, policy).filter(|agreement| name == Name::One(agreement.who))?;
        if awaits_pass_of.is_some() || !agreement.is_sufficient(policy) {
            return None;
        }
        self.state = State::Decided { admitted: Some(agreement.who) };
        Some(Verdict::Admit(agreement.who))
    }

    fn refer_if_due(&mut self, now: Monotonic, policy: &Policy) -> Option<Verdict> {
        let reason = self.referral_reason(now, policy)?;
        self.state = State::Decided { admitted: None };
        Some(Verdict::Refer(reason))
    }

    /// The reason to refer at `now`; `None` if it is too early.
    fn referral_reason(&mut self, now: Monotonic, policy: &Policy) -> Option<Reason> {
        let deadline = policy.deadline.max(policy.refer_not_before);
        let (since, evidence, awaits_pass_of) = match &mut self.state {
            State::Acquire { since } => return (now.since(*since) >= deadline).then_some(Reason::FaceUnusable),
            State::Verify { since, evidence, awaits_pass_of } => (*since, evidence, awaits_pass_of),
            State::Approach | State::Decided { .. } | State::CoolDown { .. } => return None,
        };
        let waited = now.since(since);
        if waited < policy.refer_not_before {
            return None;
        }
        let is_past_deadline = waited >= deadline;
        let agreement = evidence.agreement(now, policy);
        if let Some(agreement) = agreement
            && policy.liveness == LivenessPolicy::SecondFactor
            && agreement.liveness != Liveness::Live
        {
            *awaits_pass_of = Some(agreement.who);
        }
        if awaits_pass_of.is_some() {
            return is_past_deadline.then_some(Reason::PassNeeded);
        }
        match agreement {
            Some(agreement) => reason_despite_agreement(agreement, is_past_deadline, policy),
            None => reason_without_agreement(evidence, is_past_deadline, now, policy),
        }
    }
}

fn reason_despite_agreement(agreement: Agreement<PersonId>, is_past_deadline: bool, policy: &Policy) -> Option<Reason> {
    let is_required = policy.liveness == LivenessPolicy::Required;
    match agreement.liveness {
        Liveness::NotLive if is_required => Some(Reason::NotLive),
        Liveness::Unknown if is_required => is_past_deadline.then_some(Reason::LivenessUnknown),
        // Only a newest frame that shows the person is missing.
        _ => is_past_deadline.then_some(Reason::FaceUnusable),
    }
}

fn reason_without_agreement(
    evidence: &Evidence<PersonId>,
    is_past_deadline: bool,
    now: Monotonic,
    policy: &Policy,
) -> Option<Reason> {
    let usable_frames = evidence.usable_frames(now);
    if usable_frames >= policy.window() {
        let names_nobody = evidence.names_nobody(now) && !evidence.has_named_several();
        return Some(if names_nobody { Reason::NoMatch } else { Reason::Ambiguous });
    }
    let reason =
        if evidence.has_named_several() && usable_frames > 0 { Reason::Ambiguous } else { Reason::FaceUnusable };
    is_past_deadline.then_some(reason)
}

#[cfg(test)]
mod tests;
