//! What a camera sees.

use std::path::{Path, PathBuf};

use gstreamer::{glib, prelude::*};
use serde::Deserialize;

use crate::{
    person::Person,
    still::{Sensor, Still},
    walk_up::WalkUp,
};

/// What a camera sees, in a loop.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub enum Scene {
    /// A video file of any kind that GStreamer decodes, letter-boxed into the frame.
    File(PathBuf),
    /// One of `videotestsrc`'s patterns, by its short name: `smpte`, `ball`, `snow`...
    Pattern(String),
    /// People who walk up to the camera, one after another.
    WalkUp(WalkUp),
    /// Nothing moves.
    Still(Still),
    /// A black picture.
    Black,
}

/// The form in the config.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    file: Option<PathBuf>,
    pattern: Option<String>,
    walk_up: Option<Vec<Person>>,
    seconds_each: Option<f64>,
    gap_seconds: Option<f64>,
    still: Option<Sensor>,
    clock: Option<bool>,
    black: Option<bool>,
}

impl TryFrom<Written> for Scene {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let timed = written.seconds_each.is_some() || written.gap_seconds.is_some();
        if timed && written.walk_up.is_none() {
            return Err("seconds_each and gap_seconds belong to a walk_up scene".to_owned());
        }
        if written.clock.is_some() && written.still.is_none() {
            return Err("clock belongs to a still scene".to_owned());
        }
        match written {
            Written { file: Some(file), pattern: None, walk_up: None, still: None, black: None, .. } => {
                Ok(Self::File(file))
            }
            Written { file: None, pattern: Some(pattern), walk_up: None, still: None, black: None, .. } => {
                known_pattern(&pattern)?;
                Ok(Self::Pattern(pattern))
            }
            Written { file: None, pattern: None, walk_up: Some(people), still: None, black: None, .. } => {
                let mut walk_up = WalkUp::new(people);
                walk_up.seconds_each = written.seconds_each.unwrap_or(walk_up.seconds_each);
                walk_up.gap_seconds = written.gap_seconds.unwrap_or(walk_up.gap_seconds);
                walk_up.validate()?;
                Ok(Self::WalkUp(walk_up))
            }
            Written { file: None, pattern: None, walk_up: None, still: Some(sensor), black: None, clock, .. } => {
                Ok(Self::Still(Still { sensor, clock: clock.unwrap_or_default() }))
            }
            Written { file: None, pattern: None, walk_up: None, still: None, black: Some(true), .. } => Ok(Self::Black),
            _ => Err("a scene is exactly one of file, pattern, walk_up, still, black = true".to_owned()),
        }
    }
}

impl Scene {
    /// The files that the scene is made of.
    pub(crate) fn files(&self) -> Vec<&Path> {
        match self {
            Self::File(path) => vec![path],
            Self::WalkUp(walk_up) => walk_up.people.iter().map(Person::path).collect(),
            Self::Pattern(_) | Self::Still(_) | Self::Black => Vec::new(),
        }
    }

    /// All settings that change the pictures, except the files, which are identified by their
    /// content.
    pub(crate) fn fingerprint(&self) -> String {
        match self {
            Self::File(_) => "file".to_owned(),
            Self::Pattern(pattern) => format!("pattern {pattern}"),
            Self::WalkUp(walk_up) => walk_up.fingerprint(),
            Self::Still(still) => still.fingerprint(),
            Self::Black => "black".to_owned(),
        }
    }

    /// Makes relative paths start at `base`.
    pub(crate) fn resolve(&mut self, base: &Path) {
        match self {
            Self::File(path) => *path = base.join(&path),
            Self::WalkUp(walk_up) => {
                for person in &mut walk_up.people {
                    let path = person.path_mut();
                    *path = base.join(&path);
                }
            }
            Self::Pattern(_) | Self::Still(_) | Self::Black => {}
        }
    }
}

/// Refuses patterns that `videotestsrc` does not know. Accepts all if the plugin is missing, which
/// the encoder reports.
fn known_pattern(pattern: &str) -> Result<(), String> {
    let class = gstreamer::init().ok().and_then(|()| {
        let element = gstreamer::ElementFactory::make("videotestsrc").build().ok()?;
        glib::EnumClass::with_type(element.find_property("pattern")?.value_type())
    });
    match class {
        Some(class) if class.value_by_nick(pattern).is_none() => {
            let known: Vec<&str> = class.values().iter().map(glib::EnumValue::nick).collect();
            Err(format!("pattern {pattern:?} is not one of {}", known.join(", ")))
        }
        _ => Ok(()),
    }
}
