//! New files with personal data, which only their owner can read.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use gatehouse_terminal::{Exit, Failure};

/// Refuses files that exist. Call it first: nothing must be stored whose file can't be written.
pub(crate) fn refuse_existing<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<(), Failure> {
    match paths.into_iter().find(|path| path.exists()) {
        Some(path) => Err(Failure::message(Exit::Input, format!("{}: this file exists already", path.display()))),
        None => Ok(()),
    }
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let name = || path.display().to_string();
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(name)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).with_context(name)
}
