//! The `gatehouse` command line: daily commands, and a module for each group of commands.

mod actor;
mod audit;
mod bus;
mod camera;
mod check;
mod config;
mod connect;
mod crowd;
mod doctor;
mod door;
mod entry;
mod failure;
mod key;
mod model;
mod moment;
mod pass;
mod people;
mod private_file;
mod run;
mod store;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gatehouse_terminal::{EXIT_CODES, Failure, LogArgs};

use bus::BusCommand;
use camera::CameraCommand;
use config::ConfigCommand;
use crowd::CrowdCommand;
use entry::EntryCommand;
use model::ModelCommand;
use store::StoreCommand;

/// Open video analytics for gates and crowds
///
/// `gatehouse` reads RTSP cameras, recognises enrolled people at gates, counts people in crowds,
/// and publishes both as events on zenoh. To try it without a camera, run `gatehouse-lab demo`.
#[derive(Debug, Parser)]
#[command(name = "gatehouse", version, after_help = EXIT_CODES, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    log: LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Check(check::CheckArgs),
    /// Check the installation: GStreamer, ONNX Runtime and models
    ///
    /// Prints the version of each. Exits with 4 if anything is missing or altered, and prints the
    /// command that repairs it.
    Doctor,
    Watch(watch::WatchArgs),
    #[command(subcommand)]
    People(people::PeopleCommand),
    #[command(subcommand)]
    Pass(pass::PassCommand),
    #[command(subcommand)]
    Entry(EntryCommand),
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    #[command(subcommand)]
    Camera(CameraCommand),
    #[command(subcommand)]
    Crowd(CrowdCommand),
    #[command(subcommand)]
    Model(ModelCommand),
    #[command(subcommand)]
    Door(door::DoorCommand),
    #[command(subcommand)]
    Bus(BusCommand),
    #[command(subcommand)]
    Config(ConfigCommand),
    #[command(subcommand)]
    Store(StoreCommand),
    #[command(subcommand)]
    Key(key::KeyCommand),
}

impl Command {
    fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Run(args) => run::run(args),
            Self::Check(args) => check::check(args),
            Self::Doctor => doctor::doctor(),
            Self::Watch(args) => watch::watch(args),
            Self::People(command) => command.run(),
            Self::Pass(command) => command.run(),
            Self::Entry(EntryCommand::List(args)) => entry::list(args),
            Self::Audit(command) => command.run(),
            Self::Camera(CameraCommand::View(args)) => camera::view::view(args),
            Self::Crowd(CrowdCommand::Rollup(args)) => crowd::rollup(args),
            Self::Model(ModelCommand::List(args)) => model::list::list(args),
            Self::Model(ModelCommand::Threshold(args)) => model::threshold::threshold(args),
            Self::Door(command) => command.run(),
            Self::Bus(BusCommand::Schema(args)) => bus::print_schema(args),
            Self::Config(ConfigCommand::Schema(args)) => config::print_schema(args),
            Self::Store(StoreCommand::Backup(args)) => store::backup(args),
            Self::Store(StoreCommand::Restore(args)) => store::restore(args),
            Self::Key(command) => command.run(),
        }
    }
}

/// Reads the command line, runs the command and returns the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    gatehouse_terminal::run("gatehouse", &cli.log, || cli.command.run())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// What an operator sees first. A new command belongs to a group; only daily operation stands
    /// at the top.
    const HELP: &str = "\
run     Run a node: its cameras, models, bus and console
check   Check a site file without starting anything
doctor  Check the installation: GStreamer, ONNX Runtime and models
watch   Print events from the bus as they arrive
people  Enrol people, list them, renew or end their consent
pass    Issue, list and revoke QR passes and cards
entry   Look up who came in, for a stated reason
audit   Read and verify the audit log
camera  Show, learn and correct what a camera sees
crowd   Sum up the crowd cameras of an area
model   List models, and show what match thresholds mean
door    Run the gate controller of a door, or release the door in an emergency
bus     Print the JSON Schemas of the events on the bus
config  Print the JSON Schemas of the site file and the door file
store   Back up and restore the store of a site
key     Make or change the key of a site, or print its public half
";

    #[test]
    fn the_help_lists_every_group_in_one_line() {
        let lines: String = Cli::command()
            .get_subcommands()
            .map(|command| format!("{:<7} {}\n", command.get_name(), command.get_about().expect("a description")))
            .collect();
        assert_eq!(lines, HELP);
    }

    #[test]
    fn every_command_says_in_one_line_what_it_does() {
        let cli = Cli::command();
        cli.clone().debug_assert();
        let groups = cli.get_subcommands().flat_map(|group| group.get_subcommands().chain([group]));
        for command in groups {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!((10..=90).contains(&about.chars().count()), "{}: `{about}`", command.get_name());
        }
    }
}
