//! `gatehouse people add`: enrols one person, with their consent, or for passes only.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_store::{Enrolment, NewPerson, PersonId};
use gatehouse_terminal::{Failure, print};

use super::consent::{ConsentArgs, Given};
use super::desk::Desk;
use super::{live, open, photos, place, receipt};
use crate::actor::Role;
use crate::{check, moment, private_file};

/// Enrol a person who has consented, from photos or at a gate's camera
///
/// Stores the consent and one protected template that is computed from all pictures; stores no
/// picture. A running node knows the person within a second. Several pictures, such as with and
/// without glasses, make recognition more reliable.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// The site file
    site: PathBuf,
    /// The person's name; `-` reads it from standard input, so that other users of this machine do
    /// not see it in the list of processes
    #[arg(long)]
    name: String,
    /// A photo that shows only this person's face; may be given several times
    #[arg(long = "photo", value_name = "FILE", required_unless_present_any = ["camera", "pass_only"])]
    photos: Vec<PathBuf>,
    /// Take the pictures with this gate's camera while the person stands in front of it, and check
    /// that the face is live
    #[arg(long, value_name = "GATE", conflicts_with = "photos")]
    camera: Option<String>,
    /// With `--camera`: deadline for the pictures
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(2..=120))]
    within: u64,
    /// Enrol for QR passes only: no face is stored, and no consent is needed
    #[arg(long, conflicts_with_all = ["photos", "camera", "purpose", "notice", "given", "until"])]
    pass_only: bool,
    /// Consent: the purpose, in the words of the notice
    #[arg(long, required_unless_present = "pass_only")]
    purpose: Option<String>,
    /// Consent: the version of the notice that the person was given
    #[arg(long, value_name = "VERSION", required_unless_present = "pass_only")]
    notice: Option<String>,
    /// Consent: how it was given
    #[arg(long, value_enum, required_unless_present = "pass_only")]
    given: Option<Given>,
    /// Consent: its end, as a date (2027-06-30, to its end in UTC) or a time
    /// (2027-06-30T12:00:00+08:00)
    #[arg(long, value_name = "DATE", required_unless_present = "pass_only")]
    until: Option<String>,
    /// The person is younger than 14; needs a guardian
    #[arg(long, requires = "guardian")]
    under_14: bool,
    /// Name of the guardian who consented for them
    #[arg(long, value_name = "NAME")]
    guardian: Option<String>,
    /// Write a printable receipt of the consent for the person to this new file
    #[arg(long, value_name = "FILE", conflicts_with = "pass_only")]
    receipt: Option<PathBuf>,
    #[command(flatten)]
    role: Role,
}

impl AddArgs {
    fn consent(&self) -> Option<ConsentArgs> {
        Some(ConsentArgs {
            purpose: self.purpose.clone()?,
            notice: self.notice.clone()?,
            given: self.given?,
            until: self.until.clone()?,
            under_14: self.under_14,
            guardian: self.guardian.clone(),
        })
    }
}

pub(super) fn add(args: &AddArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let clock = SystemClock::new();
    let actor = args.role.actor()?;
    let Some(consent) = args.consent() else {
        let name = name(&args.name).map_err(Failure::input)?;
        let new = NewPerson { name: &name, enrolment: Enrolment::PassOnly };
        let person = open(&site)?.enrol(new, &actor, clock.wall())?;
        return print::line(&format!("enrolled {person} for passes only; issue one with `gatehouse pass issue`"));
    };
    // Checked first, so that mistakes in the arguments show at once.
    let consent = consent.consent(clock.wall()).map_err(Failure::input)?;
    private_file::refuse_existing(args.receipt.as_deref())?;
    let name = name(&args.name).map_err(Failure::input)?;
    let mut desk = Desk::open(&site)?;
    let portraits = match &args.camera {
        Some(gate) => live::portraits(&mut desk, gate, Duration::from_secs(args.within))?,
        None => photos::portraits(&mut desk, &args.photos)?,
    };
    let pictures = portraits.len();
    let template = desk.template(portraits).map_err(Failure::input)?;
    let now = clock.wall();
    let person = PersonId::generate(now)?;
    desk.enrol(person, (&name, &consent), &template, &mut desk.enrolled(now)?, &actor, now)?;
    let valid_until = moment::end_text(consent.draft().valid_until);
    print::line(&format!("enrolled {person} from {pictures} picture(s); consent until {valid_until}"))?;
    if let Some(path) = &args.receipt {
        let text = receipt::text(&place(&site), &person.to_string(), Some(&name), &consent);
        private_file::write(path, text.as_bytes())?;
        print::line(&format!("receipt: {}", path.display()))?;
    }
    Ok(())
}

fn name(argument: &str) -> anyhow::Result<String> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("the name can't be read from standard input")?;
    let name = line.trim();
    if name.is_empty() { Err(anyhow!("standard input has no name on its first line")) } else { Ok(name.to_owned()) }
}
