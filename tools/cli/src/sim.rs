//! `gatehouse sim`: simulated cameras over real RTSP.

use std::io::BufRead;
use std::path::PathBuf;

use clap::Args;
use gatehouse_sim::{Command, Sim, SimConfig};

use crate::exit::{Exit, Failure};
use crate::{print, stop};

/// Serve simulated cameras over RTSP, with faults on demand
///
/// Standard input takes commands while it runs: `fault MOUNT KIND`, `clear MOUNT`, `stats`; `help` lists them all.
#[derive(Debug, Args)]
pub(crate) struct SimArgs {
    /// The simulator's own file: its mounts, what they show, and faults by the clock; see docs/guide/sim.toml
    config: PathBuf,
    /// Stop when standard input ends
    #[arg(long)]
    stop_with_stdin: bool,
}

pub(crate) fn sim(args: &SimArgs) -> Result<(), Failure> {
    let config = SimConfig::load(&args.config).map_err(|e| Failure::new(Exit::Input, e))?;
    let sim = std::sync::Arc::new(Sim::start(config)?);
    for mount in sim.mounts() {
        print::line(&sim.url(mount))?;
    }
    let (ended_in, ended) = tokio::sync::oneshot::channel::<()>();
    let obeying = std::sync::Arc::clone(&sim);
    std::thread::Builder::new().name("sim-commands".into()).spawn(move || {
        obey(&obeying);
        drop(ended_in);
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let reason = runtime.block_on(async {
        tokio::select! {
            reason = stop::asked(false) => reason,
            _ = ended, if args.stop_with_stdin => Ok("end of standard input"),
        }
    })?;
    tracing::info!("{reason}: stopping");
    sim.stop_server()?;
    Ok(())
}

/// Carries out the commands on standard input until it ends.
fn obey(sim: &Sim) {
    for line in std::io::stdin().lock().lines().map_while(Result::ok).filter(|line| !line.trim().is_empty()) {
        let answer = match Command::parse(&line) {
            Ok(command) => sim.execute(&command).unwrap_or_else(|e| format!("failed: {e}")),
            Err(e) => e.to_string(),
        };
        if !print::line(&answer).unwrap_or(false) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_that_ships_is_right() {
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/sim.toml");
        let config = SimConfig::load(std::path::Path::new(example)).expect("the example loads");
        assert_eq!(config.mounts.len(), 2);
    }
}
