//! What tests share: a clock to set; and for those end to end a node to run, a camera's recorder, a browser.
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

/// How long a test waits for anything before it fails.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
