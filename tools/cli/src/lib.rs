//! The `gatehouse` command line: one file for each command.

mod actor;
mod audit;
mod backup;
mod camera;
mod check;
mod core_dump;
mod demo;
mod doctor;
mod door;
mod enrol;
mod entries;
mod eval;
mod exit;
mod export;
mod key;
mod log;
mod models;
mod moment;
mod pass;
mod people;
mod print;
mod private_file;
mod rollup;
mod run;
mod schema;
mod sim;
mod stop;
mod threshold;
mod view;
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
    EnrolBatch(enrol::batch::BatchArgs),
    People(people::PeopleArgs),
    Renew(enrol::renew::RenewArgs),
    Withdraw(people::WithdrawArgs),
    Forget(people::ForgetArgs),
    Pass(pass::PassArgs),
    Entries(entries::EntriesArgs),
    Audit(audit::AuditArgs),
    Export(export::ExportArgs),
    Backup(backup::BackupArgs),
    Restore(backup::RestoreArgs),
    Threshold(threshold::ThresholdArgs),
    Eval(eval::EvalArgs),
    Door(door::DoorArgs),
    View(view::ViewArgs),
    Watch(watch::WatchArgs),
    Rollup(rollup::RollupArgs),
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
    core_dump::switch_off();
    let outcome = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::check(&args),
        Command::Enrol(args) => enrol::enrol(&args),
        Command::EnrolBatch(args) => enrol::batch::batch(&args),
        Command::People(args) => people::people(&args),
        Command::Renew(args) => enrol::renew::renew(&args),
        Command::Withdraw(args) => people::withdraw(&args),
        Command::Forget(args) => people::forget(&args),
        Command::Pass(args) => pass::pass(&args),
        Command::Entries(args) => entries::entries(&args),
        Command::Audit(args) => audit::audit(&args),
        Command::Export(args) => export::export(&args),
        Command::Backup(args) => backup::backup(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::Threshold(args) => threshold::threshold(&args),
        Command::Eval(args) => eval::eval(&args),
        Command::Door(args) => door::door(&args),
        Command::View(args) => view::view(&args),
        Command::Watch(args) => watch::watch(&args),
        Command::Rollup(args) => rollup::rollup(&args),
        Command::Models(args) => models::models(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Sim(args) => sim::sim(&args),
        Command::Demo(args) => demo::demo(&args, &cli.log),
        Command::Key(args) => key::key(&args),
        Command::Schema(args) => schema::schema(&args),
    };
    exit::code(outcome)
}
