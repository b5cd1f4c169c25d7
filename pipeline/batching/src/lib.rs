//! Cross-camera batching: the newest item of each camera, served fairly, shipped when a batch is full or its time is up.
//!
//! One [`Batcher`] stands before each model. Every camera has a lane of its own that holds at most one item: a newer one
//! takes the place of an older one that has not been served yet (*latest wins*), and whoever offers it is told. Each [`Worker`]
//! collects the next batch, and no two have items of the same camera. What to ship when is the pure function [`plan::plan`].

pub mod plan;

mod batcher;

pub use batcher::{Batcher, Lane, Worker};
pub use plan::BatchPolicy;
