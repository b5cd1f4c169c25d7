//! What the end-to-end tests share. Each test file uses its own part of it.
#![allow(dead_code, reason = "every test file includes the whole and uses its part")]

pub(crate) mod browser;
pub(crate) mod node;
pub(crate) mod recorder;

/// How long a test waits for anything before it fails.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
