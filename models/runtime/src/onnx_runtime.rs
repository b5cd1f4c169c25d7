//! Loads ONNX Runtime's shared library, once for the process, after checking its version.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ort::environment::Environment;
use ort::logging::LogLevel;
use parking_lot::Mutex;

use crate::provider::Build;

/// Oldest version that the bindings can load (`api-23` of the `ort` crate), as major and minor.
const OLDEST: (u32, u32) = (1, 23);

/// ONNX Runtime can't be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RuntimeError {
    /// The file is missing.
    #[error("no ONNX Runtime at {}; run `{}`", path.display(), build.setup())]
    Missing {
        /// Expected path.
        path: PathBuf,
        /// The build.
        build: Build,
    },
    /// The file can't be read.
    #[error("can't read ONNX Runtime at {}: {message}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Cause.
        message: String,
    },
    /// The file has no version stamp of ONNX Runtime.
    #[error("{} is not an ONNX Runtime library: it has no version stamp", .0.display())]
    NoVersion(PathBuf),
    /// Older than the bindings allow.
    #[error("ONNX Runtime at {} is {found}, too old to load: at least 1.23 is needed, {} is the tested one; run `{}`", path.display(), build.version(), build.setup())]
    TooOld {
        /// The file.
        path: PathBuf,
        /// The expected build.
        build: Build,
        /// Its version.
        found: String,
    },
    /// Not the tested version.
    #[error("ONNX Runtime at {} is {found}, expected {}; run `{}`", path.display(), build.version(), build.setup())]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// The expected build.
        build: Build,
        /// Its version.
        found: String,
    },
    /// The process has loaded another file already.
    #[error("ONNX Runtime is loaded from {} already, can't load {} too", loaded.display(), path.display())]
    LoadedFromElsewhere {
        /// The requested file.
        path: PathBuf,
        /// The loaded file.
        loaded: PathBuf,
    },
    /// It can't be loaded.
    #[error("ONNX Runtime at {} can't be loaded: {message}", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// The loader's message.
        message: String,
    },
}

/// The loaded library; clones share it.
#[derive(Debug, Clone)]
pub struct OnnxRuntime {
    path: PathBuf,
    version: String,
    environment: Environment,
}

// `ort` allows one environment per process, so it is kept even if no model is loaded.
static LOADED: Mutex<Option<OnnxRuntime>> = Mutex::new(None);

impl OnnxRuntime {
    /// Loads the library. Loading the same file again gives the same library.
    ///
    /// It also turns off OpenCV's thread pool, which all workers would share.
    ///
    /// # Errors
    /// If the file is missing, is not the tested version, can't be loaded, or another file is
    /// loaded already.
    pub fn load(path: &Path, build: Build) -> Result<Self, RuntimeError> {
        let mut loaded = LOADED.lock();
        if let Some(runtime) = loaded.as_ref() {
            return if runtime.path == path {
                Ok(runtime.clone())
            } else {
                Err(RuntimeError::LoadedFromElsewhere { path: path.to_owned(), loaded: runtime.path.clone() })
            };
        }
        let version = Self::check(path, build)?;
        let fail = |message: String| RuntimeError::Load { path: path.to_owned(), message };
        let environment = ort::init_from(path)
            .map_err(|error| fail(error.to_string()))?
            .with_name("gatehouse")
            .with_telemetry(false)
            .with_logger(Arc::new(|level, _, _, _, message| forward(level, message)))
            .build()
            .map_err(|error| fail(error.message().to_owned()))?;
        environment.set_log_level(LogLevel::Warning);
        opencv::core::set_num_threads(1).map_err(|error| fail(error.message))?;
        let runtime = Self { path: path.to_owned(), version, environment };
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// Checks that the library exists and has the tested version, without loading it. Returns the
    /// version.
    ///
    /// # Errors
    /// If it is missing or has another version.
    pub fn check(path: &Path, build: Build) -> Result<String, RuntimeError> {
        let version = library_version(path, build)?;
        accept(path, build, &version)?;
        Ok(version)
    }

    /// Version, such as `1.31.1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The loaded file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of the execution providers that have a device here, such as `CPUExecutionProvider`.
    pub fn providers(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for name in self.environment.devices().filter_map(|device| device.ep().ok()) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }
}

fn forward(level: LogLevel, message: &str) {
    match level {
        LogLevel::Verbose | LogLevel::Info => tracing::debug!(target: "onnxruntime", "{message}"),
        LogLevel::Warning => tracing::warn!(target: "onnxruntime", "{message}"),
        LogLevel::Error | LogLevel::Fatal => tracing::error!(target: "onnxruntime", "{message}"),
    }
}

/// Reads the version of a library (the node `VERS_1.31.1` in its symbol versions) without running
/// it.
fn library_version(path: &Path, build: Build) -> Result<String, RuntimeError> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => RuntimeError::Missing { path: path.to_owned(), build },
        _ => RuntimeError::Unreadable { path: path.to_owned(), message: error.to_string() },
    })?;
    version_stamp(&bytes).ok_or_else(|| RuntimeError::NoVersion(path.to_owned()))
}

