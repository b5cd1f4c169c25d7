//! `gatehouse key`: the site's key, and the public half that gate controllers check grants with.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use gatehouse_credential::{SiteSecret, SiteSigner};
use gatehouse_service::site_secret;

use crate::exit::{self, Exit, Failure};
use crate::{check, print};

/// Make a site's key, or show its public half
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    what: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a new key for a site
    ///
    /// Writes it to a new file that only you can read. Keep a copy in a safe place: without it nobody can be recognised,
    /// and nobody can read what is stored. Every site has a key of its own.
    New {
        /// The file to write; it must not exist yet
        file: PathBuf,
    },
    /// Print the public key that a gate controller checks this site's grants with
    ///
    /// It opens nothing and may be known to anyone: it goes into the controller's file as `public_key`.
    Public {
        /// The site file
        site: PathBuf,
    },
}

pub(crate) fn key(args: &KeyArgs) -> Result<(), Failure> {
    match &args.what {
        KeyCommand::New { file } => new(file),
        KeyCommand::Public { site } => {
            let secret = site_secret(&check::load(site)?).map_err(|e| Failure::new(exit::of_node(&e), e))?;
            print::line(&SiteSigner::new(&secret).verifier().to_text())?;
            Ok(())
        }
    }
}

fn new(path: &Path) -> Result<(), Failure> {
    let secret = SiteSecret::generate()?;
    let named = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::say(
            Exit::Input,
            format!("{}: there is such a file already, and a key is never overwritten", path.display()),
        ),
        _ => Failure::say(Exit::Failed, format!("{}: {e}", path.display())),
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(named)?;
    file.write_all(secret.to_text().as_bytes())
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all())
        .map_err(named)?;
    print::line(&format!("{}: a new key. In the site file: key = \"file:{}\"", path.display(), path.display()))?;
    Ok(())
}
