//! Reads the golden results and their pictures, and opens models. The tests of the model crates and
//! of `gatehouse-crowd` include this file.
#![allow(dead_code, reason = "no test needs all of it")]

use std::path::{Path, PathBuf};

use gatehouse_runtime::{Assets, Catalogue, Photo, PhotoLimits, Registry, Sha256, read_photo};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::Digest;

/// Results of one picture, by two ways of preparing it (`golden/README.md`).
#[derive(Deserialize)]
pub(super) struct GoldenPicture<R> {
    pub(super) file: String,
    pub(super) width: usize,
    pub(super) height: usize,
    bgr_sha256: String,
    /// From the photo's BGR pixels.
    pub(super) bgr: R,
    /// From I420 planes, as of a camera frame.
    pub(super) i420: R,
}

impl<R> GoldenPicture<R> {
    /// Reads the picture as the product does.
    pub(super) fn read(&self) -> Photo {
        let photo = photo(&self.file);
        let size = photo.as_video().size();
        assert_eq!((size.width, size.height), (self.width, self.height), "{}", self.file);
        assert_eq!(bgr_digest(&photo), self.bgr_sha256, "{}: pixels differ from OpenCV's", self.file);
        photo
    }
}

/// The SHA-256 of a photo's full-colour pixels.
fn bgr_digest(photo: &Photo) -> String {
    let picture = photo.as_picture();
    let bgr = picture.bgr().expect("a photo has them");
    let mut digest = sha2::Sha256::new();
    (0..bgr.rows).for_each(|row| digest.update(bgr.row(row)));
    Sha256(digest.finalize().into()).to_string()
}

/// Reads a file of golden results.
pub(super) fn golden<T: DeserializeOwned>(name: &str) -> T {
    let path = folder().join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads a picture from beside the golden results or from the media.
pub(super) fn photo(file: &str) -> Photo {
    let golden = folder().join(file);
    let path = if golden.exists() { golden } else { Assets::locate().expect("a folder").media().join(file) };
    read_photo(&path, &PhotoLimits::default())
        .unwrap_or_else(|error| panic!("{}: {error}; run `make setup`", path.display()))
}

/// The manifests that ship.
pub(super) fn builtin() -> Catalogue {
    Catalogue::builtin().expect("the manifests that ship")
}

/// Models on the CPU.
pub(super) fn registry(catalogue: Catalogue) -> Registry {
    Registry::open(Assets::locate().expect("a folder"), catalogue).expect("run `make setup`")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden")
}
