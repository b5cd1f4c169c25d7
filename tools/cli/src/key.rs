//! `gatehouse key`: a site's key, and its public half, with which gate controllers check grants.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use gatehouse_config::SecretRef;
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_credential::{Purpose, SiteSecret, SiteSigner};
use gatehouse_faces::{Template, TemplateProtection};
use gatehouse_service::site_secret;
use gatehouse_store::KeyChange;
use gatehouse_terminal::{Exit, Failure, print};

use crate::actor::Role;
use crate::{check, failure, people};

/// Make or change the key of a site, or print its public half
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a new key for a site
    ///
    /// Writes it to a new file that only you can read. Keep a copy in a safe place: without the key
    /// nobody can be recognised, and nobody can read the store. Each site needs its own key.
    New {
        /// The file to write; it must not exist
        file: PathBuf,
    },
    /// Change the key of a site, without enrolling anybody again
    ///
    /// Stop the node first. The whole store is encrypted anew and every template is protected anew,
    /// in one transaction. Passes and cards must be issued again, gate controllers need the new
    /// public key, and older backups become useless. Change the key when somebody may have seen the
    /// old one, or when your rules require it.
    Change {
        /// The site file, which still names the old key
        site: PathBuf,
        /// The new key, as `gatehouse key new` wrote it
        file: PathBuf,
        #[command(flatten)]
        role: Role,
    },
    /// Print the public key with which gate controllers check this site's grants
    ///
    /// It is no secret: it goes into the door file as `public_key`.
    Public {
        /// The site file
        site: PathBuf,
    },
}

impl KeyCommand {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::New { file } => new(file),
            Self::Change { site, file, role } => change(site, file, role),
            Self::Public { site } => {
                let secret = site_secret(&check::load(site)?).map_err(failure::node)?;
                print::line(&SiteSigner::new(&secret).verifier().to_text())
            }
        }
    }
}

fn new(path: &Path) -> Result<(), Failure> {
    let secret = SiteSecret::generate()?;
    let failed = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::message(
            Exit::Input,
            format!("{}: this file exists already, and a key is never overwritten", path.display()),
        ),
        _ => Failure::message(Exit::Failed, format!("{}: {e}", path.display())),
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(secret.to_text().as_bytes())
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    print::line(&format!("{}: a new key. In the site file: key = \"file:{}\"", path.display(), path.display()))
}

fn change(site: &Path, file: &Path, role: &Role) -> Result<(), Failure> {
    let site = check::load(site)?;
    let actor = role.actor()?;
    let old = site_secret(&site).map_err(failure::node)?;
    let text = SecretRef::File(file.to_owned()).resolve().map_err(Failure::input)?;
    let new = SiteSecret::from_text(text.expose())
        .map_err(|e| Failure::message(Exit::Input, format!("{}: {e}", file.display())))?;
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
        "{}: now encrypted with the key in {} alone: {people} people, {templates} template(s), {entries} \
         logged entries",
        site.store.path.display(),
        file.display()
    ))?;
    print::line(&format!("revoked: {passes} pass(es) and {cards} card(s); issue them again"))?;
    print::line("to do now:")?;
    print::line(&format!("  in the site file: key = \"file:{}\"", file.display()))?;
    print::line(&format!("  in every door file: public_key = \"{}\"", SiteSigner::new(&new).verifier().to_text()))?;
    print::line("  start the node, make a new backup, then destroy the old key and the older backups")
}
