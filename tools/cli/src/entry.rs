//! `gatehouse entry`: look-ups in the site's own entry log, each of which the audit log records.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use gatehouse_config::Site;
use gatehouse_core::CameraId;
use gatehouse_core::event::{Decision, Direction, Method};
use gatehouse_core::time::{Clock, SystemClock, WallTime};
use gatehouse_store::{Action, Actor, LoggedEntry, Look, Store};
use gatehouse_terminal::{Exit, Failure, print};
use serde_json::{Value, json};

use crate::{actor, check, moment, people};

/// Look up who came in, for a stated reason
#[derive(Debug, Subcommand)]
pub(crate) enum EntryCommand {
    List(ListArgs),
}

/// List the entries of a period, for a stated reason
///
/// Shows the site's own log with people's numbers, and their names while they are enrolled. The
/// audit log records who looked, in which role, why, and how many entries they saw. The bus never
/// carries any of this.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The site file
    site: PathBuf,
    /// Your role: one of the site's `entry_roles`
    #[arg(long)]
    role: String,
    /// Your reason, without names
    #[arg(long)]
    reason: String,
    /// Start: a date (from its start in UTC) or a time
    #[arg(long, value_name = "DATE")]
    from: String,
    /// End: a date (to its end in UTC) or a time; now, if left out
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
    /// Only entries of this gate
    #[arg(long)]
    gate: Option<String>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

pub(crate) fn list(args: &ListArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let now = SystemClock::new().wall();
    let from = moment::start_of("--from", &args.from).map_err(Failure::input)?;
    let until = args.until.as_ref().map_or(Ok(now), |text| moment::end_of("--until", text)).map_err(Failure::input)?;
    let gate = args.gate.as_ref().map(|gate| CameraId::new(gate));
    let look = Look { reason: &args.reason, from, until, gate: gate.as_ref() };
    let store = people::open(&site)?;
    let actor = actor::actor(&args.role)?;
    refuse_unnamed_role(&site, &store, &actor, now)?;
    let found = store.look_up_entries(&look, &actor, now)?;
    for entry in &found {
        print::line(&if args.json { as_json(entry).to_string() } else { as_text(entry) })?;
    }
    if !args.json {
        print::line(&format!(
            "{} entries from {from} until {until}; the audit log has recorded this look-up",
            found.len()
        ))?;
    }
    Ok(())
}

/// Refuses a role that the site file does not name, and records the attempt.
pub(crate) fn refuse_unnamed_role(site: &Site, store: &Store, actor: &Actor, now: WallTime) -> Result<(), Failure> {
    let roles = &site.store.entry_roles;
    if roles.iter().any(|role| role == actor.role()) {
        return Ok(());
    }
    store.record(Action::Refused, None, json!({ "role": actor.role() }), actor, now)?;
    Err(Failure::message(
        Exit::Input,
        format!(
            "the role `{}` may not look up entries; the roles in the site file's `entry_roles` may: {}. \
             The audit log has recorded this attempt",
            actor.role(),
            if roles.is_empty() { "none".to_owned() } else { roles.join(", ") }
        ),
    ))
}

pub(crate) fn as_json(entry: &LoggedEntry) -> Value {
    let pass = entry.who.pass.map(|pass| pass.to_string());
    json!({
        "event_id": entry.event_id, "gate": entry.gate, "direction": entry.direction,
        "captured_at": entry.captured_at, "decision": entry.decision, "method": entry.method,
        "person": entry.who.person.map(|person| person.to_string()), "pass": pass,
        "name": entry.name.as_ref().map(|name| name.as_str()),
    })
}

fn as_text(entry: &LoggedEntry) -> String {
    let decision = match (entry.decision, entry.direction) {
        (Decision::Admit, Direction::In) => "let in",
        (Decision::Admit, Direction::Out) => "let out",
        (Decision::Refer, _) => "referred",
    };
    let method = match entry.method {
        Method::Face => "face",
        Method::Qr => "QR pass",
        Method::QrAndFace => "QR code and face",
    };
    let at: WallTime = entry.captured_at;
    let who = match (entry.who.person, &entry.name, entry.who.pass) {
        (Some(person), Some(name), _) => format!("{person} {}", name.as_str()),
        (Some(person), None, _) => format!("{person} (no longer enrolled)"),
        (None, _, Some(pass)) => format!("card {pass}"),
        (None, _, None) => "unknown".to_owned(),
    };
    format!("{at}  {:<12} {decision:<8}  by {method:<16}  {who}", entry.gate)
}
