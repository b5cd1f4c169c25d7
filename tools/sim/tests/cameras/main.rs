//! Watches simulated cameras with a real GStreamer RTSP client.

#![allow(clippy::unwrap_used, reason = "a test's helper may panic")]

mod faults;
mod login;
mod replay;
mod serving;
#[path = "../threads/mod.rs"]
mod threads;
mod viewer;
