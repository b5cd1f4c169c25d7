//! Remembers when the units in the decoder arrived, so that each picture has its own arrival
//! however late the decoder gives it.

use std::collections::VecDeque;
use std::time::Duration;

use gatehouse_core::time::Monotonic;

/// A decoder keeps at most 16 units back for their order (ITU-T H.264, section A.3.1). Some never
/// give a picture.
const MOST: usize = 48;

/// A unit that went to the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SentUnit {
    pub(crate) arrival: Monotonic,
    pub(crate) is_key: bool,
    pub(crate) bytes: usize,
}

/// The units that went to the decoder and have no picture yet.
#[derive(Debug, Default)]
pub(crate) struct SentUnits(VecDeque<(Duration, SentUnit)>);

impl SentUnits {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// A unit goes to the decoder.
    pub(crate) fn push(&mut self, at: Option<Duration>, unit: SentUnit) {
        let Some(at) = at else { return };
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back((at, unit));
    }

    /// The unit whose picture this is.
    pub(crate) fn take(&mut self, at: Option<Duration>) -> Option<SentUnit> {
        let place = self.0.iter().position(|(sent, _)| Some(*sent) == at)?;
        self.0.remove(place).map(|(_, unit)| unit)
    }

    /// True if a unit with this time waits for its picture.
    pub(crate) fn contains(&self, at: Option<Duration>) -> bool {
        self.0.iter().any(|(sent, _)| Some(*sent) == at)
    }
}
