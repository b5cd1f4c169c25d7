//! From measures to what is wrong, in words for the desk.

use std::fmt;

use super::Quality;

/// What a picture must come up to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Least distance between the eyes, in pixels of the picture.
    pub min_eye_distance_px: f32,
    /// Furthest turn to either side, in degrees.
    pub max_yaw_degrees: f32,
    /// Furthest nod up or down, in degrees.
    pub max_pitch_degrees: f32,
    /// Least sharpness, see [`super::sharpness()`].
    pub min_sharpness: f32,
    /// Mean luma below which it is too dark, 0–255.
    pub min_mean: f32,
    /// Mean luma above which it is too bright.
    pub max_mean: f32,
    /// Least standard deviation of the luma.
    pub min_spread: f32,
    /// Largest share of burnt out and black pixels, 0–1.
    pub max_clipped: f32,
    /// Largest share of the face's box beyond the picture's edges, 0–1.
    pub max_cut_off: f32,
}

impl Limits {
    /// For enrolment, where another picture is easily taken and a bad one is compared with every day.
    ///
    /// A dim picture costs little (likeness 0.9 at a mean of 30), and skin differs: only what is really dark is refused. An
    /// overexposed one costs much (0.6 and less from a mean of 225 on).
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

    /// For a gate, where the next frame comes anyway: only what an embedder can make nothing of is left out. The gate's own
    /// least eye distance comes from its policy.
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

/// What is wrong with a picture of a face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Problem {
    /// There is no face in it.
    NoFace,
    /// There is more than one.
    SeveralFaces {
        /// How many.
        found: usize,
    },
    /// Not enough pixels.
    TooSmall {
        /// Pixels between the eyes.
        got: f32,
        /// Pixels needed.
        needed: f32,
    },
    /// A part of it is not in the picture.
    CutOff,
    /// Turned to the side.
    TurnedAside {
        /// Degrees, about.
        got: f32,
    },
    /// Looking up.
    LooksUp {
        /// Degrees, about.
        got: f32,
    },
    /// Looking down.
    LooksDown {
        /// Degrees, about.
        got: f32,
    },
    /// Not enough light.
    TooDark,
    /// Too much light.
    TooBright,
    /// Parts of it are black or burnt out.
    HarshLight,
    /// Hardly any difference between light and dark.
    Flat,
    /// Out of focus, or moved.
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

/// All that is wrong, the gravest first.
pub(super) fn problems(quality: &Quality, limits: &Limits) -> Vec<Problem> {
    let Quality { eye_distance_px, pose, sharpness, light, cut_off } = *quality;
    let (yaw, pitch) = (pose.yaw_degrees, pose.pitch_degrees);
    // Written so that what is not a number is a problem too.
    let at_least = |value: f32, least: f32| value >= least;
    let at_most = |value: f32, most: f32| value <= most;
    let mut problems = Vec::new();
    let mut unless = |fine: bool, problem: Problem| {
        if !fine {
            problems.push(problem);
        }
    };
    let needed = limits.min_eye_distance_px;
    unless(at_least(eye_distance_px, needed), Problem::TooSmall { got: eye_distance_px, needed });
    unless(at_most(cut_off, limits.max_cut_off), Problem::CutOff);
    unless(at_most(yaw.abs(), limits.max_yaw_degrees), Problem::TurnedAside { got: yaw });
    unless(at_least(pitch, -limits.max_pitch_degrees), Problem::LooksUp { got: pitch });
    unless(at_most(pitch, limits.max_pitch_degrees), Problem::LooksDown { got: pitch });
    unless(at_least(light.mean, limits.min_mean), Problem::TooDark);
    unless(at_most(light.mean, limits.max_mean), Problem::TooBright);
    // Where the mean says it already, it would be the same once more.
    let mean_is_fine = at_least(light.mean, limits.min_mean) && at_most(light.mean, limits.max_mean);
    unless(!mean_is_fine || at_most(light.clipped, limits.max_clipped), Problem::HarshLight);
    unless(!mean_is_fine || at_least(light.spread, limits.min_spread), Problem::Flat);
    unless(at_least(sharpness, limits.min_sharpness), Problem::Blurred);
    problems
}
