//! Where crowd cameras' reference views are kept: a file for each camera in the folder `views` beside the store. There is nothing in
//! them but the edges of a scene on a grid of 64 by 36, learnt so that people who walk through it are not in it.

use std::path::{Path, PathBuf};

use gatehouse_core::CameraId;
use gatehouse_crowd::scene::ReferenceView;

/// The folder of reference views.
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

    /// A camera's view, if one was learnt. One that can't be read is learnt anew.
    pub(crate) fn read(&self, camera: &CameraId) -> Option<ReferenceView> {
        let path = self.path(camera);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(%camera, "{} can't be read; the reference view is learnt anew: {error}", path.display());
                return None;
            }
        };
        let view = serde_json::from_str(&text).ok().filter(ReferenceView::is_sound);
        if view.is_none() {
            tracing::warn!(%camera, "{} is no reference view; it is learnt anew", path.display());
        }
        view
    }

    /// Keeps a view that was learnt. If that fails, it is learnt again after the next start.
    pub(crate) fn keep(&self, camera: &CameraId, view: &ReferenceView) {
        let path = self.path(camera);
        let write = || {
            std::fs::create_dir_all(&self.0)?;
            let new = path.with_extension("new");
            std::fs::write(&new, serde_json::to_vec(view)?)?;
            std::fs::rename(&new, &path)
        };
        match write() {
            Ok(()) => tracing::info!(%camera, "the reference view was learnt; it is kept in {}", path.display()),
            Err(error) => tracing::warn!(%camera, "the reference view can't be kept in {}: {error}", path.display()),
        }
    }

    /// Forgets a camera's view, so that it is learnt anew when the node starts. `false` if there was none.
    ///
    /// # Errors
    /// If the file can't be removed.
    pub fn forget(&self, camera: &CameraId) -> std::io::Result<bool> {
        match std::fs::remove_file(self.path(camera)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
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
