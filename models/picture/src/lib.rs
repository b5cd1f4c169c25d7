//! Borrowed YUV pictures and plane geometry: the vocabulary that capture, models, gate and crowd share.
//!
//! Nothing here owns pixels, calls a native library or knows of cameras.

mod geometry;
mod thumbnail;
mod yuv;

pub use geometry::{NormalisedPolygon, NormalisedPolygonError, Point, Rect, Size};
pub use thumbnail::Thumbnail;
pub use yuv::{PictureError, PixelFormat, Plane, YuvPicture};
