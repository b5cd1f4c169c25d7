//! The state of a door: what a gate controller says of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::CameraId;
use crate::time::WallTime;

/// How a door is (`door/<door>/state`), on change and every 10 s. It says nothing of who passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DoorEvent {
    /// The door.
    pub door: String,
    /// The gate whose decisions open it.
    pub gate: CameraId,
    /// Whether it is released: open until it is reset.
    pub released: bool,
    /// Whether it is held open because the node was lost.
    pub lost: bool,
    /// Whether the actuator does what it is told.
    pub works: bool,
    /// People it was opened for since the start.
    pub opened: u64,
    /// Since when all but the count is so.
    pub since: WallTime,
    /// Where the door's log ends: who keeps it will notice lines that were cut off.
    pub log: LogHead,
}

/// Where a chained log ends: the number of its last line, 0 for none, and that line's hash.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogHead {
    /// The last line's number.
    pub number: u64,
    /// Its hash (SHA-256), 64 hexadecimal digits; empty before the first line.
    pub hash: String,
}
