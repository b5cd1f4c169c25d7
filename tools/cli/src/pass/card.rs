//! `gatehouse pass card`: a card that carries its owner's own template.

use std::path::PathBuf;

use clap::Args;
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_credential::{CardContents, CardKey, ModelTag, SiteSigner, seal_card};
use gatehouse_store::{NewPass, NewPassKind};
use gatehouse_terminal::{Failure, print};

use super::files::Files;
use super::{seconds, site_key};
use crate::actor::Role;
use crate::people::consent::ConsentArgs;
use crate::people::desk::Desk;
use crate::people::{photos, place, receipt};
use crate::{check, private_file};

/// Make a card that carries a person's own face template
#[derive(Debug, Args)]
pub(crate) struct CardArgs {
    /// The site file
    site: PathBuf,
    /// A photo that shows only this person's face; may be given several times
    #[arg(long = "photo", value_name = "FILE", required = true)]
    photos: Vec<PathBuf>,
    #[command(flatten)]
    consent: ConsentArgs,
    /// Write a printable receipt of the consent for the person to this new file
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    role: Role,
}

pub(super) fn card(args: &CardArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let now = SystemClock::new().wall();
    let consent = args.consent.consent(now).map_err(Failure::input)?;
    let until = seconds("--until", consent.draft().valid_until)?;
    private_file::refuse_existing(args.files.all().chain(args.receipt.as_deref()))?;
    let mut desk = Desk::open(&site)?;
    let portraits = photos::portraits(&mut desk, &args.photos)?;
    let template = desk.template(portraits).map_err(Failure::input)?;
    let (name, version) = desk.model();
    let contents = CardContents {
        template: *template.to_i8(),
        model: ModelTag::of(name, version),
        consent_until: until,
        valid_until: until,
    };
    let key = CardKey::new(&desk.secret);
    let card = seal_card(&SiteSigner::new(&desk.secret), &key, &site_key(&site), now, &contents)?;
    let kind = NewPassKind::Card { consent: consent.clone() };
    let new = NewPass { id: card.id, kind, valid_from: now, valid_until: until.to_wall(), max_uses: None };
    desk.store.issue_pass(&new, &args.role.actor()?, now)?;
    args.files.write(&card.text, card.id, until)?;
    print::line(&format!(
        "card {}, valid until {until}; the site keeps its number and the consent, and no template",
        card.id
    ))?;
    if let Some(path) = &args.receipt {
        private_file::write(path, receipt::text(&place(&site), &card.id.to_string(), None, &consent).as_bytes())?;
        print::line(&format!("receipt: {}", path.display()))?;
    }
    Ok(())
}
