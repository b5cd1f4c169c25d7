//! Pictures with marked people, in the layouts that public sets of crowds come in.

mod mot;
mod points;
mod shanghai;

use std::path::{Path, PathBuf};

use crate::error::EvalError;

/// A picture with its heads, in pixels from the top left.
#[derive(Debug, PartialEq)]
pub(super) struct Marked {
    pub(super) picture: PathBuf,
    pub(super) heads: Vec<[f64; 2]>,
}

/// The marked pictures of a folder, by name.
pub(super) fn read(folder: &Path) -> Result<Vec<Marked>, EvalError> {
    if folder.join(mot::MARKS).is_file() {
        return mot::read(folder);
    }
    if let Some(marks) = shanghai::marks(folder) {
        return shanghai::read(folder, &marks);
    }
    // Without any of them, its error tells what was looked for first.
    points::read(folder)
}

/// The picture called `name`, from the folder on or from `images/` in it.
fn picture(folder: &Path, name: &Path) -> Option<PathBuf> {
    let candidates = [folder.join(name), folder.join("images").join(name)];
    candidates.into_iter().find(|candidate| candidate.is_file())
}
