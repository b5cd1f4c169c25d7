//! One node: cameras, batchers, models, bus and store wired together, and shut down again within a deadline.
//!
//! [`Node::start`] reads top to bottom as the data flows. The threads that it makes, and the locks between them, are listed
//! in ARCHITECTURE.md.

pub mod view;

mod codes;
mod crowd_rules;
mod crowds;
mod error;
mod face_finder;
mod gallery_watch;
mod gate_rules;
mod gates;
mod health;
mod housekeeping;
mod load;
mod load_shedder;
mod models;
mod node;
mod picture_monitor;
mod processors;
mod publisher;
mod sub_stream;
mod tally;
mod threads;
mod views;
mod wiring;

pub use crowd_rules::{density_px, detail_px, looking, options as crowd_options};
pub use error::NodeError;
pub use gate_rules::{calibration, match_rule, threshold_for_target};
pub use models::load_catalogue;
pub use node::{Node, open_registry, open_store, site_secret};
pub use views::Views;
pub use wiring::stream;
