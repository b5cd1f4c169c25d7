//! `gatehouse audit`: what was done at this site, by whom; and whether that record is as it was written.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use gatehouse_store::{AuditHead, StoreError};
use serde_json::json;

use crate::exit::{Exit, Failure};
use crate::{check, people, print};

/// Read or verify the audit log
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    what: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Check that no row of the audit log was altered, removed, inserted or cut off
    ///
    /// Exits with 1 and names the first fault if one was. Note the head that it prints in another place: given to a later
    /// verification, it finds even a whole store that was put back to an earlier state.
    Verify {
        /// The site file
        site: PathBuf,
        /// The head that an earlier verification printed, as NUMBER:HASH
        #[arg(long, value_name = "HEAD")]
        known: Option<String>,
    },
    /// Print the audit log
    List {
        /// The site file
        site: PathBuf,
        /// From this row on
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// At most so many rows
        #[arg(long, default_value_t = 1000)]
        limit: usize,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn audit(args: &AuditArgs) -> Result<(), Failure> {
    match &args.what {
        AuditCommand::Verify { site, known } => {
            let known: Option<AuditHead> = known
                .as_ref()
                .map(|text| text.parse().map_err(|e| Failure::say(Exit::Input, format!("--known {text}: {e}"))))
                .transpose()?;
            let store = people::open(&check::load(site)?)?;
            let report = store.verify_audit(known)?;
            print::line(&format!("sound: {} row(s), every one as it was written", report.rows))?;
            if report.removed_until > 0 {
                let until = report.removed_until;
                print::line(&format!("rows up to {until} were removed by retention, after their time"))?;
            }
            if known.is_some() {
                print::line(if report.compared_with_known {
                    "the head that you gave is part of it"
                } else {
                    "the head that you gave is older than what retention keeps, so it could not be compared"
                })?;
            }
            print::line(&format!("head: {}", report.head))?;
        }
        AuditCommand::List { site, from, limit, json } => {
            let store = people::open(&check::load(site)?)?;
            for entry in store.audit_entries(*from, *limit).map_err(|e: StoreError| Failure::from(e))? {
                let subject = entry.subject.as_deref();
                print::line(&if *json {
                    // Its details are JSON already, as the store wrote them.
                    let details: serde_json::Value = serde_json::from_str(&entry.details).unwrap_or_default();
                    json!({
                        "sequence": entry.sequence, "at": entry.at, "actor": entry.actor, "action": entry.action,
                        "subject": subject, "details": details,
                    })
                    .to_string()
                } else {
                    let subject = subject.map(|s| format!("  {s}")).unwrap_or_default();
                    format!(
                        "{:>6}  {}  {:<18} {}{subject}  {}",
                        entry.sequence, entry.at, entry.action, entry.actor, entry.details
                    )
                })?;
            }
        }
    }
    Ok(())
}
