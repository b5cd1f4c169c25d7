//! People who walk up to a gate camera: each appears small, grows while coming nearer, stands, and
//! leaves to the side.

use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use crate::{
    encode::Encoding,
    error::ClipError,
    gateway,
    person::Person,
    presentation::{self, Shown},
    source,
};

/// Height of the face when the person appears, as a share of the frame's height.
const FACE_FAR: f64 = 0.06;
/// Height of the face when the person stands at the gate.
const FACE_NEAR: f64 = 0.45;
/// Shares of a person's time for approaching and standing; the rest is for leaving.
const APPROACH_SHARE: f64 = 0.45;
const STAND_SHARE: f64 = 0.45;

/// People who walk up one after another.
#[derive(Debug, Clone, PartialEq)]
pub struct WalkUp {
    /// The people, in a loop in this order.
    pub people: Vec<Person>,
    /// Seconds from a person's appearance to their disappearance.
    pub seconds_each: f64,
    /// Seconds of the empty scene after each person.
    pub gap_seconds: f64,
}

impl WalkUp {
    /// People with 8 s each and gaps of 3 s.
    pub fn new(people: Vec<Person>) -> Self {
        Self { people, seconds_each: 8.0, gap_seconds: 3.0 }
    }

    pub(crate) fn validate(&self) -> Result<(), String> {
        if self.people.is_empty() {
            return Err("a walk_up scene needs at least one person".to_owned());
        }
        for (name, seconds, least) in [("seconds_each", self.seconds_each, 0.5), ("gap_seconds", self.gap_seconds, 0.0)]
        {
            if !(least..=600.0).contains(&seconds) {
                return Err(format!("{name} is from {least} to 600 s, got {seconds}"));
            }
        }
        Ok(())
    }

    /// All properties except the files' paths.
    pub(crate) fn fingerprint(&self) -> String {
        let people: Vec<String> = self.people.iter().map(Person::fingerprint).collect();
        format!(
            "walk-up {people:?} {} {} {FACE_FAR} {FACE_NEAR} {APPROACH_SHARE} {STAND_SHARE} {} {}",
            self.seconds_each,
            self.gap_seconds,
            gateway::DRAWING,
            presentation::fingerprint()
        )
    }
}

/// The face's place in the frame at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pose {
    /// Height of the face over height of the frame.
    pub(crate) face_height: f64,
    /// Centre of the face over width of the frame.
    pub(crate) centre_x: f64,
    /// Centre of the face over height of the frame.
    pub(crate) centre_y: f64,
}

/// The pose after the share `progress` (0 to 1) of a person's time, `seconds` after they appeared.
fn pose(progress: f64, seconds: f64) -> Pose {
    // People never stand still, and a camera with identical pictures would be reported as frozen.
    let sway = 0.004 * (seconds * 2.1).sin();
    let bob = 0.003 * (seconds * 3.7).sin();
    let nearness = (progress / APPROACH_SHARE).min(1.0);
    let leaving = ((progress - APPROACH_SHARE - STAND_SHARE) / (1.0 - APPROACH_SHARE - STAND_SHARE)).clamp(0.0, 1.0);
    // At a constant pace the distance decreases linearly, and size is the inverse of distance.
    let distance = (1.0 - nearness) / FACE_FAR + nearness / FACE_NEAR;
    Pose {
        face_height: 1.0 / distance,
        centre_x: 0.42 + 0.08 * nearness + sway + leaving,
        centre_y: 0.40 + 0.08 * nearness + bob,
    }
}

/// The form of a walk-up scene's frames.
pub(crate) fn video_info(encoding: &Encoding) -> Result<gst_video::VideoInfo, gst::glib::BoolError> {
    gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, encoding.width, encoding.height)
        .fps(gst::Fraction::new(encoding.fps as i32, 1))
        .colorimetry(&"bt709".parse::<gst_video::VideoColorimetry>()?)
        .build()
}

impl WalkUp {
    /// Draws every person once and pushes the frames to `out` until it accepts no more.
    pub(crate) fn push_frames(
        &self,
        encoding: &Encoding,
        info: &gst_video::VideoInfo,
        out: &gst_app::AppSrc,
    ) -> Result<(), ClipError> {
        let fps = encoding.fps;
        let pictures_max = u64::from(fps) * u64::from(encoding.seconds_skipped + encoding.seconds_max);
        let gate = gateway::by_lamplight(info.width() as usize, info.height() as usize);
        let shown = (self.seconds_each * f64::from(fps)).round() as u64;
        let gap = (self.gap_seconds * f64::from(fps)).round() as u64;
        let mut index = 0_u64;
        for person in &self.people {
            if index >= pictures_max {
                break;
            }
            let mut person = Shown::open(person, fps)?;
            for at in 0..shown + gap {
                let mut frame = gate[(index / u64::from(fps)) as usize % gate.len()].clone();
                if at < shown {
                    let seconds = at as f64 / f64::from(fps);
                    person.draw(&mut frame, pose(at as f64 / shown as f64, seconds), seconds)?;
                }
                let mut buffer = source::to_buffer(&frame, info).map_err(|error| ClipError::Failed {
                    what: "walk-up scene".to_owned(),
                    element: "frame buffer".to_owned(),
                    reason: error.to_string(),
                })?;
                if let Some(buffer) = buffer.get_mut() {
                    let second = gst::ClockTime::SECOND.nseconds();
                    buffer.set_pts(gst::ClockTime::from_nseconds(index * second / u64::from(fps)));
                    buffer.set_duration(gst::ClockTime::from_nseconds(second / u64::from(fps)));
                }
                if out.push_buffer(buffer).is_err() {
                    return Ok(());
                }
                index += 1;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_grows_stands_and_leaves() {
        let heights: Vec<f64> = (0..=100).map(|percent| pose(f64::from(percent) / 100.0, 0.0).face_height).collect();
        assert!((heights[0] - FACE_FAR).abs() < 1e-9);
        assert!(heights.windows(2).all(|pair| pair[0] <= pair[1] + 1e-9), "never smaller again");
        assert!((heights[45] - FACE_NEAR).abs() < 1e-9 && (heights[90] - FACE_NEAR).abs() < 1e-9);
        let standing = pose(0.7, 1.0);
        assert!((0.48..0.52).contains(&standing.centre_x));
        assert!(pose(1.0, 8.0).centre_x > 1.4, "a face 0.45 high is out of a 16:9 frame by then");
    }

    #[test]
    fn a_standing_person_never_gives_the_same_picture_twice() {
        assert!((0..100).all(|at| pose(0.6, f64::from(at) * 0.04) != pose(0.6, f64::from(at + 1) * 0.04)));
    }
}
