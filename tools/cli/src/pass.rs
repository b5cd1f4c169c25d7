//! `gatehouse pass`: QR passes and cards, the equal alternative to a face in the site's own records.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, Subcommand, ValueEnum};
use gatehouse_config::Site;
use gatehouse_core::key::SiteKey;
use gatehouse_core::time::{Clock, SystemClock, WallTime};
use gatehouse_credential::{
    CardContents, CardKey, ModelTag, Paper, Pass, PassId, Sheet, SiteSigner, UnixSeconds, seal_card, sign_pass,
};
use gatehouse_service::site_secret;
use gatehouse_store::{NewPass, NewPassKind, PassKind, PassSummary};

use crate::actor::Role;
use crate::enrol::consent::ConsentArgs;
use crate::enrol::desk::Desk;
use crate::enrol::{from_photos, input, place, receipt};
use crate::exit::{self, Exit, Failure};
use crate::{check, moment, people, print, private_file};

/// Size of a module in a PNG: sharp on any phone.
const MODULE_PX: u32 = 10;

/// Issue, list and take back QR passes and cards
///
/// A pass lets its owner in without face recognition, at the same gate and the same camera. A card carries its owner's own
/// template, encrypted, so that the gate compares their face with what they bring, and the site stores nothing of it.
#[derive(Debug, Args)]
pub(crate) struct PassArgs {
    #[command(subcommand)]
    what: PassCommand,
}

#[derive(Debug, Subcommand)]
enum PassCommand {
    /// Issue a pass to an enrolled person
    Issue(IssueArgs),
    /// Make a card that carries a person's own template
    Card(CardArgs),
    /// Take a pass or a card back; a running gate refuses it from the next showing on
    Revoke {
        /// The site file
        site: PathBuf,
        /// The pass's number, as `gatehouse pass list` shows it
        pass: String,
        #[command(flatten)]
        role: Role,
    },
    /// List passes and cards
    List {
        /// The site file
        site: PathBuf,
    },
}

/// Where the code is written: at least one of these, each a new file that only you can read.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Files {
    /// Write the QR code as a PNG picture
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// Write the QR code as an SVG picture
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write a sheet to be printed, as PDF
    #[arg(long, value_name = "FILE")]
    pdf: Option<PathBuf>,
    /// With `--pdf`: what to print on
    #[arg(long, value_enum, default_value_t = PaperSize::A6, requires = "pdf")]
    paper: PaperSize,
}

/// What a PDF is printed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PaperSize {
    /// A page of A6
    A6,
    /// A credit card, with a line to cut along, on a page of A4
    Card,
}

#[derive(Debug, Args)]
struct IssueArgs {
    /// The site file
    site: PathBuf,
    /// The person's number, as `gatehouse people` shows it
    person: String,
    /// From when on it is good: a date (from its start in UTC) or a time; from now on, if left out
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// Until when: a date (to its end in UTC) or a time
    #[arg(long, value_name = "DATE")]
    until: String,
    /// How often it may be used; without this as often as they like
    #[arg(long, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(1..))]
    uses: Option<u32>,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    role: Role,
}

#[derive(Debug, Args)]
struct CardArgs {
    /// The site file
    site: PathBuf,
    /// A photo with this person's face and nobody else's; may be given several times
    #[arg(long = "photo", value_name = "FILE", required = true)]
    photos: Vec<PathBuf>,
    #[command(flatten)]
    consent: ConsentArgs,
    /// Write a receipt of the consent to this new file, to be printed and given to the person
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    role: Role,
}

pub(crate) fn pass(args: &PassArgs) -> Result<(), Failure> {
    match &args.what {
        PassCommand::Issue(args) => issue(args),
        PassCommand::Card(args) => card(args),
        PassCommand::Revoke { site, pass, role } => {
            let id: PassId = pass
                .parse()
                .map_err(|e| Failure::say(Exit::Input, format!("{pass}: {e}; `gatehouse pass list` lists them")))?;
            people::open(&check::load(site)?)?.revoke_pass(id, &role.actor()?, SystemClock::new().wall())?;
            print::line(&format!("taken back: {id}"))?;
            Ok(())
        }
        PassCommand::List { site } => {
            let now = SystemClock::new().wall();
            for pass in people::open(&check::load(site)?)?.passes()? {
                print::line(&listed(&pass, now))?;
            }
            Ok(())
        }
    }
}

fn site_key(site: &Site) -> String {
    SiteKey::new(&site.site.area, &site.site.id).to_string()
}

