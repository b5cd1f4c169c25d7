//! Simulated RTSP cameras with faults on demand, for tests and demos.
//!
//! A [`Sim`] listens on one TCP port and serves any number of mounts. Each mount is a camera: a
//! real `gst-rtsp-server` with its own thread, login, sessions and statistics, so that a fault of
//! one camera never affects another. The [`Scene`] of a camera is encoded once into a clip in
//! memory. The clip is sent in real time, in a loop, with continuous timestamps.
//!
//! ```no_run
//! use gatehouse_sim::{Fault, Sim, SimConfig};
//!
//! # fn main() -> Result<(), gatehouse_sim::SimError> {
//! let config = SimConfig::parse(
//!     r#"
//!     [[mount]]
//!     path = "/plaza"
//!     scene = { pattern = "ball" }
//!     "#,
//!     std::path::Path::new("."),
//! )?;
//! let sim = Sim::start(config)?;
//! println!("{}", sim.url("plaza"));
//! sim.inject("plaza", Fault::Black)?;
//! sim.clear("plaza")?;
//! sim.stop()
//! # }
//! ```

mod auth;
mod clip;
mod clock;
mod command;
mod config;
mod cutout;
mod door;
mod encode;
mod error;
mod fault;
mod form;
mod gateway;
mod library;
mod mount;
mod oddity;
mod person;
mod picture;
mod player;
mod presentation;
mod replay;
mod reports;
mod scene;
mod script;
mod sim;
mod source;
mod stats;
mod still;
mod view;
mod walk_up;

pub use auth::{AuthScheme, Login, Password};
pub use clock::CameraClock;
pub use command::Command;
pub use config::{MountConfig, ScriptedFault, SimConfig};
pub use encode::Codec;
pub use error::SimError;
pub use fault::Fault;
pub use form::{Matrix, PictureForm, Range, Samples};
pub use library::ClipLibrary;
pub use oddity::{Oddity, OddityError};
pub use person::{FaceBox, Person, Presentation};
pub use replay::{Algorithm, Replay};
pub use reports::SenderReports;
pub use scene::Scene;
pub use sim::Sim;
pub use still::{Sensor, Still};
pub use walk_up::WalkUp;
