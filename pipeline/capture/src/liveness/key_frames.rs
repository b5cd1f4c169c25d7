//! Knows when a camera's key frames come, and how long the next one is waited for.

use std::time::Duration;

use gatehouse_core::time::Monotonic;

/// The longest wait for a key frame while the camera's interval is unknown. Smart codecs send one
/// every 25 to 120 s.
const UNKNOWN_INTERVAL: Duration = Duration::from_secs(150);
/// The least wait where it is known: the interval may have been changed since.
const MIN_WAIT: Duration = Duration::from_secs(30);
/// The interval is the longest of this many.
const INTERVALS: usize = 4;

/// A camera's key frames, over all of its connections.
#[derive(Debug, Default)]
pub(super) struct KeyFrames {
    /// The last whole one, of any connection.
    last: Option<Monotonic>,
    /// The last whole one of this connection.
    last_here: Option<Monotonic>,
    /// The last packet of a key frame in this connection, and the first one of the last key frame.
    packet: Option<Monotonic>,
    begun: Option<Monotonic>,
    /// The first one of this connection's first key frame.
    first: Option<Monotonic>,
    intervals: [Duration; INTERVALS],
    next: usize,
}

impl KeyFrames {
    pub(super) fn begin_connection(&mut self) {
        (self.last_here, self.packet, self.begun, self.first) = (None, None, None, None);
    }

    /// A packet of a key frame came; `begins` for its first one.
    pub(super) fn on_packet(&mut self, begins: bool, now: Monotonic) {
        self.packet = Some(now);
        if begins {
            self.on_begin(now);
        }
    }

    fn on_begin(&mut self, now: Monotonic) {
        self.first.get_or_insert(now);
        if let Some(last) = self.begun.replace(now) {
            self.intervals[self.next] = now.since(last);
            self.next = (self.next + 1) % INTERVALS;
        }
    }

    /// A whole key frame came.
    pub(super) fn on_key_frame(&mut self, now: Monotonic) {
        // Where packets show them, key frames that lose one on the network count, too.
        if self.packet.is_none() {
            self.on_begin(now);
        }
        (self.last, self.last_here) = (Some(now), Some(now));
    }

    /// The next connection waits as if nothing were known: the camera's interval has changed.
    pub(super) fn forget_interval(&mut self) {
        self.intervals = [Duration::ZERO; INTERVALS];
    }

    /// The longest of the last intervals.
    pub(super) fn interval(&self) -> Option<Duration> {
        self.intervals.iter().copied().max().filter(|longest| !longest.is_zero())
    }

    /// The last whole one of this connection.
    pub(super) fn last_here(&self) -> Option<Monotonic> {
        self.last_here
    }

    /// Time since the last one, of an earlier connection too.
    pub(super) fn since_last(&self, now: Monotonic) -> Option<Duration> {
        self.last.map(|last| now.since(last))
    }

    /// The time between key frames, at least: what is known, and the time without one. `from`,
    /// `to`: the first and the last packet of this connection.
    pub(super) fn interval_at_least(&self, from: Monotonic, to: Monotonic) -> Duration {
        let before = self.first.unwrap_or(to).since(from);
        let since = self.begun.map_or(Duration::ZERO, |last| to.since(last));
        self.interval().unwrap_or_default().max(before).max(since)
    }

    /// The last sign of a key frame in this connection: a whole one, or a packet of one.
    pub(super) fn last_sign(&self) -> Option<Monotonic> {
        self.last_here.max(self.packet)
    }

    /// Time since packets of a key frame came that never became a whole one.
    pub(super) fn since_broken(&self, now: Monotonic) -> Option<Duration> {
        let packet = self.packet.filter(|packet| self.last_here.is_none_or(|last| *packet > last))?;
        Some(now.since(packet))
    }

    /// How long the first key frame of a connection is waited for: two intervals.
    pub(super) fn longest_wait(&self) -> Duration {
        self.interval().map_or(UNKNOWN_INTERVAL, |interval| (2 * interval).max(MIN_WAIT))
    }

    /// How long the next one is waited for in a connection that has had one: the interval may grow
    /// at night.
    pub(super) fn longest_overdue(&self) -> Duration {
        self.interval().map_or(UNKNOWN_INTERVAL, |interval| (2 * interval).max(UNKNOWN_INTERVAL))
    }
}
