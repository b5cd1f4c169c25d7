//! Cross-camera batching: the newest item of each camera, served fairly.
//!
//! One [`Batcher`] stands before each model. Every camera has a [`Lane`] that holds at most one
//! item: a newer item replaces an older one that has not been served yet, and [`Lane::offer`]
//! reports it. Each [`Worker`] collects batches, and no two workers have items of the same camera
//! at a time. The pure function [`plan::plan`] decides when a batch is shipped and which lanes are
//! in it.

pub mod plan;

mod batcher;

pub use batcher::{Batcher, Lane, Offer, Worker};
pub use plan::BatchPolicy;
