//! `gatehouse people export`: all stored data of a person, for that person.

use std::path::PathBuf;

use clap::Args;
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_store::{PassKind, PassSummary, PersonRecord};
use gatehouse_terminal::{Failure, print};
use serde_json::{Value, json};

use super::{open, person};
use crate::{actor, check, entry, private_file};

/// Write all stored data of a person to a file, for that person
///
/// Contains the name, the consent, the passes and the entries. Of each template it contains only
/// the model's name: a withdrawal could not delete a copy of the values. The audit log records who
/// exported, in which role, and why.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The site file
    site: PathBuf,
    /// The person's number, as `gatehouse people list` shows it
    person: String,
    /// Your role: one of the site's `entry_roles`
    #[arg(long)]
    role: String,
    /// Your reason, without names
    #[arg(long)]
    reason: String,
    /// The JSON file to write; it must not exist, and only you can read it
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

pub(super) fn export(args: &ExportArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let person = person(&args.person)?;
    private_file::refuse_existing([args.to.as_path()])?;
    let (store, actor, now) = (open(&site)?, actor::actor(&args.role)?, SystemClock::new().wall());
    entry::refuse_unnamed_role(&site, &store, &actor, now)?;
    let record = store.export(person, &args.reason, &actor, now)?;
    let text = serde_json::to_string_pretty(&as_json(&record))?;
    private_file::write(&args.to, format!("{text}\n").as_bytes())?;
    print::line(&format!("{}: all stored data of {person}; the audit log has recorded this export", args.to.display()))
}

fn as_json(record: &PersonRecord) -> Value {
    let consent = record.consent.as_ref().map(|consent| {
        json!({
            "purpose": consent.purpose, "notice": consent.notice_version, "given": consent.how_given.to_string(),
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
        "entries": record.entries.iter().map(entry::as_json).collect::<Vec<_>>(),
    })
}

fn pass(pass: &PassSummary) -> Value {
    json!({
        "pass": pass.id.to_string(), "kind": if matches!(pass.kind, PassKind::Card { .. }) { "card" } else { "pass" },
        "issued_at": pass.issued_at, "from": pass.valid_from, "until": pass.valid_until, "max_uses": pass.max_uses,
        "uses": pass.uses, "last_used_at": pass.last_used_at, "revoked_at": pass.revoked_at,
    })
}
