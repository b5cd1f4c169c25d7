//! `gatehouse export`: all that is stored of a person, for that person.

use std::path::PathBuf;

use clap::Args;
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_store::{PassKind, PassSummary, PersonRecord};
use serde_json::{Value, json};

use crate::exit::Failure;
use crate::{actor, check, entries, people, print, private_file};

/// Write all that is stored of a person to a file, for that person
///
/// Name, consent, passes, and when they came and went. Of the face, which model's templates there are: the numbers are left
/// out, since no withdrawal would reach that copy. The audit log says who exported, in which role, and why.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The site file
    site: PathBuf,
    /// The person's number, as `gatehouse people` shows it
    person: String,
    /// The role in which you do this: one of the site's `entry_roles`
    #[arg(long)]
    role: String,
    /// Why; no names in it
    #[arg(long)]
    reason: String,
    /// The file to write, as JSON; it must not exist yet, and only you can read it
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

pub(crate) fn export(args: &ExportArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let person = people::person(&args.person)?;
    private_file::refuse_existing([args.to.as_path()])?;
    let (store, actor, now) = (people::open(&site)?, actor::actor(&args.role)?, SystemClock::new().wall());
    entries::may_look(&site, &store, &actor, now)?;
    let record = store.export(person, &args.reason, &actor, now)?;
    let text = serde_json::to_string_pretty(&as_json(&record))?;
    private_file::write(&args.to, format!("{text}\n").as_bytes())?;
    print::line(&format!("{}: all that is stored of {person}; this export is in the audit log", args.to.display()))?;
    Ok(())
}

fn as_json(record: &PersonRecord) -> Value {
    let consent = record.consent.as_ref().map(|consent| {
        json!({
            "purpose": consent.purpose, "notice": consent.notice_version, "given": consent.how_given.as_str(),
            "given_at": consent.given_at, "until": consent.valid_until, "under_14": consent.under_14,
            "guardian": consent.guardian,
        })
    });
    let templates: Vec<_> =
        record.templates.iter().map(|(model, version)| json!({ "model": model, "version": version })).collect();
    json!({
        "person": record.person.to_string(), "name": record.name.as_str(), "enrolled_at": record.enrolled_at,
        "consent": consent, "templates": templates,
        "passes": record.passes.iter().map(pass).collect::<Vec<_>>(),
        "entries": record.entries.iter().map(entries::as_json).collect::<Vec<_>>(),
    })
}

fn pass(pass: &PassSummary) -> Value {
    json!({
        "pass": pass.id.to_string(), "kind": if matches!(pass.kind, PassKind::Card { .. }) { "card" } else { "pass" },
        "issued_at": pass.issued_at, "from": pass.valid_from, "until": pass.valid_until, "max_uses": pass.max_uses,
        "uses": pass.uses, "last_used_at": pass.last_used_at, "revoked_at": pass.revoked_at,
    })
}
