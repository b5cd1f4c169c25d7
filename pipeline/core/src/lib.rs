//! What all stages of the pipeline share: frames, the three clocks, events, and the traits between
//! stages.
//!
//! No native library is named here. Nothing here depends on how a frame is decoded or how an event
//! travels.

pub mod door;
pub mod event;
pub mod fates;
pub mod frame;
pub mod health;
pub mod id;
pub mod key;
pub mod load;
pub mod picture_check;
pub mod rate;
pub mod rollup;
pub mod thread_priority;
pub mod time;

pub use self::thread_priority::ThreadPriority;
pub use event::Event;
pub use fates::{DropReason, Fate, FateCounters, FrameFates};
pub use frame::{Delivery, Frame, FrameDemand, FrameSink};
pub use id::{CameraId, LineId, ZoneId};
