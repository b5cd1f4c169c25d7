//! RTCP sender reports, which tie a stream's clock to wall-clock time (RFC 3550, section 6.4.1):
//! sent, late or missing, and with the time of the camera's own clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gstreamer::{self as gst, prelude::*};
use parking_lot::Mutex;
use serde::{Deserialize, Deserializer, de::Error};

use crate::CameraClock;

/// How a camera sends RTCP sender reports. In the config: `"normal"`, `"missing"` or
/// `{ late_seconds = 5 }`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SenderReports {
    /// As `gst-rtsp-server` does: the first within a few seconds, then every 5 s or so.
    #[default]
    Normal,
    /// None before the stream has run for this long.
    #[serde(rename = "late_seconds", deserialize_with = "late_seconds")]
    Late(Duration),
    /// Never.
    Missing,
}

fn late_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    Duration::try_from_secs_f64(seconds).map_err(|error| D::Error::custom(format!("late_seconds = {seconds}: {error}")))
}

/// The current policy and clock, shared with the streaming threads.
#[derive(Debug, Default, Clone)]
pub(crate) struct ReportGate {
    /// Reports are dropped before this running time, in ns.
    held_until: Arc<AtomicU64>,
    clock: Arc<Mutex<CameraClock>>,
}

impl ReportGate {
    pub(crate) fn set(&self, policy: SenderReports) {
        let held_until = match policy {
            SenderReports::Normal => 0,
            SenderReports::Late(delay) => u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX),
            SenderReports::Missing => u64::MAX,
        };
        self.held_until.store(held_until, Ordering::Relaxed);
    }

    pub(crate) fn set_clock(&self, clock: CameraClock) {
        *self.clock.lock() = clock;
    }

    /// Applies the policy and the clock to an `rtpbin`'s outgoing RTCP pad.
    pub(crate) fn guard(&self, pad: &gst::Pad) {
        let gate = self.clone();
        pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |pad, info| {
            let running = pad.parent_element().and_then(|element| element.current_running_time());
            let running_ns = running.map_or(0, gst::ClockTime::nseconds);
            let held_until = gate.held_until.load(Ordering::Relaxed);
            if running_ns < held_until || held_until == u64::MAX {
                return gst::PadProbeReturn::Drop;
            }
            let clock = *gate.clock.lock();
            if let Some(buffer) = info.buffer_mut().filter(|_| !clock.is_right())
                && let Ok(mut packet) = buffer.make_mut().map_writable()
            {
                clock.change(&mut packet, running_ns as f64 / 1e9);
            }
            gst::PadProbeReturn::Ok
        });
    }
}
