//! Who was let through a moment ago.

use gatehouse_core::time::Monotonic;
use gatehouse_credential::{PassId, PersonId};

use crate::policy::Policy;

/// Who was let through, as far as the gate knows. Stays at the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// The person, by their face or as the owner of their pass.
    pub person: Option<PersonId>,
    /// The pass or the card.
    pub pass: Option<PassId>,
}

impl Admitted {
    fn is_same_as(&self, other: &Self) -> bool {
        let same_person = self.person.is_some() && self.person == other.person;
        same_person || (self.pass.is_some() && self.pass == other.pass)
    }
}

/// Whether somebody was let through a moment ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    No,
    /// Their grant still lasts: their face and their pass were both seen.
    SameVisit,
    /// They went through, and are there again before the cool-down is over.
    TooSoon,
}

/// Everybody who was let through within the cool-down.
#[derive(Debug, Default)]
pub(crate) struct Admissions(Vec<(Admitted, Monotonic)>);

impl Admissions {
    pub(crate) fn add(&mut self, admitted: Admitted, now: Monotonic, policy: &Policy) {
        self.0.retain(|(_, at)| now.since(*at) < policy.cool_down);
        self.0.push((admitted, now));
    }

    /// When somebody who was let through a moment ago may be let through again.
    pub(crate) fn cooling_until(&self, who: &Admitted, now: Monotonic, policy: &Policy) -> Option<Monotonic> {
        let last = self.last(who).filter(|at| now.since(*at) < policy.cool_down)?;
        Some(last + policy.cool_down)
    }

    pub(crate) fn again(&self, who: &Admitted, now: Monotonic, policy: &Policy) -> Again {
        match self.last(who).map(|at| now.since(at)) {
            Some(ago) if ago < policy.cool_down.min(policy.grant) => Again::SameVisit,
            Some(ago) if ago < policy.cool_down => Again::TooSoon,
            _ => Again::No,
        }
    }

    fn last(&self, who: &Admitted) -> Option<Monotonic> {
        self.0.iter().filter(|(admitted, _)| admitted.is_same_as(who)).map(|(_, at)| *at).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, policy};

    #[test]
    fn somebody_is_the_same_by_their_face_or_by_their_pass() {
        let of = |person: Option<u128>, pass: Option<u128>| Admitted {
            person: person.map(PersonId::from_u128),
            pass: pass.map(PassId::from_u128),
        };
        let mut admissions = Admissions::default();
        admissions.add(of(Some(1), Some(100)), at(0), &policy());
        let again = |who: Admitted, ms: u64| admissions.again(&who, at(ms), &policy());
        assert_eq!(again(of(Some(1), None), 4_999), Again::SameVisit);
        assert_eq!(again(of(Some(1), Some(200)), 5_000), Again::TooSoon);
        assert_eq!(again(of(None, Some(100)), 9_999), Again::TooSoon);
        assert_eq!(again(of(None, Some(100)), 10_000), Again::No);
        assert_eq!(again(of(Some(2), None), 0), Again::No);
        assert_eq!(again(of(None, None), 0), Again::No, "two who are both unknown are not the same");
    }
}
