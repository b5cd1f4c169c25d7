//! RTCP sender reports, which tie a stream's clock to wall-clock time (RFC 3550, section 6.4.1):
//! sent, late or missing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gstreamer::{self as gst, prelude::*};
use serde::{Deserialize, Deserializer, de::Error};

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

/// The current policy, shared with the streaming threads: reports are dropped before this running
/// time, in ns.
#[derive(Debug, Default, Clone)]
pub(crate) struct ReportGate(Arc<AtomicU64>);

impl ReportGate {
    pub(crate) fn set(&self, policy: SenderReports) {
        let held_until = match policy {
            SenderReports::Normal => 0,
            SenderReports::Late(delay) => u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX),
            SenderReports::Missing => u64::MAX,
        };
        self.0.store(held_until, Ordering::Relaxed);
    }

    /// Applies the policy to an `rtpbin`'s outgoing RTCP pad.
    pub(crate) fn guard(&self, pad: &gst::Pad) {
        let held_until = Arc::clone(&self.0);
        pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |pad, _| {
            let running = pad.parent_element().and_then(|element| element.current_running_time());
            let running_ns = running.map_or(0, gst::ClockTime::nseconds);
            let held_until = held_until.load(Ordering::Relaxed);
            if running_ns < held_until || held_until == u64::MAX {
                gst::PadProbeReturn::Drop
            } else {
                gst::PadProbeReturn::Ok
            }
        });
    }
}
