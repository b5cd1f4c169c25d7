//! QR codes that are shown to a gate: which are new, and the result of checking them.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use gatehouse_core::event::Reason;
use gatehouse_core::time::Monotonic;
use gatehouse_credential::{PassId, PersonId};
use gatehouse_faces::Template;

/// A code that was out of sight for this long is new again.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(4);
/// Least time between two refused codes: flashing codes at the camera must not flood the site with
/// entries.
const MIN_REFUSAL_GAP: Duration = Duration::from_secs(1);
/// Most codes that are remembered; beyond it, the one unseen for longest is forgotten.
const MAX_CODES: usize = 16;

/// Result of checking a code that was shown.
#[derive(Debug)]
pub enum CodeCheck {
    /// A valid pass; its use has been counted.
    Accepted {
        /// Its owner; `None` for a pass without an owner.
        person: Option<PersonId>,
        /// The pass.
        id: PassId,
    },
    /// A code that admits nobody, for this reason.
    Refused(Reason),
    /// A valid card. Its owner's template must match the face in front of the camera.
    Card {
        /// The card.
        id: PassId,
        /// The template that the face must match.
        template: Box<Template>,
    },
}

#[derive(Debug, Clone, Copy)]
struct RecentCode {
    hash: u64,
    last_seen: Monotonic,
}

/// The codes of the last seconds, each as a keyed hash. The text itself admits, so it is not kept.
#[derive(Debug, Default)]
pub(crate) struct Codes {
    hasher: RandomState,
    recent: Vec<RecentCode>,
    last_refusal: Option<Monotonic>,
}

impl Codes {
    /// Registers a code that was read. Returns true if it is new and must be checked.
    ///
    /// While `is_busy`, a new code is not registered, so it is checked later if it is still shown.
    pub(crate) fn register(&mut self, text: &[u8], is_busy: bool, now: Monotonic) -> bool {
        self.recent.retain(|code| now.since(code.last_seen) < FORGOTTEN_AFTER);
        let hash = self.hasher.hash_one(text);
        if let Some(known) = self.recent.iter_mut().find(|code| code.hash == hash) {
            known.last_seen = now;
            return false;
        }
        if is_busy || self.last_refusal.is_some_and(|at| now.since(at) < MIN_REFUSAL_GAP) {
            return false;
        }
        if self.recent.len() >= MAX_CODES
            && let Some(oldest) = (0..self.recent.len()).min_by_key(|i| self.recent[*i].last_seen)
        {
            self.recent.swap_remove(oldest);
        }
        self.recent.push(RecentCode { hash, last_seen: now });
        true
    }

    pub(crate) fn record_refusal(&mut self, now: Monotonic) {
        self.last_refusal = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    #[test]
    fn a_shown_code_is_checked_once_until_it_disappears() {
        let mut codes = Codes::default();
        let checked = (0..100).filter(|i| codes.register(b"pass", false, at(i * 100))).count();
        assert_eq!(checked, 1, "ten seconds, frame by frame");
        assert!(codes.register(b"other", false, at(9_950)));
        assert!(!codes.register(b"pass", false, at(9_900 + 3_999)));
        assert!(codes.register(b"pass", false, at(9_900 + 3_999 + 4_000)));
    }

    #[test]
    fn a_code_shown_to_a_busy_gate_is_checked_later() {
        let mut codes = Codes::default();
        assert!(!codes.register(b"pass", true, at(0)));
        assert!(codes.register(b"pass", false, at(100)));
        codes.record_refusal(at(100));
        assert!(!codes.register(b"another", false, at(1_099)));
        assert!(codes.register(b"another", false, at(1_100)));
    }

    #[test]
    fn flashing_codes_does_not_fill_memory() {
        let mut codes = Codes::default();
        (0..1000u32).for_each(|i| {
            codes.register(&i.to_le_bytes(), false, at(u64::from(i)));
        });
        assert_eq!(codes.recent.len(), MAX_CODES);
        assert!(!codes.register(&999u32.to_le_bytes(), false, at(1000)), "the newest codes are kept");
    }
}
