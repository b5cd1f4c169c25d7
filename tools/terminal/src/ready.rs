//! The line of a node that is ready.

use serde::{Deserialize, Serialize};

/// Where a running node can be reached: the line that `gatehouse run --json` prints.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeReady {
    /// zenoh locators of the bus.
    pub bus: Vec<String>,
    /// Address of the console, if the site has one.
    pub console: Option<String>,
}
