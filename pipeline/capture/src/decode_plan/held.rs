//! Accounts for access units that wait undecoded for a later one that refers to them.

use std::time::Duration;

/// At most this many units are held. A processor decodes them in 0.1 s to 0.2 s, and the frame that
/// is wanted next waits for that. Where key frames are farther apart, the units are decoded in
/// parts.
const MAX_HELD: usize = 50;

/// The outcome of [`HeldUnits::hold`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holding {
    /// The unit waits.
    Held,
    /// The unit and all held ones are to be decoded now: no more can wait.
    Full,
    /// The unit can't be decoded, because no key frame came before it.
    Undecodable,
}

/// The units since the last decoded one, as numbers: the buffers are with the probe.
#[derive(Debug, Default)]
pub(crate) struct HeldUnits {
    count: usize,
    /// The latest presentation time among them.
    latest: Option<Duration>,
    has_key_frame: bool,
}

impl HeldUnits {
    /// A key frame came: nothing before it is needed any more.
    pub(crate) fn begin(&mut self) {
        *self = Self { has_key_frame: true, ..Self::default() };
    }

    /// A unit came that nobody wants to see now.
    pub(crate) fn hold(&mut self, at: Option<Duration>) -> Holding {
        if !self.has_key_frame {
            return Holding::Undecodable;
        }
        (self.count, self.latest) = (self.count + 1, self.latest.max(at));
        if self.count < MAX_HELD { Holding::Held } else { Holding::Full }
    }

    /// All units are decoded now. Returns the latest presentation time among them.
    pub(crate) fn release(&mut self) -> Option<Duration> {
        self.count = 0;
        self.latest.take()
    }
}
