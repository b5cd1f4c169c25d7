//! Measures a camera's clock against this machine's, and computes capture times.
//!
//! RTCP sender reports carry the camera's own time (RFC 3550, section 6.4.1). That clock may be
//! wrong by seconds or by decades, may drift, and may be set while the stream runs. So this module
//! uses only differences between the camera's times: they show how much longer than usual a frame
//! was on its way. A decision never depends on them.

use std::collections::VecDeque;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::{CaptureTime, ClockSource, Monotonic, WallTime};

/// Assumed longest time from a capture to the arrival of the decoded frame, without jitter: camera
/// encoder, network and decoder.
const LONGEST_TRANSIT: Duration = Duration::from_millis(500);
/// Delay beyond the usual that a frame can have. A longer one means that the camera's clock was set
/// back.
const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// The shortest time in transit is measured over six of these. At a drift of 500 ppm, the camera's
/// clock runs 30 ms off in that time.
const BUCKET: Duration = Duration::from_secs(10);
const BUCKETS: usize = 6;
/// A camera whose clock jumps three times in this period states times without sense.
const JUMPS_WITHIN: Duration = Duration::from_secs(60);

/// How far a camera's clock differs from its node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockOffset {
    /// Camera's time minus node's time, in milliseconds: positive if the camera is ahead.
    pub ms: i64,
    /// Bound of the error in either direction, in milliseconds: the unknown time that frames are
    /// under way.
    pub error_ms: u32,
}

/// The clock of one camera, over one connection.
#[derive(Debug, Default)]
pub struct CameraClock {
    /// The camera's time of its last frame.
    last: Option<WallTime>,
    /// Largest lead in each period of [`BUCKET`], with the period's start. Oldest first.
    leads: VecDeque<(Monotonic, i64)>,
    offset: Option<ClockOffset>,
    /// The last jumps of the camera's clock, the oldest first.
    jumps: [Option<Monotonic>; 3],
}

impl CameraClock {
    /// A clock that is not measured yet. It allocates here and never again.
    pub fn new() -> Self {
        Self { leads: VecDeque::with_capacity(BUCKETS + 1), ..Self::default() }
    }

    /// The camera's offset at its last frame. `None` while it sends no sender reports, or states
    /// times without sense.
    pub fn offset(&self) -> Option<ClockOffset> {
        self.offset
    }

    /// The capture time of a frame that arrived at `arrival`, which is `arrived` on this machine's
    /// wall clock.
    ///
    /// `stated` is the camera's own time of the frame, if sender reports carry one. `latency` is
    /// the length of the jitter buffer. A frame is held that long only if a packet is missing, so
    /// it widens the error of an arrival and does not shift the time.
    pub fn capture_time(
        &mut self,
        stated: Option<WallTime>,
        arrival: Monotonic,
        arrived: WallTime,
        latency: Duration,
    ) -> CaptureTime {
        let by_arrival = CaptureTime {
            at: arrived,
            source: ClockSource::Arrival,
            error_ms: millis(LONGEST_TRANSIT + latency),
            clock_offset_ms: None,
        };
        self.offset = None;
        let Some(stated) = stated else {
            // The sender reports contradict each other: the camera's clock was set.
            self.last = None;
            self.leads.clear();
            return by_arrival;
        };
        let since_start = nanos(arrival.since_start());
        let delay = self.record(stated, stated.unix_nanos().saturating_sub(since_start), arrival);
        if self.is_senseless(arrival) {
            return by_arrival;
        }
        // The clock's difference from ours, less the shortest time in transit.
        let lead = stated.unix_nanos().saturating_add(nanos(delay));
        let difference = lead.saturating_sub(arrived.unix_nanos());
        let offset = ClockOffset { ms: difference.div_euclid(1_000_000), error_ms: millis(LONGEST_TRANSIT) };
        self.offset = Some(offset);
        // Transit alone explains a small difference. Then the camera's clock is as good as ours.
        let behind = Duration::from_nanos(difference.saturating_neg().max(0).unsigned_abs());
        let transit = if behind <= LONGEST_TRANSIT { behind } else { Duration::ZERO };
        let earlier = delay + transit;
        // Captured at most the longest transit before this frame or, if its delay is real, before
        // the fastest one.
        let error = earlier.max(LONGEST_TRANSIT.saturating_sub(transit));
        CaptureTime {
            at: arrived - earlier,
            source: ClockSource::Rtcp,
            error_ms: millis(error),
            clock_offset_ms: Some(offset.ms),
        }
    }

    /// Records a frame's lead, its stated time minus its arrival. Returns how much longer it was in
    /// transit than the fastest recent frame.
    fn record(&mut self, stated: WallTime, lead: i64, arrival: Monotonic) -> Duration {
        let was_set_back = self.last.replace(stated).is_some_and(|last| stated < last);
        let is_far = |fastest: i64| Duration::from_nanos(fastest.abs_diff(lead)) > LONGEST_DELAY;
        if was_set_back || self.fastest().is_some_and(is_far) {
            self.leads.clear();
            self.jumps.rotate_left(1);
            self.jumps[2] = Some(arrival);
        }
        match self.leads.back_mut() {
            Some((start, largest)) if arrival.since(*start) < BUCKET => *largest = lead.max(*largest),
            _ => self.leads.push_back((arrival, lead)),
        }
        if self.leads.len() > BUCKETS {
            self.leads.pop_front();
        }
        delay(self.fastest().unwrap_or(lead), lead)
    }

    /// True while the camera's clock jumps again and again.
    pub fn is_senseless(&self, now: Monotonic) -> bool {
        self.jumps[0].is_some_and(|oldest| now.since(oldest) < JUMPS_WITHIN)
    }

    /// The largest recent lead.
    fn fastest(&self) -> Option<i64> {
        self.leads.iter().map(|(_, lead)| *lead).max()
    }
}

fn delay(fastest: i64, lead: i64) -> Duration {
    Duration::from_nanos(fastest.saturating_sub(lead).max(0).unsigned_abs())
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
