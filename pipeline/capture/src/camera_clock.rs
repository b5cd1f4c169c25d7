//! Measures a camera's clock from its frames, and says when it is wrong.

use std::time::Duration;

use gatehouse_core::CameraId;
use gatehouse_core::camera_clock::{CameraClock, ClockOffset};
use gatehouse_core::log_limit::LogLimit;
use gatehouse_core::time::{CaptureTime, Monotonic, WallTime, rough};
use parking_lot::Mutex;

/// A difference from this on is logged: transit does not explain it.
const LOGGED_FROM_MS: u64 = 1000;

/// The last measured offset of a camera's clock, for its health.
#[derive(Debug, Default)]
pub(crate) struct OffsetGauge(Mutex<Option<ClockOffset>>);

impl OffsetGauge {
    pub(crate) fn get(&self) -> Option<ClockOffset> {
        *self.0.lock()
    }

    fn set(&self, offset: Option<ClockOffset>) {
        *self.0.lock() = offset;
    }
}

/// The clock of a camera over one connection.
pub(crate) struct ConnectionClock {
    camera: CameraId,
    latency: Duration,
    clock: CameraClock,
    /// The last offset that was logged; 0 while the clock was right.
    logged_ms: i64,
    log: LogLimit,
    senseless_log: LogLimit,
}

impl ConnectionClock {
    pub(crate) fn new(camera: CameraId, latency: Duration) -> Self {
        Self {
            camera,
            latency,
            clock: CameraClock::new(),
            logged_ms: 0,
            log: LogLimit::default(),
            senseless_log: LogLimit::default(),
        }
    }

    /// The capture time of a frame. `stated` is the camera's own time of it.
    pub(crate) fn capture_time(
        &mut self,
        stated: Option<WallTime>,
        arrival: Monotonic,
        arrived: WallTime,
        gauge: &OffsetGauge,
    ) -> CaptureTime {
        let before = self.clock.offset();
        let capture = self.clock.capture_time(stated, arrival, arrived, self.latency);
        let offset = self.clock.offset();
        if self.clock.is_senseless(arrival)
            && let Some(times) = self.senseless_log.count(arrival)
        {
            tracing::warn!(
                camera = %self.camera, times,
                "the camera's sender reports state another time again and again; its clock is ignored, and capture times are \
                 those of arrival. Update its firmware"
            );
        }
        if offset != before {
            gauge.set(offset);
            self.log(offset, arrival);
        }
        capture
    }

    /// Logs an offset that is new by more than a second.
    fn log(&mut self, offset: Option<ClockOffset>, now: Monotonic) {
        let Some(ClockOffset { ms, .. }) = offset else { return };
        let ms = if ms.unsigned_abs() < LOGGED_FROM_MS { 0 } else { ms };
        // Reports without sense change the offset again and again.
        if ms.abs_diff(self.logged_ms) < LOGGED_FROM_MS || self.log.count(now).is_none() {
            return;
        }
        self.logged_ms = ms;
        let camera = &self.camera;
        let off = rough(Duration::from_millis(ms.unsigned_abs()));
        match ms {
            0 => tracing::info!(%camera, "the camera's clock agrees with this machine's clock"),
            1.. => tracing::warn!(%camera, "the camera's clock is {off} ahead of this machine's clock. {ADVICE}"),
            _ => tracing::warn!(%camera, "the camera's clock is {off} behind this machine's clock. {ADVICE}"),
        }
    }
}

const ADVICE: &str = "Decisions do not depend on it, and capture times are corrected. Set the camera and this machine by \
                      the same NTP server, so that recordings fit";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_kept_for_health_and_logged_once() {
        let gauge = OffsetGauge::default();
        let mut clock = ConnectionClock::new(CameraId::new("gate"), Duration::from_millis(50));
        let noon = WallTime::from_unix_nanos(1_790_000_000_000_000_000);
        let mut frame = |ms: u64, ahead: Option<Duration>| {
            let (after, arrival) = (Duration::from_millis(ms), Monotonic::from_start(Duration::from_millis(ms)));
            clock.capture_time(ahead.map(|ahead| noon + after + ahead), arrival, noon + after, &gauge);
            (gauge.get().map(|offset| offset.ms), clock.logged_ms)
        };
        assert_eq!(frame(0, None), (None, 0));
        assert_eq!(frame(40, Some(Duration::from_millis(2000))), (Some(2000), 2000));
        assert_eq!(frame(80, Some(Duration::from_millis(2100))), (Some(2100), 2000));
        assert_eq!(frame(120, Some(Duration::from_millis(10))), (Some(10), 2000), "too soon after the last line");
        assert_eq!(frame(31_000, Some(Duration::from_millis(11))), (Some(11), 0));
        assert_eq!(frame(31_040, None), (None, 0));
    }
}
