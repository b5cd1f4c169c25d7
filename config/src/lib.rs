//! The site file: what one `gatehouse` node watches, where it listens and what it keeps. And the
//! door file: which door a gate controller moves, and whom it trusts.
//!
//! [`Site::load`] and [`DoorFile::load`] read a TOML file. They return its checked values, or
//! [`ConfigErrors`]: every mistake in the file, each with line, column and, if known, a remedy.
//!
//! Each key is declared once, with `table!`: the Rust field, the reader, [`schema`] and
//! [`reference()`] come from that declaration, so what is documented is what is read.
//!
//! Secrets never stand in the file. A key or a login is a [`SecretRef`], and no message of this
//! crate repeats a secret, even where someone wrote one into the file by mistake.

mod actuator;
mod bus;
mod camera;
mod crowd;
mod document;
mod door;
mod endpoint;
mod error;
mod excerpt;
mod format;
mod gate;
mod http_url;
mod kind;
mod models;
mod nearest;
mod polygon;
mod public_key;
mod rate;
mod raw_value;
mod reader;
mod reference;
mod schema;
mod secret;
mod site;
mod source;
mod spec;
mod syntax;
mod table;
mod text_position;
mod unknown_key;
mod value;

pub use actuator::{Actuator, ActuatorKind, Arguments, CommandActuator, HttpActuator, HttpMethod, ModbusActuator};
pub use bus::{Bus, DoorBus};
pub use camera::CameraSettings;
pub use crowd::{CrowdCamera, Line};
pub use document::SourceMap;
pub use door::{Door, DoorFile, Emergency, Fail};
pub use endpoint::Endpoint;
pub use error::{ConfigError, ConfigErrors};
pub use format::is_area;
pub use gate::{GateCamera, MatchTarget};
pub use http_url::HttpUrl;
pub use models::Models;
pub use public_key::{PublicKeyError, PublicKeyRef};
pub use rate::OneIn;
pub use reference::{door_reference, reference};
pub use schema::{door_schema, schema};
pub use secret::{Secret, SecretError, SecretRef};
pub use site::{Console, Site, SiteId, Store};

pub(crate) use table::table;
