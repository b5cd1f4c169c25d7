//! QR codes that are held up to a gate: which are new, and what the site says of them.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use gatehouse_core::event::Reason;
use gatehouse_core::time::Monotonic;
use gatehouse_credential::{PassId, PersonId};
use gatehouse_faces::Template;

/// A code is the same one until it was out of sight for this long.
const REMEMBERED: Duration = Duration::from_secs(4);
/// Between two refused codes: somebody who flashes codes at the camera doesn't flood the site with entries.
const REFUSALS_APART: Duration = Duration::from_secs(1);
/// Codes that are remembered at a time; of more, the one unseen for longest goes.
const MOST_REMEMBERED: usize = 16;

/// What the site says of a code that was held up.
#[derive(Debug)]
pub enum PassSeen {
    /// A pass that is valid now, counted as used.
    Accepted {
        /// Whose it is; none for a pass without an owner.
        person: Option<PersonId>,
        /// The pass.
        id: PassId,
    },
    /// Not a pass that admits, for this reason.
    Refused(Reason),
    /// A valid card: its owner's own template, to be compared with the face before the camera.
    Card {
        /// The card.
        id: PassId,
        /// What the face must match.
        template: Box<Template>,
    },
}

#[derive(Debug, Clone, Copy)]
struct Shown {
    code: u64,
    last_seen: Monotonic,
}

/// The codes that were held up during the last seconds, each as a keyed hash: the text itself admits, and isn't kept.
#[derive(Debug, Default)]
pub(crate) struct Codes {
    hasher: RandomState,
    shown: Vec<Shown>,
    refused: Option<Monotonic>,
}

impl Codes {
    /// Whether this code wants to be checked: it wasn't in sight during the last seconds. `busy`: nothing new is taken now,
    /// and the code will be looked at again when it is still there later.
    pub(crate) fn notice(&mut self, text: &[u8], busy: bool, now: Monotonic) -> bool {
        self.shown.retain(|shown| now.since(shown.last_seen) < REMEMBERED);
        let code = self.hasher.hash_one(text);
        if let Some(known) = self.shown.iter_mut().find(|shown| shown.code == code) {
            known.last_seen = now;
            return false;
        }
        if busy || self.refused.is_some_and(|at| now.since(at) < REFUSALS_APART) {
            return false;
        }
        if self.shown.len() >= MOST_REMEMBERED
            && let Some(oldest) = (0..self.shown.len()).min_by_key(|i| self.shown[*i].last_seen)
        {
            self.shown.swap_remove(oldest);
        }
        self.shown.push(Shown { code, last_seen: now });
        true
    }

    pub(crate) fn refused(&mut self, now: Monotonic) {
        self.refused = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    #[test]
    fn a_code_that_is_held_up_is_checked_once_and_again_after_it_was_gone() {
        let mut codes = Codes::default();
        let checked = (0..100).filter(|i| codes.notice(b"pass", false, at(i * 100))).count();
        assert_eq!(checked, 1, "ten seconds, frame by frame");
        assert!(codes.notice(b"other", false, at(9_950)));
        assert!(!codes.notice(b"pass", false, at(9_900 + 3_999)));
        assert!(codes.notice(b"pass", false, at(9_900 + 3_999 + 4_000)));
    }

    #[test]
    fn a_code_that_comes_while_the_gate_is_busy_is_looked_at_later() {
        let mut codes = Codes::default();
        assert!(!codes.notice(b"pass", true, at(0)));
        assert!(codes.notice(b"pass", false, at(100)));
        codes.refused(at(100));
        assert!(!codes.notice(b"another", false, at(1_099)));
        assert!(codes.notice(b"another", false, at(1_100)));
    }

    #[test]
    fn flashing_codes_fills_no_memory() {
        let mut codes = Codes::default();
        (0..1000u32).for_each(|i| {
            codes.notice(&i.to_le_bytes(), false, at(u64::from(i)));
        });
        assert_eq!(codes.shown.len(), MOST_REMEMBERED);
        assert!(!codes.notice(&999u32.to_le_bytes(), false, at(1000)), "the newest are the ones that stay");
    }
}
