//! The log on standard error: text for people, or JSON for machines.

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// The options of the log.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// Least severity to log: `error`, `warn`, `info`, `debug`, or a filter such as
    /// `warn,gatehouse_capture=debug`
    #[arg(long = "log", global = true, value_name = "FILTER", env = "GATEHOUSE_LOG", default_value = "info")]
    filter: String,
    /// Format of the log on standard error
    #[arg(long = "log-format", global = true, value_enum, default_value_t = Format::Text, env = "GATEHOUSE_LOG_FORMAT")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One line of text for each message
    Text,
    /// One JSON object for each message, each on a line
    Json,
}

impl LogArgs {
    pub(crate) fn start(&self) {
        // zenoh warns about every peer that is not there yet. The bus logs what an operator needs.
        let filter = EnvFilter::new(format!("{},zenoh=error,zenoh_transport=error", self.filter));
        let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
        match self.format {
            Format::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
            Format::Json => lines.json().flatten_event(true).init(),
        }
    }

    /// The arguments that give a child process the same log.
    pub fn as_args(&self) -> [String; 4] {
        let format = match self.format {
            Format::Text => "text",
            Format::Json => "json",
        };
        ["--log".into(), self.filter.clone(), "--log-format".into(), format.into()]
    }
}
