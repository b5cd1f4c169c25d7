//! The folder `views` beside the store: two files for each crowd camera.
//!
//! A reference view holds only the edges of a scene on a grid of 64 by 36. It is learnt so that
//! people who walk through the scene are not in it. An empty scene holds only places where a model
//! detects people by mistake.

use std::path::{Path, PathBuf};

use gatehouse_core::CameraId;
use gatehouse_crowd::empty::{EmptyScene, Looking};
use gatehouse_crowd::view::ReferenceView;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The folder of crowd cameras' scenes.
#[derive(Debug, Clone)]
pub struct SceneFolder(PathBuf);

impl SceneFolder {
    /// The folder beside a store.
    pub fn beside(store: &Path) -> Self {
        Self(store.with_file_name("views"))
    }

    /// The file of a camera's reference view.
    pub fn path(&self, camera: &CameraId) -> PathBuf {
        self.0.join(format!("{camera}.json"))
    }

    /// The file of a camera's empty scene.
    pub fn empty_path(&self, camera: &CameraId) -> PathBuf {
        self.0.join(format!("{camera}.empty.json"))
    }

    /// A camera's reference view, if it was learnt. An unreadable one is learnt anew.
    pub(crate) fn read(&self, camera: &CameraId) -> Option<ReferenceView> {
        read(&self.path(camera), ReferenceView::is_sound, "no reference view; the node learns it anew")
    }

    /// A camera's empty scene, if it was recorded with these models and sizes.
    pub(crate) fn read_empty(&self, camera: &CameraId, looking: &Looking) -> Option<EmptyScene> {
        let path = self.empty_path(camera);
        let empty =
            read(&path, EmptyScene::is_sound, "no empty scene; record one with `gatehouse camera view --empty`")?;
        let same = empty.is_of(looking);
        if !same {
            tracing::warn!(
                %camera,
                "the empty scene in {} was recorded with another model, size or tiles, and is not used: record it anew while \
                 nobody is there (`gatehouse camera view --empty`)",
                path.display()
            );
        }
        same.then_some(empty)
    }

    /// Writes a camera's empty scene.
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

    /// Writes a view that was learnt. If that fails, the node learns it again after its next start.
    pub(crate) fn keep(&self, camera: &CameraId, view: &ReferenceView) {
        let path = self.path(camera);
        match self.write(&path, view) {
            Ok(()) => {
                tracing::info!(%camera, "the camera's reference view was learnt and written to {}", path.display())
            }
            Err(error) => {
                tracing::warn!(%camera, "the camera's reference view cannot be written to {}; the node learns it again after its next start: {error}", path.display())
            }
        }
    }

    /// Removes a camera's reference view, so that the node learns it anew when it starts, and the
    /// empty scene of that view. False if there was no reference view.
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
            tracing::warn!("{} cannot be read, so there is {otherwise}: {error}", path.display());
            return None;
        }
    };
    let what = serde_json::from_str(&text).ok().filter(is_sound);
    if what.is_none() {
        tracing::warn!("{} is damaged, so there is {otherwise}", path.display());
    }
    what
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_views_are_left_out_and_forgotten_ones_removed() {
        let temporary = tempfile::tempdir().expect("a folder");
        let folder = SceneFolder::beside(&temporary.path().join("site.db"));
        let plaza = CameraId::new("plaza");
        assert!(folder.read(&plaza).is_none() && !folder.forget(&plaza).expect("nothing to remove"));
        std::fs::create_dir(temporary.path().join("views")).expect("a folder");
        for text in ["{", r#"{"columns":64,"rows":36,"across":[],"down":[]}"#] {
            std::fs::write(folder.path(&plaza), text).expect("there is room");
            assert!(folder.read(&plaza).is_none(), "{text}");
        }
        assert!(folder.forget(&plaza).expect("it can be removed"));
        assert!(!folder.path(&plaza).exists());
    }
}
