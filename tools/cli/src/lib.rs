//! The `gatehouse` command line: one file for each command.

mod check;
mod demo;
mod doctor;
mod enrol;
mod exit;
mod key;
mod log;
mod models;
mod print;
mod run;
mod schema;
mod sim;
mod stop;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use exit::{Exit, Failure};

/// Open video analytics for gates and crowds.
///
/// `gatehouse` pulls RTSP cameras, recognises enrolled people at gates, counts people in crowds, and publishes both as
/// events on zenoh. A first look needs no camera: `gatehouse demo`.
#[derive(Debug, Parser)]
#[command(name = "gatehouse", version, after_help = exit::HELP, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    log: log::LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Check(check::CheckArgs),
    Enrol(enrol::EnrolArgs),
    People(enrol::PeopleArgs),
    Forget(enrol::ForgetArgs),
    Watch(watch::WatchArgs),
    Models(models::ModelsArgs),
    Doctor(doctor::DoctorArgs),
    Sim(sim::SimArgs),
    Demo(demo::DemoArgs),
    Key(key::KeyArgs),
    Schema(schema::SchemaArgs),
}

/// Reads the command line, runs the command and says how it ended.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.log.start();
    let outcome = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::check(&args),
        Command::Enrol(args) => enrol::enrol(&args),
        Command::People(args) => enrol::people(&args),
        Command::Forget(args) => enrol::forget(&args),
        Command::Watch(args) => watch::watch(&args),
        Command::Models(args) => models::models(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Sim(args) => sim::sim(&args),
        Command::Demo(args) => demo::demo(&args, &cli.log),
        Command::Key(args) => key::key(&args),
        Command::Schema(args) => schema::schema(&args),
    };
    exit::code(outcome)
}
