//! The reference gate controller: it hears a gate's decisions on the bus and opens a door for those that the site signed.
//!
//! - [`Controller`] decides, as a pure function of what came and when: a signed, fresh grant opens once, nothing else does.
//! - [`Actuator`] moves the door: over HTTP, by a Modbus-TCP relay, by a program, or in words only.
//! - The emergency release ([`tell`]) opens the door until it is reset, with or without bus.
//! - [`Door`] puts them together; [`verify`] checks its log.
//!
//! # Threads
//! | thread | what it does |
//! |---|---|
//! | `door-bus` | takes entries off the bus, has them decided, and hands an opening to `door-open` |
//! | `door-open` | tells the actuator to open for a person, and a relay to shut again |
//! | `door-hold` | tells an actuator of its own to hold the door open, or to shut it |
//! | `door-release` | takes releases and resets |
//!
//! None waits for another but by a lock that is held for an exchange of values, or by the log, which only what is written
//! down waits for.

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
mod release;
mod seldom;
mod without_controller;

pub use actuator::{
    Actuator, ActuatorError, Command, CommandActuator, HttpActuator, LogActuator, ModbusActuator, build,
};
pub use controller::{Action, Controller, Memory, Refusal, Rules};
pub use door::{Door, rules};
pub use error::DoorError;
pub use folder::log_path;
pub use log_file::{Happened, LogError, Record, verify};
pub use release::{Answer, Request, TellError, tell};
pub use without_controller::act_alone;
