//! `gatehouse-lab sim`: simulated cameras over real RTSP.

use std::io::BufRead;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use gatehouse_sim::{Command, Sim, SimConfig};
use gatehouse_terminal::{Failure, print, stop};

/// Serve simulated cameras over RTSP, with faults on demand
///
/// Reads commands from standard input while it runs: `fault MOUNT KIND`, `clear MOUNT`, `stats`;
/// `help` lists all commands.
#[derive(Debug, Args)]
pub(crate) struct SimArgs {
    /// The simulator's file: its cameras, their scenes, and scheduled faults; docs/guide/sim.toml
    /// is an example
    config: PathBuf,
    /// Stop when standard input ends
    #[arg(long)]
    stop_with_stdin: bool,
}

pub(crate) fn sim(args: &SimArgs) -> Result<(), Failure> {
    let config = SimConfig::load(&args.config).map_err(Failure::input)?;
    let sim = Arc::new(Sim::start(config)?);
    for mount in sim.mounts() {
        print::line(&sim.url(mount))?;
    }
    let (quit, quit_or_ended) = tokio::sync::oneshot::channel();
    let commanded = Arc::clone(&sim);
    std::thread::Builder::new().name("sim-commands".into()).spawn(move || {
        if execute_commands(&commanded).is_break() {
            // The simulator may be stopping already.
            let _ = quit.send(());
        }
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let input = async {
        match quit_or_ended.await {
            Ok(()) => "quit",
            Err(_) if args.stop_with_stdin => "end of standard input",
            Err(_) => std::future::pending().await,
        }
    };
    let reason = runtime.block_on(async {
        tokio::select! {
            reason = stop::requested(false) => reason,
            reason = input => Ok(reason),
        }
    })?;
    tracing::info!("{reason}: stopping");
    sim.stop_server()?;
    Ok(())
}

/// Executes the commands on standard input until it ends, or breaks at `quit`.
fn execute_commands(sim: &Sim) -> ControlFlow<()> {
    for line in std::io::stdin().lock().lines().map_while(Result::ok).filter(|line| !line.trim().is_empty()) {
        let answer = match Command::parse(&line) {
            Ok(Command::Quit) => return ControlFlow::Break(()),
            Ok(command) => sim.execute(&command).unwrap_or_else(|e| format!("failed: {e}")),
            Err(e) => e.to_string(),
        };
        if !print::line_while_read(&answer).unwrap_or(false) {
            break;
        }
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_in_the_guide_is_valid() {
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/sim.toml");
        let config = SimConfig::load(std::path::Path::new(example)).expect("the example loads");
        assert_eq!(config.mounts.len(), 3);
    }
}