/// A time as a code carries it: whole seconds.
fn seconds(option: &str, at: WallTime) -> Result<UnixSeconds, Failure> {
    UnixSeconds::of(at).ok_or_else(|| input(anyhow!("{option}: a code can carry times from 1970 until 2106, not {at}")))
}

fn issue(args: &IssueArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let person = people::person(&args.person)?;
    let now = SystemClock::new().wall();
    let from = args.from.as_ref().map_or(Ok(now), |text| moment::start_of("--from", text)).map_err(input)?;
    let from = seconds("--from", from)?;
    let until = seconds("--until", moment::end_of("--until", &args.until).map_err(input)?)?;
    private_file::refuse_existing(args.files.all())?;
    let secret = site_secret(&site).map_err(|e| Failure::new(exit::of_node(&e), e))?;
    let pass = Pass { id: PassId::generate(now)?, valid_from: from, valid_until: until };
    let new = NewPass {
        id: pass.id,
        kind: NewPassKind::Pass { person },
        valid_from: from.to_wall(),
        valid_until: until.to_wall(),
        max_uses: args.uses,
    };
    // Stored first: a code that the store doesn't know would be refused at every gate.
    people::open(&site)?.issue_pass(&new, &args.role.actor()?, now)?;
    args.files.write(&sign_pass(&SiteSigner::new(&secret), &site_key(&site), &pass), pass.id, until)?;
    print::line(&format!("pass {} for {person}, good until {until}", pass.id))?;
    Ok(())
}

fn card(args: &CardArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let now = SystemClock::new().wall();
    let consent = args.consent.consent(now).map_err(input)?;
    let until = seconds("--until", consent.draft().valid_until)?;
    private_file::refuse_existing(args.files.all().chain(args.receipt.as_deref()))?;
    let mut desk = Desk::open(&site)?;
    let portraits = from_photos(&mut desk, &args.photos)?;
    let template = desk.template(portraits).map_err(input)?;
    let (name, version) = desk.model();
    let contents = CardContents {
        template: *template.template.to_i8(),
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
        "card {}, good until {until}; the site keeps its number and the consent, and nothing of the face",
        card.id
    ))?;
    if let Some(path) = &args.receipt {
        private_file::write(path, receipt::text(&place(&site), &card.id.to_string(), None, &consent).as_bytes())?;
        print::line(&format!("receipt: {}", path.display()))?;
    }
    Ok(())
}

impl Files {
    /// The files that are asked for.
    fn all(&self) -> impl Iterator<Item = &Path> {
        [&self.png, &self.svg, &self.pdf].into_iter().flatten().map(PathBuf::as_path)
    }

    /// For their owner alone: whoever has a pass may come in by it.
    fn write(&self, code: &str, id: PassId, until: UnixSeconds) -> Result<(), Failure> {
        let (number, end) = (format!("No. {}", id.short()), format!("until {until}"));
        let sheet = Sheet { text: code, lines: &[&number, &end] };
        if let Some(path) = &self.png {
            private_file::write(path, &sheet.to_png(MODULE_PX)?)?;
        }
        if let Some(path) = &self.svg {
            private_file::write(path, sheet.to_svg()?.as_bytes())?;
        }
        if let Some(path) = &self.pdf {
            let paper = match self.paper {
                PaperSize::A6 => Paper::A6,
                PaperSize::Card => Paper::CardOnA4,
            };
            private_file::write(path, &sheet.to_pdf(paper)?)?;
        }
        for path in self.all() {
            print::line(&format!("written: {}", path.display()))?;
        }
        Ok(())
    }
}

fn listed(pass: &PassSummary, now: WallTime) -> String {
    let kind = match pass.kind {
        PassKind::Pass { person: Some(person) } => format!("pass of {person}"),
        PassKind::Pass { person: None } => "pass of nobody any more".to_owned(),
        PassKind::Card { .. } => "card".to_owned(),
    };
    let state = match (pass.revoked_at, pass.max_uses) {
        (Some(at), _) => format!("taken back {at}"),
        (None, _) if pass.valid_until <= now => "ended".to_owned(),
        (None, Some(most)) if pass.uses >= most => "used up".to_owned(),
        (None, _) if pass.valid_from > now => "not good yet".to_owned(),
        (None, _) => "good".to_owned(),
    };
    let uses = match (pass.kind, pass.max_uses) {
        (PassKind::Card { .. }, _) => String::new(),
        (_, Some(most)) => format!(", used {} of {most} times", pass.uses),
        (_, None) => format!(", used {} times", pass.uses),
    };
    format!("{}  {kind}, from {} until {}{uses}: {state}", pass.id, pass.valid_from, pass.valid_until)
}
