//! `gatehouse enrol`: who may be recognised, by their own consent; and who comes in by pass only.

pub(crate) mod batch;
pub(crate) mod consent;
pub(crate) mod desk;
mod live;
pub(crate) mod receipt;
pub(crate) mod renew;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use gatehouse_config::Site;
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_gate::enrol::{EnrolError, Portrait};
use gatehouse_runtime::{PhotoLimits, read_photo};
use gatehouse_service::open_store;
use gatehouse_store::{Enrolment, NewPerson, PersonId};

use crate::actor::Role;
use crate::exit::{self, Exit, Failure};
use crate::{check, moment, print, private_file};
use consent::{ConsentArgs, Given};
use desk::Desk;

/// Enrol a person who has agreed to it, from photos or before a gate's camera
///
/// Stores one protected template, made of all the pictures, and the consent without which there is none; no picture is
/// stored. A running node knows the person within a second. Several pictures (with and without glasses, say) make
/// recognition surer.
#[derive(Debug, Args)]
pub(crate) struct EnrolArgs {
    /// The site file
    site: PathBuf,
    /// The person's name, as the site calls them; `-` reads it from standard input, so that no other user of this machine
    /// sees it in the list of processes
    #[arg(long)]
    name: String,
    /// A photo with this person's face and nobody else's; may be given several times
    #[arg(long = "photo", value_name = "FILE", required_unless_present_any = ["camera", "pass_only"])]
    photos: Vec<PathBuf>,
    /// Take the pictures with this gate's camera, while the person stands before it; checks that the face is a live one
    #[arg(long, value_name = "GATE", conflicts_with = "photos")]
    camera: Option<String>,
    /// With `--camera`: seconds that the pictures may take
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(2..=120))]
    within: u64,
    /// Enrol for QR passes only: nothing is stored of the face, and no consent to it is needed
    #[arg(long, conflicts_with_all = ["photos", "camera", "purpose", "notice", "given", "until"])]
    pass_only: bool,
    /// The consent. Not with `--pass-only`
    #[arg(long, required_unless_present = "pass_only")]
    purpose: Option<String>,
    /// Consent: the version of the notice that the person was given
    #[arg(long, value_name = "VERSION", required_unless_present = "pass_only")]
    notice: Option<String>,
    /// Consent: how it was given
    #[arg(long, value_enum, required_unless_present = "pass_only")]
    given: Option<Given>,
    /// Consent: until when, as a date (2027-06-30, to its end in UTC) or a time (2027-06-30T12:00:00+08:00)
    #[arg(long, value_name = "DATE", required_unless_present = "pass_only")]
    until: Option<String>,
    /// The person is younger than 14; needs a guardian
    #[arg(long, requires = "guardian")]
    under_14: bool,
    /// Name of the guardian who agreed for them
    #[arg(long, value_name = "NAME")]
    guardian: Option<String>,
    /// Write a receipt of the consent to this new file, to be printed and given to the person
    #[arg(long, value_name = "FILE", conflicts_with = "pass_only")]
    receipt: Option<PathBuf>,
    #[command(flatten)]
    role: Role,
}

impl EnrolArgs {
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

pub(crate) fn input(e: impl Into<anyhow::Error>) -> Failure {
    Failure::new(Exit::Input, e)
}

pub(crate) fn enrol(args: &EnrolArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let clock = SystemClock::new();
    let actor = args.role.actor()?;
    let Some(consent) = args.consent() else {
        let name = name(&args.name).map_err(input)?;
        let store = open_store(&site).map_err(|e| Failure::new(exit::of_node(&e), e))?;
        let new = NewPerson { name: &name, enrolment: Enrolment::PassOnly };
        let person = store.enrol(new, &actor, clock.wall())?;
        print::line(&format!("enrolled {person} for passes only; issue one with `gatehouse pass issue`"))?;
        return Ok(());
    };
    // Before anything that takes time: what is wrong with it should show at once.
    let consent = consent.consent(clock.wall()).map_err(input)?;
    private_file::refuse_existing(args.receipt.as_deref())?;
    let name = name(&args.name).map_err(input)?;
    let mut desk = Desk::open(&site)?;
    let portraits = match &args.camera {
        Some(gate) => live::portraits(&mut desk, gate, Duration::from_secs(args.within))?,
        None => from_photos(&mut desk, &args.photos)?,
    };
    let template = desk.template(portraits).map_err(input)?;
    let now = clock.wall();
    let person = PersonId::generate(now)?;
    desk.enrol(person, (&name, &consent), &template, &mut desk.enrolled(now)?, &actor, now)?;
    let valid_until = moment::end_in_words(consent.draft().valid_until);
    print::line(&format!("enrolled {person} from {} picture(s); consent until {valid_until}", template.pictures))?;
    if let Some(path) = &args.receipt {
        let text = receipt::text(&place(&site), &person.to_string(), Some(&name), &consent);
        private_file::write(path, text.as_bytes())?;
        print::line(&format!("receipt: {}", path.display()))?;
    }
    Ok(())
}

pub(crate) fn place(site: &Site) -> String {
    format!("{}/{}", site.site.area, site.site.id)
}

/// The portraits of one person's photos; every photo that can't be used is named, by its number, with all that is wrong.
pub(crate) fn from_photos(desk: &mut Desk<'_>, photos: &[PathBuf]) -> Result<Vec<Portrait>, Failure> {
    let (mut portraits, mut problems) = (Vec::new(), Vec::new());
    for (number, path) in (1..).zip(photos) {
        // The file's name may be the person's, so it isn't repeated.
        let problem = match read_photo(path, &PhotoLimits::default()) {
            Err(e) => format!("photo {number}: {e}"),
            Ok(photo) => match desk.portrait(&photo.as_picture()) {
                Ok(portrait) => {
                    portraits.push(portrait);
                    continue;
                }
                Err(EnrolError::Model(e)) => return Err(e.into()),
                Err(e) => format!("photo {number}: {e}"),
            },
        };
        problems.push(problem);
    }
    if problems.is_empty() { Ok(portraits) } else { Err(Failure::say(Exit::Input, problems.join("\n  "))) }
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
