//! The enrolled people whom a gate recognises, each with the end of their consent.

use std::collections::HashSet;

use gatehouse_core::time::WallTime;
use gatehouse_credential::PersonId;
use gatehouse_faces::Template;

use crate::encounter::Matched;

/// The owner of one enrolled template.
#[derive(Debug, Clone, Copy)]
pub struct Enrolled {
    /// The person.
    pub person: PersonId,
    /// The end of their consent.
    pub consent_until: WallTime,
}

/// Compares the person only: two templates of one person are not rivals.
impl PartialEq for Enrolled {
    fn eq(&self, other: &Self) -> bool {
        self.person == other.person
    }
}

impl Eq for Enrolled {}

/// When a probe matches a person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MatchRule {
    /// Least score of a match (a cosine).
    pub threshold: f32,
    /// Least difference between the best score and the best score of every other person. A smaller
    /// one is ambiguous.
    pub margin: f32,
}

/// The people whom one gate may recognise. Cheap to clone; a change makes a new gallery, so readers
/// keep theirs.
#[derive(Debug, Clone)]
pub struct Gallery {
    templates: gatehouse_faces::Gallery<Enrolled>,
    rule: MatchRule,
}

impl Gallery {
    /// Builds a gallery of enrolled templates.
    pub fn new(templates: impl IntoIterator<Item = (Enrolled, Template)>, rule: MatchRule) -> Self {
        Self { templates: templates.into_iter().collect(), rule }
    }

    /// The same people with another rule. Shares the templates.
    pub fn with_rule(&self, rule: MatchRule) -> Self {
        Self { templates: self.templates.clone(), rule }
    }

    /// This gallery without the `removed` people and with the `added` ones. A person whose template
    /// or consent has changed is in both. The cost grows with the number of changes only.
    pub fn with_changes(
        &self,
        removed: &HashSet<PersonId>,
        added: impl IntoIterator<Item = (Enrolled, Template)>,
    ) -> Self {
        let mut templates = self.templates.clone();
        if !removed.is_empty() {
            templates.remove_if(|enrolled| removed.contains(&enrolled.person));
        }
        for (enrolled, template) in added {
            templates.insert(enrolled, &template);
        }
        Self { templates, rule: self.rule }
    }

    /// Number of templates.
    pub fn len(&self) -> usize {
        self.templates.len()
    }

    /// True if nobody is enrolled.
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty()
    }

    /// Whom each probe matches at `now`, in one pass over the gallery.
    ///
    /// A probe matches the owner of the best template if that template reaches the threshold,
    /// exceeds every other person by the margin, and its owner consents at `now`. People whose
    /// consent has ended stay in the comparison until they are removed: a look-alike must not be
    /// admitted instead.
    pub fn identify_all(&self, probes: &[Template], now: WallTime) -> Vec<Matched> {
        let found = self.templates.search_all(probes);
        found
            .into_iter()
            .map(|found| match found {
                // A score that is not a number matches nobody.
                Some(found) if found.best.score >= self.rule.threshold && found.best.key.consent_until > now => {
                    let is_clear = |other: f32| found.best.score - other >= self.rule.margin;
                    if found.runner_up.is_none_or(|other| is_clear(other.score)) {
                        Matched::Person(found.best.key.person)
                    } else {
                        Matched::Ambiguous
                    }
                }
                _ => Matched::Nobody,
            })
            .collect()
    }

    /// Whom one probe matches at `now`: see [`Gallery::identify_all`].
    pub fn identify(&self, probe: &Template, now: WallTime) -> Matched {
        self.identify_all(std::slice::from_ref(probe), now).pop().unwrap_or(Matched::Nobody)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::template;

    const NOW: WallTime = WallTime::from_unix_nanos(1_790_000_000_000_000_000);
    const ANN: PersonId = PersonId::from_u128(1);
    const BOB: PersonId = PersonId::from_u128(2);
    const RULE: MatchRule = MatchRule { threshold: 0.5, margin: 0.05 };

    fn until(person: PersonId, seconds: u64) -> Enrolled {
        Enrolled { person, consent_until: NOW + Duration::from_secs(seconds) }
    }

    fn gallery(enrolled: &[(Enrolled, Template)]) -> Gallery {
        Gallery::new(enrolled.iter().cloned(), RULE)
    }

    #[test]
    fn the_threshold_is_inclusive() {
        let gallery = gallery(&[(until(ANN, 1), template(0.0))]);
        assert_eq!(gallery.identify(&template(0.0), NOW), Matched::Person(ANN));
        assert_eq!(gallery.identify(&template(59.9), NOW), Matched::Person(ANN));
        assert_eq!(gallery.identify(&template(60.1), NOW), Matched::Nobody);
        let nobody = Gallery::new([], RULE);
        assert!(nobody.is_empty() && nobody.identify(&template(0.0), NOW) == Matched::Nobody);
    }

    #[test]
    fn ended_consent_matches_nobody_and_still_competes() {
        let ended = (until(ANN, 0), template(0.0));
        let look_alike = (until(BOB, 1), template(10.0));
        assert_eq!(gallery(std::slice::from_ref(&ended)).identify(&template(0.0), NOW), Matched::Nobody);
        let both = gallery(&[ended, look_alike]);
        assert_eq!(
            both.identify(&template(1.0), NOW),
            Matched::Nobody,
            "nearest to the person whose consent has ended"
        );
        assert_eq!(both.identify(&template(5.5), NOW), Matched::Ambiguous, "hardly nearer to the person who consents");
        assert_eq!(both.identify(&template(40.0), NOW), Matched::Person(BOB));
    }

    #[test]
    fn two_people_are_rivals_and_two_pictures_of_one_are_not() {
        let (ann, bob) = (until(ANN, 1), until(BOB, 1));
        let gallery = gallery(&[(ann, template(0.0)), (until(ANN, 2), template(4.0)), (bob, template(50.0))]);
        assert_eq!(gallery.identify(&template(2.0), NOW), Matched::Person(ANN));
        assert_eq!(gallery.identify(&template(27.0), NOW), Matched::Ambiguous);
        assert_eq!(gallery.identify(&template(32.0), NOW), Matched::Person(BOB));
        let both = gallery.identify_all(&[template(50.0), template(0.0)], NOW);
        assert_eq!(both, [Matched::Person(BOB), Matched::Person(ANN)]);
    }

    #[test]
    fn a_change_makes_a_new_gallery() {
        let before = gallery(&[(until(ANN, 1), template(0.0))]);
        let after = before.with_changes(&HashSet::from([ANN]), [(until(BOB, 1), template(90.0))]);
        assert_eq!(before.identify(&template(0.0), NOW), Matched::Person(ANN));
        assert_eq!(after.identify(&template(0.0), NOW), Matched::Nobody);
        assert_eq!(after.identify(&template(90.0), NOW), Matched::Person(BOB));
        let stricter = after.with_rule(MatchRule { threshold: 0.9, ..RULE });
        assert_eq!(stricter.identify(&template(60.0), NOW), Matched::Nobody);
    }

    #[test]
    fn debug_text_hides_a_person_key() {
        assert_eq!(format!("{:?}", PersonId::from_u128(42)), "PersonId([redacted])");
    }
}
