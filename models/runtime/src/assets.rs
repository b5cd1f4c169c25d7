//! Locates models, media and ONNX Runtime on this machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::provider::Build;

/// No environment variable names a folder for assets.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("no folder for models: set GATEHOUSE_ASSETS (XDG_CACHE_HOME and HOME are unset too)")]
pub struct NoAssetsFolder;

/// The folder that `make setup` fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assets {
    root: PathBuf,
}

impl Assets {
    /// Locates the folder by the environment: `GATEHOUSE_ASSETS`, else `gatehouse` in
    /// `XDG_CACHE_HOME`, else in `HOME/.cache`. It need not exist.
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

    /// Uses this folder.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Folder of model files.
    pub fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    /// Folder of videos and photos for tests and the demo.
    pub fn media(&self) -> PathBuf {
        self.root.join("media")
    }

    /// Shared library of a build of ONNX Runtime.
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
    fn an_empty_variable_counts_as_unset() {
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
