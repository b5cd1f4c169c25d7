//! `gatehouse key`: makes the key that a site's store is sealed with.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::Args;
use gatehouse_store::SiteEncryptionKey;

use crate::exit::{Exit, Failure};
use crate::print;

/// Make a new key for a site's store
///
/// Writes it to a new file that only you can read. Keep a copy in a safe place: without it nobody can be recognised, and
/// nobody can read what is stored. Every site has a key of its own.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// The file to write; it must not exist yet
    file: PathBuf,
}

pub(crate) fn key(args: &KeyArgs) -> Result<(), Failure> {
    let key = SiteEncryptionKey::generate()?;
    let named = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::say(
            Exit::Input,
            format!("{}: there is such a file already, and a key is never overwritten", args.file.display()),
        ),
        _ => Failure::say(Exit::Failed, format!("{}: {e}", args.file.display())),
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&args.file).map_err(named)?;
    file.write_all(key.to_text().as_bytes())
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all())
        .map_err(named)?;
    print::line(&format!(
        "{}: a new key. In the site file: key = \"file:{}\"",
        args.file.display(),
        args.file.display()
    ))?;
    Ok(())
}
