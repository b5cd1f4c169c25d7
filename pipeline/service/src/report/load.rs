//! Measures the time that frames take, stage by stage, and the node's load. Logs when it is full.
//!
//! Locks: one per role, held for a few additions.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_config::Site;
use gatehouse_core::load::{FrameLatency, NodeLoad, Quantiles, RoleLoad};
use gatehouse_core::time::{Clock, FrameTimes, Monotonic};
use hdrhistogram::Histogram;
use parking_lot::Mutex;

use crate::wall_clock::WallClock;

use super::processors::{usable_processors, used_by_process};

/// A node is full from this share of its processors' time on: bursts take the rest.
pub(crate) const FULL: f64 = 0.9;
/// A node is full from this share of missed frames on, whatever uses the processors.
const MISSED: f64 = 0.05;
/// The range of recorded times: up to a minute in µs, two significant digits.
const LONGEST_US: u64 = 60_000_000;
const DIGITS: u8 = 2;

/// When each stage of a frame was done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameStages {
    pub(crate) times: FrameTimes,
    /// A worker took it from its lane.
    pub(crate) taken: Monotonic,
    /// The model finished.
    pub(crate) inferred: Monotonic,
    /// The decision was made.
    pub(crate) decided: Monotonic,
}

/// The stages of [`FrameLatency`], in its order.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Capture,
    Wait,
    Infer,
    Decide,
    Publish,
    All,
}

/// The times of one role's frames since the last report.
pub(crate) struct RoleMeter {
    clock: Arc<dyn Clock>,
    stages: Mutex<[Histogram<u32>; 6]>,
}

impl RoleMeter {
    pub(crate) fn new(clock: &Arc<dyn Clock>) -> Arc<Self> {
        let histogram = || {
            Histogram::new_with_bounds(1, LONGEST_US, DIGITS).unwrap_or_else(|_| unreachable!("these bounds are valid"))
        };
        Arc::new(Self { clock: Arc::clone(clock), stages: Mutex::new(std::array::from_fn(|_| histogram())) })
    }

    /// Records a frame that was analysed just now.
    pub(crate) fn record_frame(&self, frame: &FrameStages) {
        let FrameStages { times, taken, inferred, decided } = *frame;
        let (now, wall) = (self.clock.monotonic(), self.clock.wall());
        let here = now.since(times.arrival);
        // A frame can't have been captured after it arrived.
        let all = wall.distance(times.capture.at.min(wall)).max(here);
        let mut stages = self.stages.lock();
        for (stage, took) in [
            (Stage::Capture, all.saturating_sub(here)),
            (Stage::Wait, taken.since(times.arrival)),
            (Stage::Infer, inferred.since(taken)),
            (Stage::Decide, decided.since(inferred)),
            (Stage::All, all),
        ] {
            record(&mut stages[stage as usize], took);
        }
    }

    /// Records an event that was published just now.
    pub(crate) fn record_published(&self, decided: Monotonic) {
        let took = self.clock.monotonic().since(decided);
        record(&mut self.stages.lock()[Stage::Publish as usize], took);
    }

    /// The measurements since the last call; resets them.
    fn take_measurements(&self) -> (u64, FrameLatency) {
        let mut stages = self.stages.lock();
        let of = |stage: Stage| quantiles(&stages[stage as usize]);
        let latency = FrameLatency {
            capture_to_arrival: of(Stage::Capture),
            queue: of(Stage::Wait),
            infer: of(Stage::Infer),
            decide: of(Stage::Decide),
            publish: of(Stage::Publish),
            total: of(Stage::All),
        };
        let frames = stages[Stage::All as usize].len();
        stages.iter_mut().for_each(Histogram::reset);
        (frames, latency)
    }
}

fn record(histogram: &mut Histogram<u32>, took: Duration) {
    histogram.saturating_record(u64::try_from(took.as_micros()).unwrap_or(LONGEST_US));
}

fn quantiles(histogram: &Histogram<u32>) -> Quantiles {
    // Two digits are mostly coarser than a hundredth of a millisecond.
    let millis = |share| (histogram.value_at_quantile(share) as f64 / 10.0).round() / 100.0;
    if histogram.is_empty() {
        return Quantiles::default();
    }
    Quantiles { p50: millis(0.5), p95: millis(0.95), p99: millis(0.99) }
}

/// The meters of both roles.
#[derive(Clone)]
pub(crate) struct Meters {
    pub(crate) gates: Arc<RoleMeter>,
    pub(crate) crowds: Arc<RoleMeter>,
}

impl Meters {
    pub(crate) fn new(clock: &Arc<dyn Clock>) -> Self {
        Self { gates: RoleMeter::new(clock), crowds: RoleMeter::new(clock) }
    }
}

/// Missed frames of both roles since the node started.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MissedFrames {
    pub(super) gates: u64,
    pub(super) crowds: u64,
}

/// Computes the node's load between two reports.
pub(super) struct LoadReporter {
    node: String,
    clock: Arc<dyn Clock>,
    /// `None` for a role that the node does not have.
    gates: Option<Arc<RoleMeter>>,
    crowds: Option<Arc<RoleMeter>>,
    before: Before,
    is_full: bool,
    wall_clock: Arc<WallClock>,
}

/// The counters at the last report.
struct Before {
    at: Monotonic,
    used: Duration,
    missed: MissedFrames,
}

