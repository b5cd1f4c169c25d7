//! The vocabulary of the pipeline: frames, the three clocks, events, and the traits between stages.
//!
//! This crate names no native library. It does not know how frames are decoded or how events are
//! sent.

pub mod bus_mode;
pub mod camera_clock;
pub mod clock_watch;
pub mod door;
pub mod event;
pub mod fates;
pub mod frame;
pub mod ground;
pub mod health;
pub mod id;
pub mod key;
pub mod liveness;
pub mod load;
pub mod log_limit;
pub mod node_clock;
pub mod picture_check;
pub mod provider;
pub mod rate;
pub mod rollup;
pub mod stream;
pub mod thread_priority;
pub mod time;
pub mod zone;

pub use self::thread_priority::ThreadPriority;
pub use event::Event;
pub use fates::{DropReason, Fate, FateCounters, FrameFates, PacketCounts};
pub use frame::{Delivery, Frame, FrameDemand, FrameSink};
pub use id::{CameraId, LineId, ZoneId};
