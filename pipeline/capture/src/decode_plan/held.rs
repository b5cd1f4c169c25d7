//! Accounts for access units that wait undecoded for a later one that refers to them.

use std::time::Duration;

/// The outcome of [`HeldUnits::hold`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holding {
    /// The unit waits.
    Held,
    /// No more units can wait.
    Full,
    /// The unit can't be decoded, because no key frame came before it.
    Undecodable,
}

/// The units since the last decoded one, as numbers: the buffers are with the probe.
#[derive(Debug)]
pub(crate) struct HeldUnits {
    /// At most this many are held.
    most: usize,
    count: usize,
    /// The latest presentation time among them.
    latest: Option<Duration>,
    has_key_frame: bool,
}

impl HeldUnits {
    pub(crate) fn up_to(most: usize) -> Self {
        Self { most, count: 0, latest: None, has_key_frame: false }
    }

    /// A key frame came: nothing before it is needed any more.
    pub(crate) fn begin(&mut self) {
        *self = Self { has_key_frame: true, ..Self::up_to(self.most) };
    }

    /// The units are forgotten. None can be held until the next key frame.
    pub(crate) fn forget(&mut self) {
        *self = Self::up_to(self.most);
    }

    /// A unit came that nobody wants to see now.
    pub(crate) fn hold(&mut self, at: Option<Duration>) -> Holding {
        if !self.has_key_frame {
            return Holding::Undecodable;
        }
        (self.count, self.latest) = (self.count + 1, self.latest.max(at));
        if self.count < self.most { Holding::Held } else { Holding::Full }
    }

    /// The key frame was decoded and shown, and the decoder forgot it: it is decoded again, and not
    /// shown, before the units that refer to it. False if none can.
    pub(crate) fn hold_key_frame(&mut self, at: Option<Duration>) -> bool {
        if self.has_key_frame {
            self.latest = self.latest.max(at);
        }
        self.has_key_frame
    }

    /// True if units behind a key frame can be decoded still.
    pub(crate) fn has_key_frame(&self) -> bool {
        self.has_key_frame
    }

    /// True if one more unit is all that can be held.
    pub(crate) fn is_almost_full(&self) -> bool {
        self.count + 1 >= self.most
    }

    /// All units are decoded now. Returns the latest presentation time among them.
    pub(crate) fn release(&mut self) -> Option<Duration> {
        self.count = 0;
        self.latest.take()
    }
}
