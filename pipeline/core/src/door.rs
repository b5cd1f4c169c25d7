//! The state of a door, as its gate controller reports it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::CameraId;
use crate::time::WallTime;

/// The state of a door (`door/<door>/state`), on change and every 10 s. It does not say who passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DoorEvent {
    /// The door.
    pub door: String,
    /// The gate whose decisions open the door.
    pub gate: CameraId,
    /// True while the door is released: it stays open until it is reset.
    pub released: bool,
    /// True while the door is held open because its node is lost (`fail = "safe"`).
    pub failed_safe: bool,
    /// False while the actuator fails to carry out commands.
    pub actuator_works: bool,
    /// Number of grants that the actuator has opened the door for since the controller's start.
    pub openings: u64,
    /// Time of the last change of `released`, `failed_safe` or `actuator_works`.
    pub since: WallTime,
    /// End of the door's log. A receiver that keeps it notices when lines were cut off.
    pub log: LogHead,
    /// Number of grants that did not open the door since it last opened. Old ones that the bus
    /// repeats do not count.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refused_in_a_row: u64,
    /// Why the door may be shut for people whom the gate admits, in words for an operator: it has
    /// refused three grants in a row, or waits for the node's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// Node's wall clock minus the door's, in milliseconds. No decision depends on it. Absent until
    /// the node has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_clock_offset_ms: Option<i64>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// End of a hash-chained log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogHead {
    /// Number of the last line; 0 for an empty log.
    pub number: u64,
    /// SHA-256 of the last line, 64 hexadecimal digits; empty for an empty log.
    pub hash: String,
}
