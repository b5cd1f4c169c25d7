//! The reference gate controller: receives a gate's decisions on the bus and opens a door for those
//! that the site signed.
//!
//! - `Controller` decides, as a pure function of entries and times: a signed, fresh grant opens
//!   once, nothing else does.
//! - [`Actuator`] moves the door: over HTTP, by a Modbus-TCP relay, or by a program; or it only
//!   logs.
//! - The emergency release ([`send_request`]) opens the door until it is reset, with or without
//!   bus.
//! - [`Door`] runs them together; [`verify`] checks its log.
//!
//! # Threads
//! | thread | what it does |
//! |---|---|
//! | `door-bus` | receives entries, has them decided, and passes openings to `door-open` |
//! | `door-open` | opens the door for a person, and shuts a relay again |
//! | `door-hold` | holds the door open or shuts it, with an actuator of its own |
//! | `door-release` | serves releases and resets, and watches the node |
//!
//! Threads wait for each other at locks only. Each lock is held for an exchange of values; the
//! log's lock is held while a line is written, and only writers of the log wait for it.

mod actuator;
mod bus;
mod controller;
mod door;
mod driver;
mod error;
mod files;
mod folder;
mod link;
mod log_file;
mod node_clock;
mod refusals;
mod release;
mod without_controller;

pub use actuator::{Actuator, ActuatorError, Command, build};
pub use door::{Door, rules};
pub use error::DoorError;
pub use folder::log_path;
pub use log_file::{Happened, Record, verify};
pub use release::{Answer, Request, RequestError, send_request};
pub use without_controller::act_alone;
