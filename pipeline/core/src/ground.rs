//! How a camera looks at flat ground.

use gatehouse_picture::Point;

/// How a camera looks at flat ground, as it was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GroundCalibration {
    /// Four points of the picture, normalised, with their places on the ground in metres, in any
    /// frame of reference.
    Points([(Point, [f64; 2]); 4]),
    /// A camera whose mounting is known.
    Mounting {
        /// Height of the lens above the ground, in metres.
        height_m: f64,
        /// Downward tilt in degrees: 0 is level, 90 straight down.
        tilt_deg: f64,
        /// Horizontal field of view in degrees.
        field_of_view_deg: f64,
    },
}
