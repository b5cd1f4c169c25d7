//! One node: cameras, batchers, models, bus and store, wired together and stopped within a
//! deadline.
//!
//! [`Node::start`] builds the rooms of this crate in the order of the data: `publish`, `report`,
//! `gate` and `crowd`. ARCHITECTURE.md lists their threads and locks.

pub mod view;
mod wall_clock;

mod crowd;
mod error;
mod gate;
mod housekeeping;
mod model_load;
mod models;
mod node;
mod open;
mod publish;
mod report;
mod stream;
mod threads;
mod workers;

pub use crowd::{SceneFolder, density_px, detail_px, looking, options as crowd_options};
pub use error::NodeError;
pub use gate::{calibration, match_rule, threshold_for_target};
pub use models::load_catalogue;
pub use node::Node;
pub use open::{open_registry, open_store, site_secret};
pub use stream::stream;
