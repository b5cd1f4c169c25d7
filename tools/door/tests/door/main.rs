//! A controller against a real bus and a device that takes its commands.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

mod grants;
mod link;
mod release;
#[cfg(test)]
mod support;
