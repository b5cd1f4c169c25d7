//! Logs: to standard error, as text for people or as JSON for machines.

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// How much is logged, and in which form.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogArgs {
    /// What is logged: `error`, `warn`, `info`, `debug`, or a filter such as `warn,gatehouse_capture=debug`
    #[arg(long = "log", global = true, value_name = "FILTER", env = "GATEHOUSE_LOG", default_value = "info")]
    filter: String,
    /// Form of the log lines on standard error
    #[arg(long = "log-format", global = true, value_enum, default_value_t = Format::Text, env = "GATEHOUSE_LOG_FORMAT")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line for people
    Text,
    /// A JSON object a line
    Json,
}

impl LogArgs {
    pub(crate) fn start(&self) {
        // zenoh warns of every peer that isn't there yet; what of that concerns an operator is said in our own words.
        let filter = EnvFilter::new(format!("{},zenoh=error,zenoh_transport=error", self.filter));
        let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
        match self.format {
            Format::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
            Format::Json => lines.json().flatten_event(true).init(),
        }
    }

    /// The same settings for a process started from this one.
    pub(crate) fn as_args(&self) -> [String; 4] {
        let format = match self.format {
            Format::Text => "text",
            Format::Json => "json",
        };
        ["--log".into(), self.filter.clone(), "--log-format".into(), format.into()]
    }
}
