//! Encoded clips, in memory and on disk.

use std::{collections::HashMap, fs, io, path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::{
    clip::Clip,
    encode::{self, Encoding},
    error::ClipError,
    scene::Scene,
};

/// The key of a clip: a hash over the scene, its files' contents and the encoding.
type Key = String;

/// One clip: the holder of the lock encodes it, all others wait.
type Slot = Arc<Mutex<Option<Arc<Clip>>>>;

/// Clips by their content. Clones share the clips, so that several simulators of one process encode
/// a scene only once.
#[derive(Debug, Clone, Default)]
pub struct ClipLibrary {
    /// Lock order: no thread waits for a slot while it holds the map.
    slots: Arc<Mutex<HashMap<Key, Slot>>>,
    folder: Option<PathBuf>,
}

impl ClipLibrary {
    /// A library that keeps its clips in memory, and in `folder` too if one is given. Its files are
    /// named after their content, and can be deleted at any time.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { slots: Arc::default(), folder }
    }

    /// The clip that shows `scene`: from memory, from disk, or encoded now. Callers that ask for
    /// the same clip wait; others do not.
    ///
    /// # Errors
    /// When a file of the scene cannot be read or decoded.
    pub fn get(&self, scene: &Scene, encoding: &Encoding) -> Result<Arc<Clip>, ClipError> {
        let key = key(scene, encoding)?;
        let slot = {
            let mut slots = self.slots.lock();
            Arc::clone(slots.entry(key.clone()).or_default())
        };
        let mut slot = slot.lock();
        if let Some(clip) = &*slot {
            return Ok(Arc::clone(clip));
        }
        let clip = Arc::new(self.load_or_encode(&key, scene, encoding)?);
        *slot = Some(Arc::clone(&clip));
        Ok(clip)
    }

    fn load_or_encode(&self, key: &str, scene: &Scene, encoding: &Encoding) -> Result<Clip, ClipError> {
        let Some(path) = self.folder.as_ref().map(|folder| folder.join(format!("{key}.clip"))) else {
            return encode::encode(scene, encoding);
        };
        match Clip::load(&path, *encoding) {
            Ok(clip) => return Ok(clip),
            Err(ClipError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, "a cached clip is damaged; encoding it again"),
        }
        tracing::info!(?scene, "encoding a scene; the next start will find it in the cache");
        let clip = encode::encode(scene, encoding)?;
        if let Err(error) = clip.save(&path) {
            tracing::warn!(%error, path = %path.display(), "cannot keep the encoded clip");
        }
        Ok(clip)
    }
}

fn key(scene: &Scene, encoding: &Encoding) -> Result<Key, ClipError> {
    let mut hash = Sha256::new();
    hash.update(encoding.fingerprint());
    hash.update(scene.fingerprint());
    for path in scene.files() {
        let bytes = fs::read(path).map_err(|source| ClipError::File { path: path.to_owned(), source })?;
        hash.update(Sha256::digest(bytes));
    }
    Ok(base16ct::lower::encode_string(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    use gstreamer as gst;

    use super::*;

    fn encoding() -> Encoding {
        gst::init().unwrap();
        let default = crate::MountConfig::new("test", Scene::Black).encoding();
        Encoding { width: 64, height: 48, fps: 5, gop_pictures: 5, bitrate_kbps: 100, ..default }
    }

    #[test]
    fn the_same_scene_is_encoded_once() {
        let library = ClipLibrary::new(None);
        let first = library.get(&Scene::Black, &encoding()).unwrap();
        let second = library.clone().get(&Scene::Black, &encoding()).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        let other = library.get(&Scene::Black, &Encoding { width: 32, ..encoding() }).unwrap();
        assert!(!Arc::ptr_eq(&first, &other));
    }

    #[test]
    fn a_damaged_clip_on_disk_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let fresh = || ClipLibrary::new(Some(folder.path().to_owned()));
        let count = fresh().get(&Scene::Black, &encoding()).unwrap().units.len();
        let files: Vec<PathBuf> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        let [file] = files.as_slice() else { panic!("expected one file, got {files:?}") };

        let written = fs::metadata(file).unwrap().modified().unwrap();
        assert_eq!(fresh().get(&Scene::Black, &encoding()).unwrap().units.len(), count);
        assert_eq!(fs::metadata(file).unwrap().modified().unwrap(), written, "read, not written again");

        fs::write(file, b"GHCLIP2\ngarbage").unwrap();
        assert_eq!(fresh().get(&Scene::Black, &encoding()).unwrap().units.len(), count);
        assert!(Clip::load(file, encoding()).is_ok(), "the damaged file was replaced");
    }

    #[test]
    fn new_content_under_an_old_name_gets_a_new_key() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let scene = Scene::File(file.path().to_owned());
        fs::write(file.path(), b"one").unwrap();
        let one = key(&scene, &encoding()).unwrap();
        fs::write(file.path(), b"two").unwrap();
        assert_ne!(one, key(&scene, &encoding()).unwrap());
        assert!(key(&Scene::File("no/such.avi".into()), &encoding()).unwrap_err().to_string().contains("no/such.avi"));
    }
}
