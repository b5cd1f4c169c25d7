//! `gatehouse config`: the site file and the door file.

use clap::{Args, Subcommand, ValueEnum};
use gatehouse_terminal::{Failure, print};

/// Print the JSON Schemas of the site file and the door file
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    Schema(SchemaArgs),
}

/// Print the JSON Schema of the site file or of the door file
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// The file that the schema describes
    #[arg(value_enum, default_value_t = ConfigFile::Site)]
    file: ConfigFile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ConfigFile {
    /// The site file, which `gatehouse run` reads
    Site,
    /// The door file, which `gatehouse door run` reads
    Door,
}

pub(crate) fn print_schema(args: &SchemaArgs) -> Result<(), Failure> {
    let schema = match args.file {
        ConfigFile::Site => gatehouse_config::schema(),
        ConfigFile::Door => gatehouse_config::door_schema(),
    };
    print::line(&serde_json::to_string_pretty(&schema)?)
}
