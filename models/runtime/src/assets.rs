//! Where the models, the media and ONNX Runtime lie on this machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::provider::Build;

/// No folder is named for the assets.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("no folder for models: set GATEHOUSE_ASSETS to one (XDG_CACHE_HOME and HOME are unset too)")]
pub struct NoAssetsFolder;

/// The folder that `make setup` fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assets {
    root: PathBuf,
}

impl Assets {
    /// The folder that the environment names: `GATEHOUSE_ASSETS`, else `gatehouse` in `XDG_CACHE_HOME`, else in
    /// `HOME/.cache`. It need not exist yet.
    ///
    /// # Errors
    /// If none of the three is set.
    pub fn locate() -> Result<Self, NoAssetsFolder> {
        Self::from_variables(|name| std::env::var_os(name))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, NoAssetsFolder> {
        let folder = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        folder("GATEHOUSE_ASSETS")
            .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("gatehouse")))
            .or_else(|| folder("HOME").map(|home| home.join(".cache/gatehouse")))
            .map(Self::at)
            .ok_or(NoAssetsFolder)
    }

    /// A folder of one's choice.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the manifests' files lie.
    pub fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    /// Where films and photos for tests and the demo lie.
    pub fn media(&self) -> PathBuf {
        self.root.join("media")
    }

    /// A build of ONNX Runtime: its shared library.
    pub fn onnxruntime(&self, build: Build) -> PathBuf {
        let folder = match build {
            Build::Cpu => "onnxruntime",
            Build::OpenVino => "onnxruntime-openvino",
            Build::Cuda => "onnxruntime-cuda",
        };
        self.root.join(folder).join("libonnxruntime.so")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_variable_wins_and_an_empty_one_counts_as_unset() {
        let locate = |set: &[(&str, &str)]| {
            Assets::from_variables(|name| set.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()))
                .map(|assets| assets.root)
        };
        let all = [("GATEHOUSE_ASSETS", "/a"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(locate(&all), Ok("/a".into()));
        assert_eq!(locate(&all[1..]), Ok("/x/gatehouse".into()));
        assert_eq!(locate(&all[2..]), Ok("/h/.cache/gatehouse".into()));
        assert_eq!(locate(&[("GATEHOUSE_ASSETS", ""), ("HOME", "/h")]), Ok("/h/.cache/gatehouse".into()));
        assert_eq!(locate(&[]), Err(NoAssetsFolder));
    }
}
