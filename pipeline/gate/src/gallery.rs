//! The enrolled people that a gate knows, each with the end of their consent.

use gatehouse_core::time::WallTime;
use gatehouse_models::Embedding;

/// Stands for a person inside this node. Never leaves it: no event, log or metric has a place for one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PersonKey(pub u128);

impl std::fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonKey([redacted])")
    }
}

/// One enrolled template's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enrolled {
    /// Whose template it is.
    pub person: PersonKey,
    /// The end of their consent.
    pub consent_until: WallTime,
}

/// The people that one gate may recognise, and from which score on.
pub struct Gallery {
    templates: gatehouse_models::Gallery<Enrolled>,
    threshold: f32,
}

impl Gallery {
    /// A gallery of enrolled templates. `threshold`: a cosine; a score at or above it is a match.
    pub fn new(templates: impl IntoIterator<Item = (Enrolled, Embedding)>, threshold: f32) -> Self {
        Self { templates: templates.into_iter().collect(), threshold }
    }

    /// Number of templates.
    pub fn len(&self) -> usize {
        self.templates.len()
    }

    /// Whether nobody is enrolled.
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty()
    }

    /// The person that a probe matches at `now`: the best template's, if it scores at least the threshold and its owner
    /// consents at that moment. Somebody else who resembles a person whose consent has ended is not let in instead.
    pub fn identify(&self, probe: &Embedding, now: WallTime) -> Option<PersonKey> {
        let best = self.templates.best(probe)?;
        let enrolled = self.templates.key(best.index)?;
        (best.score >= self.threshold && enrolled.consent_until > now).then_some(enrolled.person)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embedding(first: f32, second: f32) -> Embedding {
        let mut values = [0.0; 128];
        (values[0], values[1]) = (first, second);
        Embedding::from_slice(&values).expect("128 finite numbers")
    }

    const NOW: WallTime = WallTime::from_unix_nanos(1_790_000_000_000_000_000);

    fn gallery(consent_until: WallTime) -> Gallery {
        let ann = Enrolled { person: PersonKey(1), consent_until };
        Gallery::new([(ann, embedding(1.0, 0.0))], 0.5)
    }

    #[test]
    fn the_threshold_itself_is_a_match_and_just_below_is_none() {
        let gallery = gallery(NOW + std::time::Duration::from_secs(1));
        assert_eq!(gallery.identify(&embedding(1.0, 0.0), NOW), Some(PersonKey(1)));
        assert_eq!(gallery.identify(&embedding(0.49, 0.87), NOW), None);
    }

    #[test]
    fn consent_that_has_ended_is_no_match_however_good_the_score() {
        assert_eq!(gallery(NOW).identify(&embedding(1.0, 0.0), NOW), None);
    }

    #[test]
    fn a_person_key_is_not_shown() {
        assert_eq!(format!("{:?}", PersonKey(42)), "PersonKey([redacted])");
    }
}