impl LoadReporter {
    pub(super) fn new(site: &Site, meters: &Meters, clock: &Arc<dyn Clock>, wall_clock: &Arc<WallClock>) -> Self {
        let before = Before { at: clock.monotonic(), used: used_by_process(), missed: MissedFrames::default() };
        Self {
            node: site.site.node.clone(),
            clock: Arc::clone(clock),
            gates: (!site.gates.is_empty()).then(|| Arc::clone(&meters.gates)),
            crowds: (!site.crowds.is_empty()).then(|| Arc::clone(&meters.crowds)),
            before,
            is_full: false,
            wall_clock: Arc::clone(wall_clock),
        }
    }

    /// Reports the time since the last report.
    pub(super) fn report(&mut self, missed: MissedFrames) -> NodeLoad {
        let (now, used) = (self.clock.monotonic(), used_by_process());
        let processors = usable_processors();
        let before = std::mem::replace(&mut self.before, Before { at: now, used, missed });
        let role = |meter: &Option<Arc<RoleMeter>>, missed: u64, before: u64| {
            let (frames, latency_ms) = meter.as_ref()?.take_measurements();
            Some(RoleLoad { frames, missed: missed.saturating_sub(before), latency_ms })
        };
        let gates = role(&self.gates, missed.gates, before.missed.gates);
        let crowds = role(&self.crowds, missed.crowds, before.missed.crowds);
        let seconds = now.since(before.at).as_secs_f64();
        let cpu_usage =
            used.saturating_sub(before.used).as_secs_f64() / (seconds * processors as f64).max(f64::EPSILON);
        let full = cpu_usage >= FULL || [&gates, &crowds].into_iter().flatten().any(misses_frames);
        let hundredths = |value: f64| (value * 100.0).round() / 100.0;
        let load = NodeLoad {
            node: self.node.clone(),
            at: self.clock.wall(),
            period_s: hundredths(seconds),
            processors: u32::try_from(processors).unwrap_or(u32::MAX),
            cpu_usage: hundredths(cpu_usage.min(1.0)),
            full,
            gates,
            crowds,
            removal_paused: !self.wall_clock.allows_removal(),
            clock_set: self.wall_clock.last_step(),
        };
        if std::mem::replace(&mut self.is_full, full) != full {
            log_load(&load);
        }
        load
    }
}

fn misses_frames(role: &RoleLoad) -> bool {
    role.missed as f64 > MISSED * (role.frames + role.missed) as f64
}

fn log_load(load: &NodeLoad) {
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    if !load.full {
        tracing::info!(cpu_usage = percent(load.cpu_usage), "the node keeps up with its cameras again");
        return;
    }
    let missed = |role: &Option<RoleLoad>| {
        role.as_ref().map_or(0.0, |role| role.missed as f64 / (role.frames + role.missed).max(1) as f64)
    };
    tracing::warn!(
        cpu_usage = percent(load.cpu_usage),
        gates_missed = percent(missed(&load.gates)),
        crowds_missed = percent(missed(&load.crowds)),
        "the node is full and analyses fewer frames, of crowd cameras first. Give cameras to another node, or lower \
         `analyse_fps` or `detail_px`"
    );
}

#[cfg(test)]
mod tests {
    use gatehouse_core::time::{CaptureTime, ClockSource, StreamTime};
    use gatehouse_testing::clock::ManualClock;

    use super::*;

    #[test]
    fn stages_add_up_and_each_report_resets() {
        let clock = Arc::new(ManualClock::default());
        let shared: Arc<dyn Clock> = clock.clone();
        let meters = Meters::new(&shared);
        let mut reporter = LoadReporter {
            node: "n".into(),
            clock: Arc::clone(&shared),
            gates: Some(Arc::clone(&meters.gates)),
            crowds: None,
            before: Before { at: clock.monotonic(), used: used_by_process(), missed: MissedFrames::default() },
            is_full: false,
            wall_clock: WallClock::new(&shared),
        };
        let missed = MissedFrames { gates: 1, crowds: 0 };
        let capture =
            CaptureTime { at: clock.wall(), source: ClockSource::Arrival, error_ms: 500, clock_offset_ms: None };
        let [arrival, taken, inferred, decided] =
            [40, 10, 20, 5].map(|later| clock.advance(Duration::from_millis(later)));
        let times = FrameTimes { stream: StreamTime(Duration::ZERO), arrival, capture };
        meters.gates.record_frame(&FrameStages { times, taken, inferred, decided });
        let load = reporter.report(missed);
        let gates = load.gates.expect("there are gates");
        assert_eq!((gates.frames, gates.missed, load.crowds), (1, 1, None));
        let l = gates.latency_ms;
        for (got, expected) in [
            (l.capture_to_arrival, 40.0),
            (l.queue, 10.0),
            (l.infer, 20.0),
            (l.decide, 5.0),
            (l.total, 75.0),
            (l.publish, 0.0),
        ] {
            assert!((got.p99 - expected).abs() <= expected / 100.0, "{got:?}, expected {expected}");
        }
        assert!(load.full, "half of the frames were missed");
        clock.advance(Duration::from_secs(10));
        let load = reporter.report(missed);
        let gates = load.gates.expect("there are gates");
        assert_eq!((gates.frames, gates.missed, gates.latency_ms), (0, 0, FrameLatency::default()));
        assert!(!load.full);
    }
}
