//! How busy a node is, and how long its frames take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::WallTime;

/// How busy a node was in the period that ended just now: `node/<node>/load`, every 10 s.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeLoad {
    /// The node.
    pub node: String,
    /// The end of the period.
    pub at: WallTime,
    /// Its length in seconds.
    pub seconds: f64,
    /// Processors that the node may use.
    pub processors: u32,
    /// The share of their time that it used: 0–1.
    pub busy: f64,
    /// Whether it can't do more: it uses nearly all of its processors, or frames aren't looked at
    /// in time.
    pub full: bool,
    /// Its gates, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gates: Option<RoleLoad>,
    /// Its crowd cameras, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crowds: Option<RoleLoad>,
}

/// What became of the frames of all cameras of one role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleLoad {
    /// Frames that were analysed.
    pub frames: u64,
    /// Analyses that were due and never happened: a newer frame of the same camera superseded the
    /// frame, and no later one made up for it.
    pub missed: u64,
    /// Milliseconds that the analysed ones took. A gate's frame with somebody near in it goes on
    /// from there: see the entry's own `latency_ms`.
    pub latency_ms: FrameLatency,
}

/// How long frames took, stage by stage, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FrameLatency {
    /// From capture to the decoded frame; with what the camera's clock is off.
    pub capture: Quantiles,
    /// From there until a worker took it.
    pub wait: Quantiles,
    /// Bringing it to the model's size, and the inference.
    pub infer: Quantiles,
    /// What is made of it: tracks, counts, decisions.
    pub decide: Quantiles,
    /// From there until what was decided was handed to the bus; of frames that led to an event.
    pub publish: Quantiles,
    /// From capture to the decision.
    pub all: Quantiles,
}

/// Of all values so much or less: half of them, 95 and 99 of 100. All 0 where there were none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quantiles {
    /// The median.
    pub p50: f64,
    /// 95 of 100.
    pub p95: f64,
    /// 99 of 100.
    pub p99: f64,
}
