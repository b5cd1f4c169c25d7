//! Remembers when the units in the decoder arrived, so that each picture has its own arrival however
//! late the decoder gives it.

use std::collections::VecDeque;
use std::time::Duration;

use gatehouse_core::time::Monotonic;

/// A decoder keeps at most 16 units back for their order (ITU-T H.264, section A.3.1). Some never
/// give a picture.
const MOST: usize = 48;

/// The units that went to the decoder and have no picture yet.
#[derive(Debug, Default)]
pub(crate) struct SentUnits(VecDeque<(Duration, Monotonic)>);

impl SentUnits {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// A unit goes to the decoder.
    pub(crate) fn push(&mut self, at: Option<Duration>, arrival: Monotonic) {
        let Some(at) = at else { return };
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back((at, arrival));
    }

    /// The arrival of the unit whose picture this is. A picture may need units that arrived later;
    /// they are not waited for.
    pub(crate) fn take(&mut self, at: Option<Duration>) -> Option<Monotonic> {
        let place = self.0.iter().position(|(sent, _)| Some(*sent) == at)?;
        self.0.remove(place).map(|(_, arrival)| arrival)
    }

    /// True if a unit with this time waits for its picture.
    pub(crate) fn contains(&self, at: Option<Duration>) -> bool {
        self.0.iter().any(|(sent, _)| Some(*sent) == at)
    }
}
