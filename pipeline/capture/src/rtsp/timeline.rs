//! Turns RTP timestamps into presentation times, and into the camera's wall time by its sender
//! reports (RFC 3550, section 6.4.1).

use std::time::Duration;

use gatehouse_core::time::Monotonic;

use super::describe::CLOCK_RATE;

/// The presentation time of the first packet: B-frames that are shown before it need room.
const START: Duration = Duration::from_secs(10);
/// Frames are sent at most this long before an earlier one is shown.
const MAX_BACK: Duration = Duration::from_secs(2);
/// Timestamps may run ahead of the clock this far between two frames: a camera that was silent.
const MAX_FORWARD: Duration = Duration::from_secs(5);
/// A timestamp that stays the same this long while frames come has stopped.
const STOPPED_AFTER: Duration = Duration::from_secs(1);
/// Successive sender reports that agree to this are of one clock.
const SAME_CLOCK: Duration = Duration::from_secs(1);
/// The RTP time of a sender report lies this near the packets', or it is of another sequence.
const REPORT_NEAR: Duration = Duration::from_secs(60);

fn duration_of(ticks: u32) -> Duration {
    Duration::from_nanos(u64::from(ticks) * 1_000_000_000 / u64::from(CLOCK_RATE))
}

/// Presentation times of one connection.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    last: Option<Last>,
    /// The highest presentation time.
    highest: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    timestamp: u32,
    time: Duration,
    /// When the first packet with this timestamp came.
    since: Monotonic,
    /// When the last packet came.
    arrival: Monotonic,
    /// True if a whole frame with this timestamp came.
    is_complete: bool,
}

impl Timeline {
    /// The presentation time of a packet. `ends_frame`: it is the last of its frame.
    pub(crate) fn time_of(&mut self, timestamp: u32, ends_frame: bool, arrival: Monotonic) -> Duration {
        let Some(last) = self.last else {
            let time = START;
            self.highest = time;
            self.last = Some(Last { timestamp, time, since: arrival, arrival, is_complete: ends_frame });
            return time;
        };
        let ticks = timestamp.wrapping_sub(last.timestamp);
        let is_stopped =
            ticks == 0 && last.is_complete && arrival.since(last.since) > STOPPED_AFTER && arrival > last.arrival;
        if ticks == 0 && !is_stopped {
            if let Some(last) = &mut self.last {
                last.arrival = arrival;
                last.is_complete |= ends_frame;
            }
            return last.time;
        }
        let passed = arrival.since(last.arrival);
        let step = duration_of(ticks.cast_signed().unsigned_abs());
        let time = if is_stopped {
            self.highest + passed
        } else if ticks.cast_signed() > 0 {
            let (next, limit) = (last.time + step, self.highest + passed * 2 + MAX_FORWARD);
            if next <= limit { next } else { self.after_jump(passed) }
        } else {
            let back = last.time.saturating_sub(step);
            if self.highest.saturating_sub(back) <= MAX_BACK { back } else { self.after_jump(passed) }
        };
        self.highest = self.highest.max(time);
        // A stopped timestamp stays under suspicion until it changes.
        let since = if is_stopped { last.since } else { arrival };
        self.last = Some(Last { timestamp, time, since, arrival, is_complete: ends_frame });
        time
    }

    /// Timestamps have jumped: the clock says how much time has passed.
    fn after_jump(&self, passed: Duration) -> Duration {
        self.highest + passed.clamp(Duration::from_millis(1), MAX_FORWARD)
    }
}

/// The camera's wall time by its sender reports.
#[derive(Debug, Default)]
pub(crate) struct CameraClock {
    /// The pair of times that is believed.
    believed: Option<Pair>,
    /// The last pair, if it contradicts what is believed.
    doubted: Option<Pair>,
    /// The timestamp of the last packet.
    last: Option<u32>,
}

/// A wall time and the RTP time that it has.
#[derive(Debug, Clone, Copy)]
struct Pair {
    /// Time since 1900.
    wall: Duration,
    rtp: u32,
}

impl Pair {
    fn wall_at(self, rtp: u32) -> Option<Duration> {
        let ticks = rtp.wrapping_sub(self.rtp).cast_signed();
        let distance = duration_of(ticks.unsigned_abs());
        if ticks < 0 { self.wall.checked_sub(distance) } else { self.wall.checked_add(distance) }
    }

    fn agrees_with(self, other: Self) -> bool {
        other.wall_at(self.rtp).is_some_and(|wall| wall.abs_diff(self.wall) <= SAME_CLOCK)
    }
}

impl CameraClock {
    pub(crate) fn on_packet(&mut self, timestamp: u32) {
        self.last = Some(timestamp);
    }

