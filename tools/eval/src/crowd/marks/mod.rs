//! Pictures with marked people, in the layouts of public data sets.

mod mat;
mod mot;
mod points;
mod shanghai;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gatehouse_crowd::fusion::head_of;
use gatehouse_picture::Rect;

use crate::error::EvalError;

/// The marks in one picture, in pixels from the top left.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Truth {
    pub(super) heads: Vec<[f64; 2]>,
    /// Boxes around the whole person, if people are marked by boxes.
    pub(super) boxes: Option<Vec<Rect>>,
}

impl Truth {
    fn push(&mut self, person: Rect) {
        let head = head_of(&person);
        self.heads.push([f64::from(head.x), f64::from(head.y)]);
        self.boxes.get_or_insert_default().push(person);
    }
}

#[derive(Debug, PartialEq)]
pub(super) struct Marked {
    pub(super) picture: PathBuf,
    pub(super) truth: Truth,
}

#[derive(Debug, PartialEq)]
pub(super) enum Marks {
    /// Single pictures, by name.
    Pictures(Vec<Marked>),
    /// Frames of one camera, by number, from 1.
    Frames { frames: BTreeMap<u32, Marked>, per_second: f64 },
    /// One camera's video. Unless `all` frames are marked, unmarked frames are in no figure.
    Video { video: PathBuf, frames: BTreeMap<u32, Truth>, all: bool },
}

pub(super) fn read(folder: &Path) -> Result<Marks, EvalError> {
    if folder.join(mot::MARKS).is_file() {
        return mot::read(folder);
    }
    if let Some(marks) = shanghai::marks(folder) {
        return shanghai::read(folder, &marks).map(Marks::Pictures);
    }
    // If there is none, the error names the file of the first layout.
    points::read(folder)
}

/// The picture `name`, relative to the folder or to `images/` in it.
fn picture(folder: &Path, name: &Path) -> Option<PathBuf> {
    let candidates = [folder.join(name), folder.join("images").join(name)];
    candidates.into_iter().find(|candidate| candidate.is_file())
}

/// The only video file in a folder, if there is one.
fn video(folder: &Path) -> Option<PathBuf> {
    const VIDEOS: [&str; 6] = ["avi", "mkv", "mov", "mp4", "ts", "webm"];
    let is_video = |path: &PathBuf| {
        let suffix = path.extension().and_then(|suffix| suffix.to_str());
        suffix.is_some_and(|suffix| VIDEOS.contains(&suffix.to_ascii_lowercase().as_str()))
    };
    let entries = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut videos = entries.filter(is_video);
    videos.next().filter(|_| videos.next().is_none())
}
