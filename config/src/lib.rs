//! The site file: what one `gatehouse` node watches, where it listens and what it keeps.
//!
//! [`Site::load`] reads a TOML file and gives either a [`Site`], whose values are all checked, or [`ConfigErrors`]:
//! every mistake of the file at once, each with line, column and, where there is one, a way to put it right.
//!
//! One table in the code (`keys.rs`) describes every key: its name, type, range, default and meaning. The reader works
//! from it, and [`schema`] and [`reference()`] are made from it, so what is documented is what is read.
//!
//! Secrets never stand in the file. A key or a login is a [`SecretRef`], and no message of this crate repeats a secret,
//! even where someone wrote one into the file by mistake.

mod endpoint;
mod error;
mod keys;
mod nearest;
mod polygon;
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
mod unknown_key;

pub use endpoint::Endpoint;
pub use error::{ConfigError, ConfigErrors};
pub use nearest::nearest;
pub use reference::reference;
pub use schema::schema;
pub use secret::{Login, Secret, SecretError, SecretRef};
pub use site::{
    Bus, Console, CrowdCamera, GateCamera, Levels, Liveness, Models, Places, Point, Site, SiteId, Store,
    StreamSettings, Transport, Zone,
};
pub use source::{RtspUrl, Source};
