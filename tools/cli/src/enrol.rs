//! `gatehouse enrol`, `people` and `forget`: who may be recognised, by their own consent.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use gatehouse_core::time::{Clock, SystemClock, WallTime};
use gatehouse_gate::enrol::{check_same_person, template};
use gatehouse_models::{Assets, FaceDetector, FaceEmbedder, PhotoLimits, SessionOptions, read_photo};
use gatehouse_service::{open_registry, open_store};
use gatehouse_store::{Consent, ConsentDraft, HowGiven, NewPerson, NewTemplate, PersonId};

use crate::exit::{self, Exit, Failure};
use crate::{check, print};

/// Enrol a person who has agreed to it, from photos
///
/// Stores one protected template for each photo, and the consent without which there is none; no photo is stored. A running
/// node knows the person within a second. Several photos (with and without glasses, say) make recognition surer.
#[derive(Debug, Args)]
pub(crate) struct EnrolArgs {
    /// The site file
    site: PathBuf,
    /// The person's name, as the site calls them; `-` reads it from standard input, so that no other user of this machine
    /// sees it in the list of processes
    #[arg(long)]
    name: String,
    /// A photo with this person's face and nobody else's; may be given several times
    #[arg(long = "photo", value_name = "FILE", required = true)]
    photos: Vec<PathBuf>,
    /// Consent: what for, in the words of the notice
    #[arg(long)]
    purpose: String,
    /// Consent: the version of the notice that the person was given
    #[arg(long, value_name = "VERSION")]
    notice: String,
    /// Consent: how it was given
    #[arg(long, value_enum)]
    given: Given,
    /// Consent: until when, as a date (2027-06-30, to its end in UTC) or a time (2027-06-30T12:00:00+08:00)
    #[arg(long, value_name = "DATE")]
    until: String,
    /// The person is younger than 14; needs a guardian
    #[arg(long, requires = "guardian")]
    under_14: bool,
    /// Name of the guardian who agreed for them
    #[arg(long, value_name = "NAME")]
    guardian: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Given {
    /// On a signed sheet
    Paper,
    /// On a screen at the desk
    Screen,
    /// Over the internet
    Online,
}

/// List who is enrolled, by number
///
/// Shows numbers and the end of each consent. Names are shown only on request.
#[derive(Debug, Args)]
pub(crate) struct PeopleArgs {
    /// The site file
    site: PathBuf,
    /// Show names as well
    #[arg(long)]
    names: bool,
}

/// Remove a person who has withdrawn their consent
///
/// Deletes person, consent and templates. A running node forgets them within a second.
#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// The site file
    site: PathBuf,
    /// The person's number, as `gatehouse people` shows it
    person: String,
}

impl From<Given> for HowGiven {
    fn from(given: Given) -> Self {
        match given {
            Given::Paper => Self::Paper,
            Given::Screen => Self::Screen,
            Given::Online => Self::Online,
        }
    }
}

