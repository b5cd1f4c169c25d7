//! The states of one track, from the first sight of a face to its one decision: a function of observations and times that
//! are passed in.
//!
//! ```text
//!               near              usable frame            agreement, or deadline
//!  ┌──────────┐      ┌─────────┐                ┌────────┐                    ┌─────────┐
//!  │ Approach │─────▶│ Acquire │───────────────▶│ Verify │───────────────────▶│ Decided │
//!  └──────────┘      └─────────┘                └────────┘                    └─────────┘
//!       ▲   stepped back │  ▲  the face may be another  │  ╲ admitted a moment    (the end)
//!       ├────────────────┘  └───────────────────────────┤   ╲ ago
//!       ├──────────────── stepped back ─────────────────┘    ▼
//!       │                                               ┌──────────┐
//!       └────────── over, or another face ──────────────│ CoolDown │
//!                                                       └──────────┘
//! ```
//!
//! The rules, each with a test below:
//!
//! 1. *Admit* when `frames_to_agree` of the newest `frames_to_judge` usable frames name the same person, the newest one
//!    among them, and no frame since the first of them named another. Where liveness is required, those very frames must
//!    be judged live ([`crate::policy::Policy::live_threshold`], and [`crate::Background`] where it is known).
//! 2. A frame that names another person, a box that jumps, or a face that was out of sight starts the agreement anew. The
//!    deadline stays.
//! 3. Nobody is referred before `refer_not_before`. From then on: who matches and looks like a picture is `NotLive`; whose
//!    window is full without agreement is `NoMatch` when no frame named anyone, and `Unsure` otherwise.
//! 4. With [`LivenessPolicy::SecondFactor`] whoever matches and isn't judged live by then is not refused: their pass
//!    admits them until the deadline, and from then on they are `PassNeeded`. Only a frame that names another ends that.
//! 5. At the deadline: `NotLive`, `LivenessUnknown` when the frames that agree have no score, `PassNeeded`, `NoMatch`,
//!    `Unsure`, or `FaceUnusable` when there weren't frames enough to say any of it.
//! 6. Time runs only while a face is near. Who steps back for a second or leaves is forgotten, without a decision.
//! 7. A track is decided once.

use std::time::Duration;

use gatehouse_core::event::Reason;
use gatehouse_core::time::Monotonic;
use gatehouse_credential::PersonId;

use crate::evidence::{Evidence, Liveness, LivenessCues, Name};
use crate::policy::{LivenessPolicy, Policy};
use crate::quality::Problem;

/// A face that wasn't near for this long has stepped back. Shorter, and a flicker of the measure would restart the deadline.
const STEPPED_BACK: Duration = Duration::from_secs(1);

/// Whom a face matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matched {
    /// This enrolled and consenting person.
    Person(PersonId),
    /// One person hardly better than another.
    Ambiguous,
    /// Nobody who may be recognised.
    Nobody,
    /// Compared with a card's own template: whether it is the card's face.
    Card(bool),
}

/// What one frame says of a track.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Observation {
    /// The face is too far away to be looked at.
    TooFar,
    /// The face is near. Comes with every frame, before the frame's pixels have been looked at.
    Near,
    /// The face's box jumped, or the face was out of sight: it may be another's.
    MaybeAnother,
    /// The frame is of no use for recognition. Not the same as matching nobody.
    Unusable(Problem),
    /// A usable frame.
    Face {
        /// Whom it matches.
        matched: Matched,
        /// Whether it is live.
        live: LivenessCues,
    },
}

/// What a track's frames have come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// This person may pass.
    Admit(PersonId),
    /// They can't be let through, for this reason.
    Refer(Reason),
}

/// Where a track stands. Holds keys and scores, never pixels, embeddings or templates.
#[derive(Debug)]
enum State {
    Approach,
    Acquire { since: Monotonic },
    Verify { since: Monotonic, evidence: Evidence<PersonId>, awaits_pass_of: Option<PersonId> },
    Decided(Settled),
    CoolDown { until: Monotonic },
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settled {
    Admitted(PersonId),
    Referred,
    /// By a pass or a card.
    Elsewhere,
}

/// Names of the states, for health and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Seen, and too far away.
    Approach,
    /// Near; no usable frame yet.
    Acquire,
    /// Matches and liveness are being gathered.
    Verify,
    /// Has its decision.
    Decided,
    /// Shows a person who was admitted a moment ago: says nothing until that time is over.
    CoolDown,
}

/// One track's state.
#[derive(Debug)]
pub struct Encounter {
    state: State,
    near: Option<Monotonic>,
    problem: Option<Problem>,
}

impl Default for Encounter {
    fn default() -> Self {
        Self { state: State::Approach, near: None, problem: None }
    }
}

impl Encounter {
    /// Where it stands.
    pub fn stage(&self) -> Stage {
        match self.state {
            State::Approach => Stage::Approach,
            State::Acquire { .. } => Stage::Acquire,
            State::Verify { .. } => Stage::Verify,
            State::Decided(_) => Stage::Decided,
            State::CoolDown { .. } => Stage::CoolDown,
        }
    }

    /// Whether its frames are worth looking at.
    pub fn wants_frames(&self) -> bool {
        matches!(self.state, State::Acquire { .. } | State::Verify { .. })
    }

    /// Whom its own frames have admitted.
    pub fn admitted(&self) -> Option<PersonId> {
        if let State::Decided(Settled::Admitted(person)) = self.state { Some(person) } else { None }
    }

