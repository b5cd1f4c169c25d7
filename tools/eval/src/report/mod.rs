//! Reports for people: one HTML file without scripts or anything from elsewhere, and the main plot
//! as PNG.
//!
//! They hold what the JSON holds: no picture and no name of a person. The data set's name is the
//! user's own.

mod crowd;
mod det;
mod faces;
mod histogram;
mod html;
mod pad;
mod png;
pub mod scene;
mod svg;

pub use crowd::{crowd_html, crowd_png};
pub use faces::{face_html, face_png};
pub use pad::{pad_html, pad_png};
pub use svg::svg;
