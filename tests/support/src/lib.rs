//! Helpers of the tests: a manual clock; for end-to-end tests a node, a camera's recorder and a
//! browser.
#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and its timeouts are real time"
)]
#![allow(missing_docs, reason = "used by this workspace's tests only")]

pub mod browser;
pub mod clock;
pub mod node;
pub mod recorder;
pub mod serial;

/// Longest wait of a test before it fails.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
