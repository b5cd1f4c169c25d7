//! Where it is kept what a node knows of crowd cameras' scenes: files for each camera in the folder `views` beside the store.
//!
//! In a reference view there is nothing but the edges of a scene on a grid of 64 by 36, learnt so that people who walk through it
//! are not in it; in an empty scene, nothing but where a model takes something for people.

use std::path::{Path, PathBuf};

use gatehouse_core::CameraId;
use gatehouse_crowd::empty::{EmptyScene, Looking};
use gatehouse_crowd::view::ReferenceView;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The folder of scenes.
#[derive(Debug, Clone)]
pub struct Views(PathBuf);

impl Views {
    /// The folder beside a store.
    pub fn beside(store: &Path) -> Self {
        Self(store.with_file_name("views"))
    }

    /// The file of a camera's view.
    pub fn path(&self, camera: &CameraId) -> PathBuf {
        self.0.join(format!("{camera}.json"))
    }

    /// The file of what a model sees in a camera's empty scene.
    pub fn empty_path(&self, camera: &CameraId) -> PathBuf {
        self.0.join(format!("{camera}.empty.json"))
    }

    /// A camera's view, if one was learnt. One that can't be read is learnt anew.
    pub(crate) fn read(&self, camera: &CameraId) -> Option<ReferenceView> {
        read(&self.path(camera), ReferenceView::is_sound, "no reference view; it is learnt anew")
    }

    /// What this model sees in a camera's empty scene, if somebody had it look.
    pub(crate) fn read_empty(&self, camera: &CameraId, looking: &Looking) -> Option<EmptyScene> {
        let path = self.empty_path(camera);
        let empty = read(&path, EmptyScene::is_sound, "nothing that `gatehouse camera view --empty` has kept")?;
        let same = empty.is_of(looking);
        if !same {
            tracing::warn!(
                %camera,
                "what {} has of the empty scene was seen by another model, or at another size or in other tiles, and isn't used: \
                 have the model look again while nobody is there (`gatehouse camera view --empty`)",
                path.display()
            );
        }
        same.then_some(empty)
    }

    /// Keeps what a model sees in a camera's empty scene.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn keep_empty(&self, camera: &CameraId, empty: &EmptyScene) -> std::io::Result<()> {
        self.write(&self.empty_path(camera), empty)
    }

    fn write(&self, path: &Path, what: &impl Serialize) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.0)?;
        let new = path.with_extension("new");
        std::fs::write(&new, serde_json::to_vec(what)?)?;
        std::fs::rename(&new, path)
    }

    /// Keeps a view that was learnt. If that fails, it is learnt again after the next start.
    pub(crate) fn keep(&self, camera: &CameraId, view: &ReferenceView) {
        let path = self.path(camera);
        match self.write(&path, view) {
            Ok(()) => tracing::info!(%camera, "the reference view was learnt; it is kept in {}", path.display()),
            Err(error) => tracing::warn!(%camera, "the reference view can't be kept in {}: {error}", path.display()),
        }
    }

    /// Forgets a camera's view, so that it is learnt anew when the node starts; and its empty scene, which was of that view.
    /// `false` if there was no view.
    ///
    /// # Errors
    /// If a file can't be removed.
    pub fn forget(&self, camera: &CameraId) -> std::io::Result<bool> {
        remove(&self.empty_path(camera))?;
        remove(&self.path(camera))
    }
}

fn remove(path: &Path) -> std::io::Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn read<T: DeserializeOwned>(path: &Path, is_sound: impl FnOnce(&T) -> bool, otherwise: &str) -> Option<T> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!("{} can't be read, so there is {otherwise}: {error}", path.display());
            return None;
        }
    };
    let what = serde_json::from_str(&text).ok().filter(is_sound);
    if what.is_none() {
        tracing::warn!("{} is {otherwise}", path.display());
    }
    what
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_view_is_none_and_what_is_forgotten_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let views = Views::beside(&folder.path().join("site.db"));
        let plaza = CameraId::new("plaza");
        assert!(views.read(&plaza).is_none() && !views.forget(&plaza).expect("nothing to remove"));
        std::fs::create_dir(folder.path().join("views")).expect("a folder");
        for text in ["{", r#"{"columns":64,"rows":36,"across":[],"down":[]}"#] {
            std::fs::write(views.path(&plaza), text).expect("there is room");
            assert!(views.read(&plaza).is_none(), "{text}");
        }
        assert!(views.forget(&plaza).expect("it can be removed"));
        assert!(!views.path(&plaza).exists());
    }
}
