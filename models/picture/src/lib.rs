//! Borrowed YUV pictures and plane geometry: the vocabulary of capture, models, gate and crowd.
//!
//! This crate owns no pixels, calls no native library and knows no cameras.

pub mod cells;
mod colour;
mod deinterlace;
mod geometry;
mod thumbnail;
mod yuv;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use colour::{ColourSpace, Matrix, Range, ToRgb};
pub use deinterlace::deinterlace;
pub use geometry::{NormalisedPolygon, NormalisedPolygonError, Point, Rect, Size};
pub use thumbnail::Thumbnail;
pub use yuv::{PictureError, PixelFormat, Plane, YuvPicture};