pub(crate) fn enrol(args: &EnrolArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let clock = SystemClock::new();
    let now = clock.wall();
    let input = |e: anyhow::Error| Failure::new(Exit::Input, e);
    let consent = Consent::new(ConsentDraft {
        purpose: args.purpose.clone(),
        notice_version: args.notice.clone(),
        how_given: args.given.into(),
        given_at: now,
        valid_until: end_of(&args.until).map_err(input)?,
        under_14: args.under_14,
        guardian: args.guardian.clone(),
    })
    .map_err(|e| input(anyhow!("consent: {e}")))?;
    let name = name(&args.name).map_err(input)?;

    let store = open_store(&site).map_err(|e| Failure::new(exit::of_node(&e), e))?;
    let assets = Assets::locate().map_err(|e| Failure::new(Exit::Setup, e))?;
    let registry = open_registry(assets, &site.models.manifests).map_err(|e| Failure::new(exit::of_node(&e), e))?;
    let setup = |e| Failure::new(Exit::Setup, e);
    let options = SessionOptions { intra_threads: site.models.threads };
    let mut detector = FaceDetector::load(&registry, &site.models.face_detector, &options).map_err(setup)?;
    let mut embedder = FaceEmbedder::load(&registry, &site.models.face_embedder, &options).map_err(setup)?;

    let mut embeddings = Vec::with_capacity(args.photos.len());
    for (number, path) in (1..).zip(&args.photos) {
        // The file's name may be the person's; the number says which photo it is as well.
        let photo = read_photo(path, &PhotoLimits::default()).map_err(|e| input(anyhow!("photo {number}: {e}")))?;
        let embedding = template(&mut detector, &mut embedder, &photo.as_picture())
            .map_err(|e| input(anyhow!("photo {number}: {e}")))?;
        embeddings.push(embedding);
    }
    let manifest = embedder.manifest();
    if let Some(threshold) = &manifest.threshold {
        check_same_person(&embeddings, threshold.value).map_err(|e| input(e.into()))?;
    }
    let templates: Vec<_> = embeddings
        .iter()
        .map(|e| NewTemplate { model: &manifest.name, model_version: &manifest.version, values: e.as_slice() })
        .collect();
    let valid_until = consent.draft().valid_until;
    let person = store.enrol(NewPerson { name: &name, consent, templates: &templates }, now)?;
    print::line(&format!("enrolled {person} with {} template(s); consent until {valid_until}", templates.len()))?;
    Ok(())
}

fn name(argument: &str) -> anyhow::Result<String> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("the name can't be read from standard input")?;
    Ok(line.trim().to_owned())
}

/// The moment that a consent ends: a time, or the end of a day in UTC.
fn end_of(text: &str) -> anyhow::Result<WallTime> {
    let expected =
        || anyhow!("--until {text}: expected a date such as 2027-06-30 or a time such as 2027-06-30T12:00:00+08:00");
    // A date's own parser takes a time as well, and silently drops the hours.
    let timestamp: jiff::Timestamp = if text.len() > "2027-06-30".len() {
        text.parse().map_err(|_| expected())?
    } else {
        let date: jiff::civil::Date = text.parse().map_err(|_| expected())?;
        date.tomorrow()?.at(0, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC)?.timestamp()
    };
    let nanos = i64::try_from(timestamp.as_nanosecond()).map_err(|_| anyhow!("--until {text}: too far away"))?;
    Ok(WallTime::from_unix_nanos(nanos))
}

pub(crate) fn people(args: &PeopleArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let store = open_store(&site).map_err(|e| Failure::new(exit::of_node(&e), e))?;
    let now = SystemClock::new().wall();
    for person in store.people()? {
        let state = if person.consent_until > now { "" } else { "  EXPIRED: not recognised any more" };
        let name = if args.names { format!("  {}", store.name_of(person.person)?.as_str()) } else { String::new() };
        print::line(&format!(
            "{}  {} template(s), consent until {}{state}{name}",
            person.person, person.templates, person.consent_until
        ))?;
    }
    let counts = store.count()?;
    print::line(&format!(
        "{} enrolled, {} template(s); {} have withdrawn",
        counts.people, counts.templates, counts.withdrawn
    ))?;
    Ok(())
}

pub(crate) fn forget(args: &ForgetArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let person: PersonId = args.person.parse().map_err(|_| {
        let hint = "no person's number; `gatehouse people` lists them";
        Failure::say(Exit::Input, format!("`{}` is {hint}", args.person))
    })?;
    let store = open_store(&site).map_err(|e| Failure::new(exit::of_node(&e), e))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let forgotten = store.forget(person, clock.wall())?;
    print::line(&format!("forgotten: {person}, with {} template(s)", forgotten.templates))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_ends_with_its_day_and_a_time_is_exact() {
        assert_eq!(end_of("2027-06-30").expect("a date").to_string(), "2027-07-01T00:00:00.000Z");
        assert_eq!(end_of("2027-06-30T12:00:00+08:00").expect("a time").to_string(), "2027-06-30T04:00:00.000Z");
        let error = end_of("30/06/2027").expect_err("another form").to_string();
        assert!(error.contains("expected a date such as 2027-06-30"), "{error}");
    }
}
