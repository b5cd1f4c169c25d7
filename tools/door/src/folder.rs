//! The door's data folder. One controller at a time uses it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use gatehouse_config as config;

use crate::controller::Memory;
use crate::error::DoorError;
use crate::files;

/// The folder, locked until it is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

/// Where a door's log is.
pub fn log_path(door: &config::Door) -> PathBuf {
    door.data.join("log.jsonl")
}

impl Folder {
    /// Locks the folder; creates it where it is missing.
    pub(crate) fn open(path: &Path) -> Result<Self, DoorError> {
        let error = |source| DoorError::Folder { folder: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(error)?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path.join("lock"));
        let lock = lock.map_err(error)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DoorError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(error(source)),
        }
    }

    pub(crate) fn memory_path(&self) -> PathBuf {
        self.path.join("grants.json")
    }

    /// Reads the last controller's memory. Without one, no entry from before the start opens the
    /// door.
    pub(crate) fn memory(&self) -> Result<Memory, DoorError> {
        let path = self.memory_path();
        let bytes = files::read(&path).map_err(|source| DoorError::Folder { folder: self.path.clone(), source })?;
        let Some(bytes) = bytes else { return Ok(Memory::default()) };
        Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            tracing::warn!(
                "cannot read {} ({error}); entries from before this start will not open the door",
                path.display()
            );
            Memory::default()
        }))
    }

    /// Saves the memory for the next controller.
    pub(crate) fn remember(&self, memory: &Memory) -> io::Result<()> {
        files::replace(&self.memory_path(), &serde_json::to_vec(memory)?)
    }
}
