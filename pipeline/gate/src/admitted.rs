//! Who was admitted within the cool-down.

use gatehouse_core::time::Monotonic;
use gatehouse_credential::{PassId, PersonId};

use crate::policy::Policy;

/// Who was admitted, as far as the gate knows. Never leaves the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// The person, known by their face or as the owner of their pass.
    pub person: Option<PersonId>,
    /// The pass or the card that was shown.
    pub pass: Option<PassId>,
}

impl Admitted {
    fn is_same_as(&self, other: &Self) -> bool {
        let same_person = self.person.is_some() && self.person == other.person;
        same_person || (self.pass.is_some() && self.pass == other.pass)
    }
}

/// Whether a person was already admitted within the cool-down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readmission {
    /// They were not.
    None,
    /// Their grant still lasts: their face and their pass were both seen.
    SameVisit,
    /// Their grant has ended, and they are back before the cool-down is over.
    TooSoon,
}

/// Everybody who was admitted within the cool-down.
#[derive(Debug, Default)]
pub(crate) struct Admissions(Vec<(Admitted, Monotonic)>);

impl Admissions {
    pub(crate) fn add(&mut self, admitted: Admitted, now: Monotonic, policy: &Policy) {
        self.0.retain(|(_, at)| now.since(*at) < policy.cool_down);
        self.0.push((admitted, now));
    }

    /// When the cool-down of somebody who was admitted ends; `None` if they are not in it.
    pub(crate) fn cooling_until(&self, who: &Admitted, now: Monotonic, policy: &Policy) -> Option<Monotonic> {
        let last = self.last(who).filter(|at| now.since(*at) < policy.cool_down)?;
        Some(last + policy.cool_down)
    }

    pub(crate) fn readmission(&self, who: &Admitted, now: Monotonic, policy: &Policy) -> Readmission {
        match self.last(who).map(|at| now.since(at)) {
            Some(ago) if ago < policy.cool_down.min(policy.grant) => Readmission::SameVisit,
            Some(ago) if ago < policy.cool_down => Readmission::TooSoon,
            _ => Readmission::None,
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
    fn a_person_is_recognised_again_by_face_or_pass() {
        let of = |person: Option<u128>, pass: Option<u128>| Admitted {
            person: person.map(PersonId::from_u128),
            pass: pass.map(PassId::from_u128),
        };
        let mut admissions = Admissions::default();
        admissions.add(of(Some(1), Some(100)), at(0), &policy());
        let readmission = |who: Admitted, ms: u64| admissions.readmission(&who, at(ms), &policy());
        assert_eq!(readmission(of(Some(1), None), 4_999), Readmission::SameVisit);
        assert_eq!(readmission(of(Some(1), Some(200)), 5_000), Readmission::TooSoon);
        assert_eq!(readmission(of(None, Some(100)), 9_999), Readmission::TooSoon);
        assert_eq!(readmission(of(None, Some(100)), 10_000), Readmission::None);
        assert_eq!(readmission(of(Some(2), None), 0), Readmission::None);
        assert_eq!(readmission(of(None, None), 0), Readmission::None, "two unknown people are not the same");
    }
}
