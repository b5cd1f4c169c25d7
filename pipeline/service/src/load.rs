//! Measures how long frames take, stage by stage, and how busy the node is; and says so when it is full.
//!
//! Locks: one a role, held for a few additions.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatehouse_core::load::{FrameLatency, NodeLoad, Quantiles, RoleLoad};
use gatehouse_core::time::{Clock, FrameTimes, Monotonic};
use hdrhistogram::Histogram;

use crate::processors::{usable, used_here};

/// From this share of its processors' time on a node is full: what is left goes into bursts, and into decoding them.
pub(crate) const FULL: f64 = 0.9;
/// From this share of frames on that aren't looked at in time it is full, whoever uses the processors.
const LATE: f64 = 0.05;
/// What is told of times, in µs: up to a minute, to a hundredth.
const LONGEST_US: u64 = 60_000_000;
const DIGITS: u8 = 2;

/// When what was done to a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameStages {
    pub(crate) times: FrameTimes,
    /// A worker took it.
    pub(crate) taken: Monotonic,
    /// The model had run.
    pub(crate) inferred: Monotonic,
    /// It was known what follows from it.
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

/// What the frames of all cameras of one role took since the last report.
pub(crate) struct RoleMeter {
    clock: Arc<dyn Clock>,
    stages: Mutex<[Histogram<u32>; 6]>,
}

impl RoleMeter {
    pub(crate) fn new(clock: &Arc<dyn Clock>) -> Arc<Self> {
        let histogram = || {
            Histogram::new_with_bounds(1, LONGEST_US, DIGITS).unwrap_or_else(|_| unreachable!("these bounds are good"))
        };
        Arc::new(Self { clock: Arc::clone(clock), stages: Mutex::new(std::array::from_fn(|_| histogram())) })
    }

    fn stages(&self) -> MutexGuard<'_, [Histogram<u32>; 6]> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A frame was analysed just now.
    pub(crate) fn frame(&self, frame: &FrameStages) {
        let FrameStages { times, taken, inferred, decided } = *frame;
        let (now, wall) = (self.clock.monotonic(), self.clock.wall());
        let here = now.since(times.arrival);
        // No frame is captured after it arrived.
        let all = wall.distance(times.capture.at.min(wall)).max(here);
        let mut stages = self.stages();
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

    /// An event was handed to the bus just now.
    pub(crate) fn published(&self, decided: Monotonic) {
        let took = self.clock.monotonic().since(decided);
        record(&mut self.stages()[Stage::Publish as usize], took);
    }

    /// What was measured since it was asked last.
    fn take(&self) -> (u64, FrameLatency) {
        let mut stages = self.stages();
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
    // A hundredth of a millisecond is finer than what a histogram of two digits tells of most.
    let millis = |share| (histogram.value_at_quantile(share) as f64 / 10.0).round() / 100.0;
    if histogram.is_empty() {
        return Quantiles::default();
    }
    Quantiles { p50: millis(0.5), p95: millis(0.95), p99: millis(0.99) }
}

/// The node's meters.
pub(crate) struct LoadBoard {
    node: String,
    clock: Arc<dyn Clock>,
    /// Whether it has gates, and crowd cameras.
    has: [bool; 2],
    pub(crate) gates: Arc<RoleMeter>,
    pub(crate) crowds: Arc<RoleMeter>,
    before: Mutex<Before>,
    full: AtomicBool,
}

/// What had been counted at the last report.
struct Before {
    at: Monotonic,
    used: Duration,
    overtaken: [u64; 2],
}

impl LoadBoard {
    /// `has`: gates, and crowd cameras.
    pub(crate) fn new(node: &str, has: [bool; 2], clock: &Arc<dyn Clock>) -> Arc<Self> {
        let before = Before { at: clock.monotonic(), used: used_here(), overtaken: [0; 2] };
        Arc::new(Self {
            node: node.to_owned(),
            clock: Arc::clone(clock),
            has,
            gates: RoleMeter::new(clock),
            crowds: RoleMeter::new(clock),
            before: Mutex::new(before),
            full: AtomicBool::new(false),
        })
    }

    /// What there is to say of the time since the last report. `overtaken`: frames of gates, and of crowd cameras, that were
    /// overtaken since the node was started.
    pub(crate) fn report(&self, overtaken: [u64; 2]) -> NodeLoad {
        let (now, used) = (self.clock.monotonic(), used_here());
        let processors = usable();
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let role = |i: usize, meter: &RoleMeter| {
            let (frames, latency_ms) = meter.take();
            let superseded = overtaken[i].saturating_sub(before.overtaken[i]);
            self.has[i].then_some(RoleLoad { frames, superseded, latency_ms })
        };
        let (gates, crowds) = (role(0, &self.gates), role(1, &self.crowds));
        let seconds = now.since(before.at).as_secs_f64();
        let cpu_usage =
            used.saturating_sub(before.used).as_secs_f64() / (seconds * processors as f64).max(f64::EPSILON);
        *before = Before { at: now, used, overtaken };
        drop(before);
        let full = cpu_usage >= FULL || [&gates, &crowds].into_iter().flatten().any(is_late);
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
        };
        if self.full.swap(full, Ordering::Relaxed) != full {
            tell(&load);
        }
        load
    }
}

fn is_late(role: &RoleLoad) -> bool {
    role.superseded as f64 > LATE * (role.frames + role.superseded) as f64
}

fn tell(load: &NodeLoad) {
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    if !load.full {
        tracing::info!(cpu_usage = percent(load.cpu_usage), "the node keeps up again");
        return;
    }
    let late = |role: &Option<RoleLoad>| {
        role.as_ref().map_or(0.0, |role| role.superseded as f64 / (role.frames + role.superseded).max(1) as f64)
    };
    tracing::warn!(
        cpu_usage = percent(load.cpu_usage),
        gates_late = percent(late(&load.gates)),
        crowds_late = percent(late(&load.crowds)),
        "the node is full: with more to do it looks at fewer frames, of crowd cameras first. Give cameras to another node, or lower \
         `analyse_fps` or `detail_px`"
    );
}

#[cfg(test)]
mod tests {
    use gatehouse_core::time::{CaptureTime, ClockSource, StreamTime};
    use gatehouse_testing::clock::ManualClock;

    use super::*;

    #[test]
    fn stages_add_up_and_each_report_starts_anew() {
        let clock = Arc::new(ManualClock::default());
        let shared: Arc<dyn Clock> = clock.clone();
        let board = LoadBoard::new("n", [true, false], &shared);
        let capture = CaptureTime { at: clock.wall(), source: ClockSource::Arrival, error_ms: 500 };
        let [arrival, taken, inferred, decided] =
            [40, 10, 20, 5].map(|later| clock.advance(Duration::from_millis(later)));
        let times = FrameTimes { stream: StreamTime(Duration::ZERO), arrival, capture };
        board.gates.frame(&FrameStages { times, taken, inferred, decided });
        let load = board.report([1, 0]);
        let gates = load.gates.expect("there are gates");
        assert_eq!((gates.frames, gates.superseded, load.crowds), (1, 1, None));
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
        assert!(load.full, "half of the frames came too late");
        clock.advance(Duration::from_secs(10));
        let load = board.report([1, 0]);
        let gates = load.gates.expect("there are gates");
        assert_eq!((gates.frames, gates.superseded, gates.latency_ms), (0, 0, FrameLatency::default()));
        assert!(!load.full);
    }
}
