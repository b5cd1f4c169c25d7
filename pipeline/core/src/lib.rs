//! What every stage of the pipeline shares: frames, the three clocks, events, and the traits by which stages meet.
//!
//! No native library is named here, and nothing here knows how a frame was decoded or how an event travels.

pub mod door;
pub mod event;
pub mod frame;
pub mod health;
pub mod id;
pub mod key;
pub mod load;
pub mod log_limit;
pub mod picture_check;
pub mod rate;
pub mod rollup;
pub mod time;
pub mod urgency;

pub use event::Event;
pub use frame::{Demand, Frame, FrameSink};
pub use id::{CameraId, LineId, ZoneId};
pub use urgency::Urgency;
