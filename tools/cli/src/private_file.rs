//! New files with something personal in them, for their owner alone.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;

use crate::exit::{Exit, Failure};

/// To be asked before anything is stored: a file that can't be written afterwards is no use.
pub(crate) fn refuse_existing<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<(), Failure> {
    match paths.into_iter().find(|path| path.exists()) {
        Some(path) => Err(Failure::say(Exit::Input, format!("{}: there is such a file already", path.display()))),
        None => Ok(()),
    }
}

/// Writes a new file that only its owner can read.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let named = || path.display().to_string();
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(named)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).with_context(named)
}