    /// What was wrong with its last unusable frame.
    pub fn problem(&self) -> Option<Problem> {
        self.problem
    }

    /// Takes one observation; returns the verdict when this brings it, once.
    pub fn step(&mut self, observation: Observation, now: Monotonic, policy: &Policy) -> Option<Verdict> {
        if let State::CoolDown { until } = self.state
            && (now >= until || observation == Observation::MaybeAnother)
        {
            self.state = State::Approach;
        }
        match observation {
            Observation::TooFar => {
                if self.wants_frames() && self.near.is_none_or(|near| now.since(near) >= STEPPED_BACK) {
                    *self = Self::default();
                }
                return None;
            }
            Observation::MaybeAnother => {
                if let State::Verify { since, .. } = self.state {
                    self.state = State::Acquire { since };
                }
                return None;
            }
            Observation::Near => {
                self.near = Some(now);
                if matches!(self.state, State::Approach) {
                    self.state = State::Acquire { since: now };
                }
            }
            Observation::Unusable(problem) => self.note(problem),
            Observation::Face { matched, live } => {
                if let Some(person) = self.take(matched, live, now, policy) {
                    self.state = State::Decided(Settled::Admitted(person));
                    return Some(Verdict::Admit(person));
                }
            }
        }
        let reason = self.due(now, policy)?;
        self.state = State::Decided(Settled::Referred);
        Some(Verdict::Refer(reason))
    }

    /// Notes what was wrong with a frame, without a step.
    pub fn note(&mut self, problem: Problem) {
        self.problem = Some(problem);
    }

    /// Ends it: its person was decided about by a card, or by the pass that it waited for.
    pub fn decided_elsewhere(&mut self) {
        self.state = State::Decided(Settled::Elsewhere);
    }

    /// Takes back an admission of somebody who was admitted a moment ago, and waits until that is over.
    pub fn cool_down(&mut self, until: Monotonic) {
        self.state = State::CoolDown { until };
    }

    /// Whether enough of the newest frames name this person: whether their pass is a second factor here.
    pub fn agrees_on(&self, person: PersonId, now: Monotonic, policy: &Policy) -> bool {
        let State::Verify { evidence, .. } = &self.state else { return false };
        evidence.agreed(now, policy).is_some_and(|agreed| agreed.who == person)
    }

    fn take(&mut self, matched: Matched, live: LivenessCues, now: Monotonic, policy: &Policy) -> Option<PersonId> {
        let name = match matched {
            Matched::Person(person) => Name::One(person),
            Matched::Ambiguous => Name::Ambiguous,
            Matched::Nobody => Name::Nobody,
            // It says nothing of the gallery.
            Matched::Card(_) => return None,
        };
        if let State::Acquire { since } = self.state {
            self.state = State::Verify { since, evidence: Evidence::default(), awaits_pass_of: None };
        }
        let State::Verify { evidence, awaits_pass_of, .. } = &mut self.state else { return None };
        evidence.add(name, live, now, policy);
        if let (Some(waiting), Name::One(person)) = (*awaits_pass_of, name)
            && waiting != person
        {
            *awaits_pass_of = None;
        }
        // An agreement of earlier frames doesn't admit whoever this frame shows.
        let agreed = evidence.agreed(now, policy).filter(|agreed| name == Name::One(agreed.who))?;
        (awaits_pass_of.is_none() && agreed.suffices(policy)).then_some(agreed.who)
    }

    /// The reason to refer now, if it is time.
    fn due(&mut self, now: Monotonic, policy: &Policy) -> Option<Reason> {
        let deadline = policy.deadline.max(policy.refer_not_before);
        let (since, evidence, awaits_pass_of) = match &mut self.state {
            State::Acquire { since } => return (now.since(*since) >= deadline).then_some(Reason::FaceUnusable),
            State::Verify { since, evidence, awaits_pass_of } => (*since, evidence, awaits_pass_of),
            State::Approach | State::Decided(_) | State::CoolDown { .. } => return None,
        };
        let waited = now.since(since);
        if waited < policy.refer_not_before {
            return None;
        }
        let late = waited >= deadline;
        let agreed = evidence.agreed(now, policy);
        if let Some(agreed) = agreed
            && policy.liveness == LivenessPolicy::SecondFactor
            && agreed.liveness != Liveness::Live
        {
            *awaits_pass_of = Some(agreed.who);
        }
        if awaits_pass_of.is_some() {
            return late.then_some(Reason::PassNeeded);
        }
        match agreed {
            Some(agreed) if policy.liveness == LivenessPolicy::Required && agreed.liveness == Liveness::NotLive => {
                Some(Reason::NotLive)
            }
            Some(agreed) if policy.liveness == LivenessPolicy::Required && agreed.liveness == Liveness::Unknown => {
                late.then_some(Reason::LivenessUnknown)
            }
            // All is well but for a newest frame that shows the person.
            Some(_) => late.then_some(Reason::FaceUnusable),
            None if evidence.usable(now) >= policy.window() => {
                let nobody = evidence.names_nobody(now) && !evidence.named_several();
                Some(if nobody { Reason::NoMatch } else { Reason::Unsure })
            }
            None if evidence.named_several() && evidence.usable(now) > 0 => late.then_some(Reason::Unsure),
            None => late.then_some(Reason::FaceUnusable),
        }
    }
}

#[cfg(test)]
mod tests;
