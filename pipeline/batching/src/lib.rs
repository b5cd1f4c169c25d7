//! Cross-camera batching: the newest item of each camera, served fairly.
//!
//! One [`Batcher`] stands before each model. Every camera has a [`Lane`] with at most one item: a
//! newer item replaces one not served yet, and [`Lane::offer`] reports it. Each [`Worker`] collects
//! batches, and no two workers have items of one camera at a time. The pure function [`plan::plan`]
//! decides when a batch is shipped and which lanes are in it.

pub mod plan;

mod batcher;

pub use batcher::{Batcher, Lane, Offer, Worker};
pub use plan::BatchPolicy;