fn version_stamp(library: &[u8]) -> Option<String> {
    const STAMP: &[u8] = b"\0VERS_";
    library.windows(STAMP.len()).enumerate().filter(|(_, window)| *window == STAMP).find_map(|(at, _)| {
        let rest = &library[at + STAMP.len()..];
        let text = std::str::from_utf8(&rest[..rest.iter().position(|b| *b == 0)?]).ok()?;
        major_minor(text).map(|_| text.to_owned())
    })
}

fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

fn accept(path: &Path, build: Build, version: &str) -> Result<(), RuntimeError> {
    let (path, found) = (path.to_owned(), version.to_owned());
    match major_minor(version) {
        _ if version == build.version() => Ok(()),
        Some(known) if known < OLDEST => Err(RuntimeError::TooOld { path, build, found }),
        _ => Err(RuntimeError::OtherVersion { path, build, found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stamp_is_found() {
        assert_eq!(version_stamp(b"\x7fELF\0VERS_\0\0VERS_x.y\0\0VERS_1.31.1\0rest"), Some("1.31.1".to_owned()));
        assert_eq!(version_stamp(b"\x7fELF\0OPENSSL_3.0.0\0"), None);
        assert_eq!(version_stamp(b"\0VERS_1.31.1"), None, "the name is cut off");
    }

    #[test]
    fn other_versions_are_refused_and_both_are_named() {
        let path = Path::new("/lib/libonnxruntime.so");
        let refusal = |version| accept(path, Build::Cpu, version).expect_err("another version").to_string();
        assert_eq!(accept(path, Build::Cpu, Build::Cpu.version()), Ok(()));
        assert_eq!(
            refusal("1.22.0"),
            "ONNX Runtime at /lib/libonnxruntime.so is 1.22.0, too old to load: at least 1.23 is needed, 1.31.1 is \
             the tested one; run `make setup`"
        );
        assert_eq!(
            refusal("1.32.0"),
            "ONNX Runtime at /lib/libonnxruntime.so is 1.32.0, expected 1.31.1; run `make setup`"
        );
        assert_eq!(
            accept(path, Build::OpenVino, "1.31.1").expect_err("another version").to_string(),
            "ONNX Runtime at /lib/libonnxruntime.so is 1.31.1, expected 1.24.1; run `make setup WITH=openvino`"
        );
    }

    #[test]
    fn a_missing_library_and_another_file_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("libonnxruntime.so");
        let missing = library_version(&path, Build::Cuda).expect_err("no file");
        assert_eq!(missing.to_string(), format!("no ONNX Runtime at {}; run `make setup WITH=cuda`", path.display()));
        std::fs::write(&path, b"not a library").expect("written");
        assert_eq!(library_version(&path, Build::Cuda), Err(RuntimeError::NoVersion(path)));
    }
}
