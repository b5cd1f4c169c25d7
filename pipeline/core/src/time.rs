//! Three clocks that are never mixed: time inside a stream, arrival on this machine, wall time at
//! the camera.
//!
//! Only [`SystemClock`] reads the real clocks; everything else gets a [`Clock`] or a time.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Time inside one stream (GStreamer's running time). Not comparable across streams; restarts after
/// a reconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamTime(pub Duration);

/// A moment of this machine's monotonic clock. It never goes back, and means nothing on another
/// machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(Duration);

impl Monotonic {
    /// The moment `since_start` after the clock's start.
    pub fn from_start(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// Time since the clock's start.
    pub fn since_start(self) -> Duration {
        self.0
    }

    /// Time since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Monotonic {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later))
    }
}

/// Wall time: nanoseconds since 1970-01-01T00:00:00Z, without leap seconds. Written as RFC 3339
/// with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(with = "String", extend("format" = "date-time"))]
pub struct WallTime(i64);

impl WallTime {
    /// From nanoseconds since the Unix epoch.
    pub const fn from_unix_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    pub fn unix_nanos(self) -> i64 {
        self.0
    }

    /// Milliseconds since the Unix epoch, rounded down.
    pub fn unix_millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Time between two moments, in either order.
    pub fn distance(self, other: Self) -> Duration {
        Duration::from_nanos(self.0.abs_diff(other.0))
    }
}

impl Add<Duration> for WallTime {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(later.as_nanos()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for WallTime {
    type Output = Self;

    fn sub(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(earlier.as_nanos()).unwrap_or(i64::MAX)))
    }
}

/// A duration for an operator, in the unit that suits it: `1.5 s`, `8.0 h`, `30.0 years`.
pub fn rough(duration: Duration) -> String {
    const UNITS: [(f64, &str); 4] = [(60.0, "s"), (60.0, "min"), (24.0, "h"), (365.25, "days")];
    let mut value = duration.as_secs_f64();
    for (next, unit) in UNITS {
        if value < next {
            return format!("{value:.1} {unit}");
        }
        value /= next;
    }
    format!("{value:.1} years")
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{} ns", self.0),
        }
    }
}

impl Serialize for WallTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WallTime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let at: jiff::Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        i64::try_from(at.as_nanosecond()).map(Self).map_err(serde::de::Error::custom)
    }
}

/// Source of a capture time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClockSource {
    /// This machine's clock, corrected by the differences between the times that the camera states
    /// in RTCP sender reports (RFC 3550, section 6.4.1).
    Rtcp,
    /// This machine's wall clock when the decoded frame arrived: late by the delays of network,
    /// jitter buffer and decoder.
    Arrival,
}

/// When a frame was captured: wall time, its source and its error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaptureTime {
    /// The moment of capture.
    pub at: WallTime,
    /// The clock that it comes from.
    pub source: ClockSource,
    /// Bound of the error in either direction, in milliseconds.
    pub error_ms: u32,
    /// Camera's clock minus this machine's, in milliseconds; positive if the camera is ahead.
    /// Includes the time that frames are under way. Absent without sender reports. `at` is
    /// corrected by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_offset_ms: Option<i64>,
}

/// The three times of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameTimes {
    /// Time inside the stream.
    pub stream: StreamTime,
    /// When its access unit arrived here, or the frame of a source without access units.
    pub arrival: Monotonic,
    /// When the camera captured it.
    pub capture: CaptureTime,
}

/// A channel that becomes ready at one moment, for `select!`. It may deliver a message or be closed
/// then: only that it is ready has a meaning.
pub type Timer = crossbeam_channel::Receiver<std::time::Instant>;

/// Gives the time. Tests pass in a clock of their own.
pub trait Clock: Send + Sync {
    /// Now, on the monotonic clock.
    fn monotonic(&self) -> Monotonic;
    /// Now, on the wall clock.
    fn wall(&self) -> WallTime;
    /// A timer that becomes ready when the monotonic clock reaches `at`; at once if `at` is past.
    fn timer(&self, at: Monotonic) -> Timer;
}

/// The machine's own clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// Starts the monotonic clock at zero.
    #[expect(clippy::new_without_default, reason = "a default would hide the one place that reads the real clock")]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the real clock")]
    pub fn new() -> Self {
        Self { start: std::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.start.elapsed())
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the real clock")]
    fn wall(&self) -> WallTime {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        WallTime(0) + since_epoch
    }

    fn timer(&self, at: Monotonic) -> Timer {
        self.start.checked_add(at.0).map_or_else(crossbeam_channel::never, crossbeam_channel::at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wall_time_is_written_as_rfc_3339() {
        let at = WallTime::from_unix_nanos(1_700_000_000_123_456_789);
        assert_eq!(at.to_string(), "2023-11-14T22:13:20.123Z");
        let back: WallTime = serde_json::from_str(&serde_json::to_string(&at).expect("serialises")).expect("parses");
        assert_eq!(back.unix_millis(), at.unix_millis());
    }

    #[test]
    fn a_duration_is_written_in_the_unit_that_suits_it() {
        let written =
            [1500u64, 90_000, 28_800_000, 3 * 86_400_000, 946_728_000_000].map(|ms| rough(Duration::from_millis(ms)));
        assert_eq!(written, ["1.5 s", "1.5 min", "8.0 h", "3.0 days", "30.0 years"]);
    }

    #[test]
    fn a_timer_of_the_system_clock_fires_at_its_moment() {
        let clock = SystemClock::new();
        let at = clock.monotonic() + Duration::from_millis(20);
        clock.timer(at).recv().expect("it fires");
        assert!(clock.monotonic() >= at);
        assert!(clock.timer(Monotonic(Duration::MAX)).try_recv().is_err(), "a moment that never comes");
    }

    proptest! {
        #[test]
        fn monotonic_never_subtracts_below_zero(a in 0u64..1_000_000, b in 0u64..1_000_000) {
            let (a, b) = (Duration::from_micros(a), Duration::from_micros(b));
            prop_assert_eq!(Monotonic(a).since(Monotonic(b)), a.saturating_sub(b));
        }
    }
}
