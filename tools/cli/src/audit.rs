//! `gatehouse audit`: the audit log, and the check that nobody altered it.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use gatehouse_store::AuditHead;
use gatehouse_terminal::{Exit, Failure, print};
use serde_json::json;

use crate::{check, people};

/// Read and verify the audit log
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Verify that no row of the audit log was altered, removed, inserted or cut off
    ///
    /// Exits with 1 and names the first fault if there is one. Keep the printed head in another
    /// place and give it to the next verification with `--known`: this detects even a store that
    /// was put back to an earlier state.
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
        /// First row to print
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// Number of rows to print at most
        #[arg(long, default_value_t = 1000)]
        limit: usize,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
}

impl AuditCommand {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Verify { site, known } => verify(site, known.as_deref()),
            Self::List { site, from, limit, json } => list(site, *from, *limit, *json),
        }
    }
}

fn verify(site: &Path, known: Option<&str>) -> Result<(), Failure> {
    let known: Option<AuditHead> = known
        .map(|text| text.parse().map_err(|e| Failure::message(Exit::Input, format!("--known {text}: {e}"))))
        .transpose()?;
    let report = people::open(&check::load(site)?)?.verify_audit(known)?;
    print::line(&format!("sound: {} row(s), none altered", report.rows))?;
    if report.removed_until > 0 {
        print::line(&format!("retention removed the rows up to {} on schedule", report.removed_until))?;
    }
    if known.is_some() {
        print::line(if report.compared_with_known {
            "the log contains the given head"
        } else {
            "the given head is older than all rows that retention keeps, so it could not be compared"
        })?;
    }
    print::line(&format!("head: {}", report.head))
}

fn list(site: &Path, from: u64, limit: usize, as_json: bool) -> Result<(), Failure> {
    for entry in people::open(&check::load(site)?)?.audit_entries(from, limit)? {
        let subject = entry.subject.as_deref();
        print::line(&if as_json {
            // The store writes the details as JSON.
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
    Ok(())
}
