//! Support for tests: a clock that can be set, a node, a recorder of a camera's frames, a browser.
#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test ends where it can't go on, and its patience is real time"
)]
#![allow(missing_docs, reason = "for the tests beside it alone")]

pub mod browser;
pub mod clock;
pub mod node;
pub mod recorder;
pub mod serial;

/// Time after which a waiting test fails.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
