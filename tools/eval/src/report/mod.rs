//! Reports for people: one self-contained HTML file without scripts, and the main plot as PNG.
//!
//! They hold what the JSON holds: no picture, no person's name. The data set's name is the user's.

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