    /// Takes a sender report. One that contradicts the others is only believed when the next one
    /// agrees with it: the camera's clock was set.
    pub(crate) fn on_report(&mut self, ntp: u64, rtp: u32) {
        let near = |last: u32| duration_of(rtp.wrapping_sub(last).cast_signed().unsigned_abs()) <= REPORT_NEAR;
        // A clock that was never set reports 0.
        if ntp >> 32 == 0 || !self.last.is_none_or(near) {
            return;
        }
        let fraction = ((ntp & 0xffff_ffff) * 1_000_000_000) >> 32;
        let pair = Pair { wall: Duration::from_secs(ntp >> 32) + Duration::from_nanos(fraction), rtp };
        let agrees = |known: Option<Pair>| known.is_some_and(|known| pair.agrees_with(known));
        if agrees(self.believed) || agrees(self.doubted) || (self.believed.is_none() && self.doubted.is_none()) {
            (self.believed, self.doubted) = (Some(pair), None);
        } else {
            // Neither is known to be right.
            (self.believed, self.doubted) = (None, Some(pair));
        }
    }

    /// The wall time of a packet, since 1900.
    pub(crate) fn wall_at(&self, timestamp: u32) -> Option<Duration> {
        self.believed?.wall_at(timestamp)
    }

    /// Another sequence begins: its times are unknown.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: f64) -> Monotonic {
        Monotonic::from_start(Duration::from_secs_f64(seconds))
    }

    /// The presentation times of frames, 0.1 s apart, with these timestamps in seconds.
    fn times(first: u32, timestamps: &[f64]) -> Vec<f64> {
        let mut timeline = Timeline::default();
        let frames = (0..).zip(timestamps);
        frames
            .map(|(n, seconds)| {
                let timestamp = first.wrapping_add((seconds * 90_000.0) as i64 as u32);
                let now = at(f64::from(n) / 10.0);
                let begins = timeline.time_of(timestamp, false, now);
                assert_eq!(timeline.time_of(timestamp, true, now), begins, "one frame has one time");
                (begins - START.min(begins)).as_secs_f64()
            })
            .collect()
    }

    fn near(a: &[f64], b: &[f64]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 0.002)
    }

    #[test]
    fn jumps_and_stops_are_bridged_by_the_clock() {
        let steady: Vec<_> = (0..40).map(|n| f64::from(n) / 10.0).collect();
        for jump in [-30_000.0, -3.0, 6.0, 3600.0, 20_000.0] {
            let jumped: Vec<_> = steady.iter().map(|t| if *t >= 2.0 { t + jump } else { *t }).collect();
            assert!(near(&times(7, &jumped), &steady), "{jump}: {:?}", times(7, &jumped));
        }
        let stopped = times(7, &[0.0; 40]);
        assert!(stopped[..11].iter().all(|t| *t == 0.0), "{stopped:?}");
        assert!(stopped.is_sorted() && (stopped[39] - stopped[11] - 2.8).abs() < 0.01, "{stopped:?}");
        // Silence is no jump.
        let mut timeline = Timeline::default();
        timeline.time_of(0, true, at(0.0));
        assert_eq!(timeline.time_of(60 * 90_000, true, at(60.0)), START + Duration::from_secs(60));
    }

    #[test]
    fn the_cameras_clock_is_believed_when_its_reports_agree() {
        let ntp = |seconds: u64| (3_900_000_000 + seconds) << 32;
        let mut clock = CameraClock::default();
        clock.on_packet(0);
        assert_eq!(clock.wall_at(0), None);
        clock.on_report(ntp(0), u32::MAX - 45_000 + 1);
        assert_eq!(clock.wall_at(45_000), Some(Duration::from_secs(3_900_000_001)), "RTP times wrap around");
        clock.on_report(0, 0);
        clock.on_report(ntp(77), 3_000_000_000);
        assert!(clock.wall_at(45_000).is_some(), "neither of these is a report");
        clock.on_report(ntp(5000), 90_000);
        assert_eq!(clock.wall_at(0), None, "which of the two is right?");
        clock.on_report(ntp(5001), 180_000);
        assert_eq!(clock.wall_at(180_000), Some(Duration::from_secs(3_900_005_001)), "the clock was set");
    }

    proptest! {
        /// With B-frames, whatever the first timestamp and the frame rate.
        #[test]
        fn presentation_times_follow_the_timestamps(first: u32, fps in 1u32..60, b_frames in 0usize..4) {
            let order: Vec<usize> = (0..30)
                .step_by(b_frames + 1)
                .flat_map(|n| std::iter::once(n + b_frames).chain(n..n + b_frames))
                .collect();
            let mut timeline = Timeline::default();
            let mut times = Vec::new();
            for (n, frame) in (0u32..).zip(&order) {
                let timestamp = first.wrapping_add(*frame as u32 * CLOCK_RATE / fps);
                times.push((*frame, timeline.time_of(timestamp, true, at(f64::from(n) / f64::from(fps)))));
            }
            let (zero, start) = times[0];
            for (frame, time) in times {
                let expected = START.as_secs_f64() + (frame as f64 - zero as f64) / f64::from(fps);
                prop_assert!(b_frames as f64 / f64::from(fps) > 2.0 || (time.as_secs_f64() - expected).abs() < 0.001, "{frame}: {time:?}");
            }
            prop_assert_eq!(start, START);
        }

        /// Garbage never makes one time out of another.
        #[test]
        fn any_report_is_taken(reports in proptest::collection::vec((any::<u64>(), any::<u32>()), 0..20), at: u32) {
            let mut clock = CameraClock::default();
            for (ntp, rtp) in reports {
                clock.on_report(ntp, rtp);
                let _ = clock.wall_at(at);
            }
        }
    }
}
