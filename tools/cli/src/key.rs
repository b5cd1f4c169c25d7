//! `gatehouse key`: the site's key, its change, and the public half that gate controllers check grants with.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use gatehouse_config::SecretRef;
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_credential::{Purpose, SiteSecret, SiteSigner};
use gatehouse_faces::{Template, TemplateProtection};
use gatehouse_service::site_secret;
use gatehouse_store::KeyChange;

use crate::actor::Role;
use crate::exit::{self, Exit, Failure};
use crate::{check, people, print};

/// Make a site's key, change it, or show its public half
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
    /// Change the key of a site: nobody has to enrol again
    ///
    /// Stop the node first. Everything in the store is sealed with the new key, and every template is protected with it; all
    /// of it is done, or nothing. Passes and cards have to be issued again, gate controllers need the new public key, and
    /// backups made before are worthless. Do it when somebody may have seen the old key, or when your rules ask for it.
    Change {
        /// The site file; it still names the old key
        site: PathBuf,
        /// The new key, as `gatehouse key new` wrote it
        file: PathBuf,
        #[command(flatten)]
        role: Role,
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
        KeyCommand::Change { site, file, role } => change(site, file, role),
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

fn change(site: &Path, file: &Path, role: &Role) -> Result<(), Failure> {
    let site = check::load(site)?;
    let actor = role.actor()?;
    let old = site_secret(&site).map_err(|e| Failure::new(exit::of_node(&e), e))?;
    let text = SecretRef::File(file.to_owned()).resolve().map_err(|e| Failure::new(Exit::Input, e))?;
    let new = SiteSecret::from_text(text.expose())
        .map_err(|e| Failure::say(Exit::Input, format!("{}: {e}", file.display())))?;
    let [before, after] =
        [&old, &new].map(|secret| TemplateProtection::new(&secret.derive(Purpose::TemplateProtection)));
    let mut protect_again = |values: &mut [f32]| -> Result<(), String> {
        let template = Template::from_slice(values).map_err(|e| e.to_string())?;
        values.copy_from_slice(after.protect_again(&before, &template).as_slice());
        Ok(())
    };
    let changed = people::open(&site)?.change_key(&new, &mut protect_again, &actor, SystemClock::new().wall())?;
    let KeyChange { people, templates, entries, passes, cards } = changed;
    print::line(&format!(
        "{}: sealed with the key in {} from now on, and with no other: {people} people, {templates} template(s), {entries} \
         logged entries",
        site.store.path.display(),
        file.display()
    ))?;
    print::line(&format!("taken back: {passes} pass(es) and {cards} card(s); issue them again"))?;
    print::line("what is left to do:")?;
    print::line(&format!("  in the site file: key = \"file:{}\"", file.display()))?;
    print::line(&format!(
        "  in the file of every gate controller: public_key = \"{}\"",
        SiteSigner::new(&new).verifier().to_text()
    ))?;
    print::line("  start the node, make a new backup, and destroy the old key and the backups that it opens")?;
    Ok(())
}
