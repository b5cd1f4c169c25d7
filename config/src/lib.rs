//! The site file: what one `gatehouse` node watches, where it listens and what it keeps. And the door file: what one gate
//! controller moves, and whom it trusts.
//!
//! [`Site::load`] and [`Door::load`] read a TOML file and give either a [`Site`] or a [`Door`], whose values are all checked,
//! or [`ConfigErrors`]: every mistake of the file at once, each with line, column and, where there is one, a way to put it
//! right.
//!
//! One table in the code for each (`keys.rs`, `keys/door.rs`) describes every key: its name, type, range, default and
//! meaning. The reader works from it, and [`schema`] and [`reference()`] are made from it, so what is documented is what is
//! read.
//!
//! Secrets never stand in the file. A key or a login is a [`SecretRef`], and no message of this crate repeats a secret,
//! even where someone wrote one into the file by mistake.

mod document;
mod door;
mod endpoint;
mod error;
mod http_url;
mod keys;
mod nearest;
mod polygon;
mod public_key;
mod rate;
mod read_crowd;
mod read_door;
mod read_site;
mod reader;
mod reference;
mod schema;
mod secret;
mod shown_line;
mod site;
mod source;
mod spec;
mod syntax;
mod text_position;
mod text_value;
mod unknown_key;

pub use document::Places;
pub use door::{Actuator, ActuatorKind, CommandActuator, Door, Fail, HttpActuator, HttpMethod, ModbusActuator};
pub use endpoint::Endpoint;
pub use error::{ConfigError, ConfigErrors};
pub use http_url::HttpUrl;
pub use nearest::nearest;
pub use public_key::{PublicKeyError, PublicKeyRef};
pub use rate::OneIn;
pub use reference::{door_reference, reference};
pub use schema::{door_schema, schema};
pub use secret::{Login, Secret, SecretError, SecretRef};
pub use site::{
    Bus, Console, CrowdCamera, Decoder, Direction, GateCamera, Ground, LevelUnit, Levels, Line, Liveness, MatchTarget,
    Models, Point, Provider, Site, SiteId, Store, StreamSettings, Surge, Transport, Zone,
};
pub use source::{RtspUrl, Source};
pub use text_value::is_area;
