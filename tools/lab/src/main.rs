//! `gatehouse-lab`: simulated cameras, the demo, and evaluation.
//!
//! It is a program of its own so that `gatehouse`, which holds a site's keys, links no RTSP server,
//! no video encoder and no reader of MATLAB files.

mod demo;
mod eval;
mod sim;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gatehouse_terminal::{EXIT_CODES, LogArgs};

/// Try and measure gatehouse: demo, simulated cameras, evaluation
///
/// To see the whole product without a camera, run `gatehouse-lab demo`.
#[derive(Debug, Parser)]
#[command(name = "gatehouse-lab", version, after_help = EXIT_CODES, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    log: LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    Sim(sim::SimArgs),
    #[command(subcommand)]
    Eval(Box<eval::EvalCommand>),
}

fn main() -> ExitCode {
    let Cli { log, command } = Cli::parse();
    gatehouse_terminal::run("gatehouse-lab", &log, || match &command {
        Command::Demo(args) => demo::demo(args, &log),
        Command::Sim(args) => sim::sim(args),
        Command::Eval(command) => command.run(),
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
