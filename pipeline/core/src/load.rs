//! The load of a node, and the latency of its frames.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::WallTime;

/// The load of a node in the last period (`node/<node>/load`), every 10 s.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeLoad {
    /// The node.
    pub node: String,
    /// End of the period.
    pub at: WallTime,
    /// Length of the period in seconds.
    pub period_s: f64,
    /// Number of processors that the node may use.
    pub processors: u32,
    /// Share of these processors' time that the node used, 0–1.
    pub cpu_usage: f64,
    /// True if the node cannot do more: it uses nearly all of its processors, or frames are not
    /// analysed in time.
    pub full: bool,
    /// The node's gates. Absent without gates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gates: Option<RoleLoad>,
    /// The node's crowd cameras. Absent without crowd cameras.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crowds: Option<RoleLoad>,
    /// The last time that the node's wall clock was set since its start. Absent if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_set: Option<ClockSet>,
    /// True while no record is removed for its age, because the wall clock has not been steady for
    /// ten minutes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removal_paused: bool,
}

/// The wall clock of a node was set while it ran, or its machine slept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockSet {
    /// How far, in milliseconds: positive for forward, negative for back.
    pub by_ms: i64,
    /// When the node noticed it, by the new time.
    pub seen_at: WallTime,
    /// How often the clock was set since the node's start.
    pub times: u64,
}

/// Frames of all cameras of one role in the period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleLoad {
    /// Analysed frames.
    pub frames: u64,
    /// Analyses that were due and never happened: a newer frame of the same camera superseded the
    /// frame, and no later one made up for it.
    pub missed: u64,
    /// Latency of the analysed frames, in milliseconds. An entry's own `latency_ms` includes
    /// embedding and matching.
    pub latency_ms: FrameLatency,
}

/// Latency of frames in milliseconds, stage by stage without gaps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FrameLatency {
    /// From capture to the arrival of the decoded frame, as exact as the capture time.
    pub capture_to_arrival: Quantiles,
    /// From arrival until a worker takes the frame.
    pub queue: Quantiles,
    /// Resizing to the model's size, and inference.
    pub infer: Quantiles,
    /// Tracking, counting and deciding.
    pub decide: Quantiles,
    /// From the decision until its event was handed to the bus. Only frames that led to an event
    /// count.
    pub publish: Quantiles,
    /// From capture to the decision.
    pub total: Quantiles,
}

/// Quantiles of a latency in milliseconds. All are 0 without frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quantiles {
    /// The median.
    pub p50: f64,
    /// 95 of 100 values are at most this.
    pub p95: f64,
    /// 99 of 100 values are at most this.
    pub p99: f64,
}
