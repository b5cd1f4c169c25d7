//! Problems of a face picture, with the advice to the staff at the desk.

use std::fmt;

use super::Quality;

/// The quality that a picture must have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Least distance between the eyes, in pixels of the picture.
    pub min_eye_distance_px: f32,
    /// Greatest turn to either side, in degrees.
    pub max_yaw_degrees: f32,
    /// Greatest nod up or down, in degrees.
    pub max_pitch_degrees: f32,
    /// Least sharpness, see [`super::sharpness()`].
    pub min_sharpness: f32,
    /// Least mean luma, 0–255.
    pub min_mean: f32,
    /// Greatest mean luma, 0–255.
    pub max_mean: f32,
    /// Least standard deviation of the luma.
    pub min_spread: f32,
    /// Greatest share of burnt-out and black pixels, 0–1.
    pub max_clipped: f32,
    /// Greatest share of the face's box outside the picture, 0–1.
    pub max_cut_off: f32,
}

impl Limits {
    /// Limits for enrolment. A new picture is easy to take, and a bad one is compared with every
    /// day.
    ///
    /// A dim picture loses little likeness (0.9 at a mean of 30), and skin differs, so only very
    /// dark pictures are refused. An overexposed one loses much (0.6 and less from a mean of 225
    /// on).
    pub const ENROLMENT: Self = Self {
        min_eye_distance_px: 40.0,
        max_yaw_degrees: 25.0,
        max_pitch_degrees: 30.0,
        min_sharpness: 0.01,
        min_mean: 30.0,
        max_mean: 215.0,
        min_spread: 8.0,
        max_clipped: 0.15,
        max_cut_off: 0.03,
    };

    /// Limits for a gate. The next frame comes anyway, so only frames that an embedder cannot use
    /// are left out. The gate's policy has the least eye distance.
    pub const GATE: Self = Self {
        min_eye_distance_px: 0.0,
        max_yaw_degrees: 45.0,
        max_pitch_degrees: 50.0,
        min_sharpness: 0.0045,
        min_mean: 12.0,
        max_mean: 235.0,
        min_spread: 4.0,
        max_clipped: 0.5,
        max_cut_off: 0.2,
    };
}

/// A problem of a face picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Problem {
    /// The picture shows no face.
    NoFace,
    /// The picture shows more than one face.
    SeveralFaces {
        /// Number of faces.
        found: usize,
    },
    /// The face has too few pixels.
    TooSmall {
        /// Distance between the eyes, in pixels.
        got: f32,
        /// Distance needed, in pixels.
        needed: f32,
    },
    /// A part of the face is outside the picture.
    CutOff,
    /// The face is turned to the side.
    TurnedAside {
        /// Approximate angle in degrees.
        got: f32,
    },
    /// The face looks up.
    LooksUp {
        /// Approximate angle in degrees.
        got: f32,
    },
    /// The face looks down.
    LooksDown {
        /// Approximate angle in degrees.
        got: f32,
    },
    /// There is too little light.
    TooDark,
    /// There is too much light.
    TooBright,
    /// Parts of the face are black or burnt out.
    HarshLight,
    /// The face has hardly any contrast.
    Flat,
    /// The face is out of focus, or moved.
    Blurred,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFace => {
                f.write_str("no face was found: take a picture from the front, with the whole face in even light")
            }
            Self::SeveralFaces { found } => {
                write!(f, "{found} faces were found: take a picture with nobody else in it")
            }
            Self::TooSmall { got, needed } => write!(
                f,
                "the face is too small: {got:.0} pixels between the eyes, at least {needed:.0} are needed; go nearer"
            ),
            Self::CutOff => f.write_str("the face is cut off by the picture's edge: bring the whole head into the picture"),
            Self::TurnedAside { got } => write!(
                f,
                "the face is turned to the side by about {:.0} degrees: look straight into the camera",
                got.abs()
            ),
            Self::LooksUp { got } => write!(
                f,
                "the face looks up by about {:.0} degrees: hold the camera at the height of the eyes",
                got.abs()
            ),
            Self::LooksDown { got } => write!(
                f,
                "the face looks down by about {:.0} degrees: hold the camera at the height of the eyes",
                got.abs()
            ),
            Self::TooDark => f.write_str("the picture is too dark: turn the face towards a window or a lamp"),
            Self::TooBright => f.write_str("the picture is too bright: take the face out of the sun or the lamp's beam"),
            Self::HarshLight => {
                f.write_str("parts of the face are burnt out or black: use soft light from the front, without a flash")
            }
            Self::Flat => f.write_str(
                "the face has hardly any contrast: clean the camera, and have no bright window or lamp behind the person",
            ),
            Self::Blurred => f.write_str("the picture is blurred: hold still, focus on the face, and use more light"),
        }
    }
}

impl Quality {
    /// All problems of the picture, the most serious first, so that one new picture can solve them
    /// all.
    pub fn problems(&self, limits: &Limits) -> Vec<Problem> {
        let Self { eye_distance_px, pose, sharpness, light, cut_off } = *self;
        let (yaw, pitch) = (pose.yaw_degrees, pose.pitch_degrees);
        // A value that is not a number fails both comparisons.
        let at_least = |value: f32, least: f32| value >= least;
        let at_most = |value: f32, most: f32| value <= most;
        let mut problems = Vec::new();
        let mut require = |is_met: bool, problem: Problem| {
            if !is_met {
                problems.push(problem);
            }
        };
        let needed = limits.min_eye_distance_px;
        require(at_least(eye_distance_px, needed), Problem::TooSmall { got: eye_distance_px, needed });
        require(at_most(cut_off, limits.max_cut_off), Problem::CutOff);
        require(at_most(yaw.abs(), limits.max_yaw_degrees), Problem::TurnedAside { got: yaw });
        require(at_least(pitch, -limits.max_pitch_degrees), Problem::LooksUp { got: pitch });
        require(at_most(pitch, limits.max_pitch_degrees), Problem::LooksDown { got: pitch });
        require(at_least(light.mean, limits.min_mean), Problem::TooDark);
        require(at_most(light.mean, limits.max_mean), Problem::TooBright);
        // A wrong mean already covers harsh light and low contrast.
        let is_mean_good = at_least(light.mean, limits.min_mean) && at_most(light.mean, limits.max_mean);
        require(!is_mean_good || at_most(light.clipped, limits.max_clipped), Problem::HarshLight);
        require(!is_mean_good || at_least(light.spread, limits.min_spread), Problem::Flat);
        require(at_least(sharpness, limits.min_sharpness), Problem::Blurred);
        problems
    }
}
