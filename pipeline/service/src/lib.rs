//! One node: cameras, batchers, models, bus and store wired together, and shut down again within a deadline.
//!
//! [`Node::start`] reads top to bottom as the data flows. The threads that it makes, and the locks between them, are listed
//! in ARCHITECTURE.md.

pub mod view;

mod crowds;
mod error;
mod gallery_watch;
mod gates;
mod health;
mod intake;
mod log_limit;
mod node;
mod publisher;
mod tally;
mod threads;
mod wiring;

pub use error::NodeError;
pub use node::{Node, open_registry, open_store};
