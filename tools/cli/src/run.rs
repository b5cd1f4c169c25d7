//! `gatehouse run`: one node, from its site file to a clean stop.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_runtime::Assets;
use gatehouse_service::Node;
use serde::{Deserialize, Serialize};

use crate::check;
use crate::exit::{self, Exit, Failure};
use crate::{print, stop};

/// Run a node: its cameras, models, bus and console
///
/// Ends on SIGINT or SIGTERM: the cameras are stopped, what they delivered is published, and the process exits with 0, or
/// with 5 if that takes longer than the deadline.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The site file
    site: PathBuf,
    /// Say in JSON, on one line, where the node can be reached once everything runs
    #[arg(long)]
    json: bool,
    /// Seconds that stopping may take
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    stop_within: u64,
    /// Stop when standard input ends, so that the node doesn't outlive the process that started it
    #[arg(long)]
    stop_with_stdin: bool,
}

/// Where a running node can be reached: what `--json` prints.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// zenoh locators of the bus.
    pub(crate) bus: Vec<String>,
    /// Address of the console, where there is one.
    pub(crate) console: Option<String>,
}

pub(crate) fn run(args: &RunArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let assets = Assets::locate().map_err(|e| Failure::new(Exit::Setup, e))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;

    let listener = match &site.console {
        Some(console) => Some(
            runtime
                .block_on(tokio::net::TcpListener::bind(console.listen))
                .with_context(|| format!("the console can't listen on {}", console.listen))?,
        ),
        None => None,
    };
    let console = listener.as_ref().map(|l| l.local_addr()).transpose()?.map(|address| format!("http://{address}/"));
    let node = Node::start(&site, assets, clock).map_err(|e| Failure::new(exit::of_node(&e), e))?;
    let (stop_console, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = listener.map(|listener| {
        let view = Arc::clone(node.view());
        let until = async { drop(stopped.await) };
        runtime.spawn(gatehouse_console::serve(listener, view, until))
    });

    announce(&site.site.id, &Ready { bus: node.bus_locators(), console }, args.json)?;
    let reason = runtime.block_on(stop::asked(args.stop_with_stdin))?;
    tracing::info!("{reason}: stopping");

    let deadline = Duration::from_secs(args.stop_within);
    drop(stop_console);
    let mut left = node.stop(deadline);
    if let Some(serving) = serving {
        match runtime.block_on(async { tokio::time::timeout(deadline, serving).await }) {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(e))) => left.push(format!("the console failed: {e}")),
            Ok(Err(_)) => left.push("the console panicked".into()),
            Err(_) => left.push("the console did not end in time".into()),
        }
    }
    // Reading standard input can't be cancelled; waiting for that thread would keep the process alive.
    runtime.shutdown_background();
    if left.is_empty() {
        tracing::info!("stopped");
        return Ok(());
    }
    Err(Failure::say(Exit::Unclean, format!("stopped, but not cleanly: {}", left.join("; "))))
}

fn announce(site: &str, ready: &Ready, as_json: bool) -> Result<(), Failure> {
    if as_json {
        print::line(&serde_json::to_string(ready)?)?;
        return Ok(());
    }
    print::line(&format!("gatehouse: site {site} is running"))?;
    for bus in &ready.bus {
        print::line(&format!("  bus      {bus}"))?;
    }
    if let Some(console) = &ready.console {
        print::line(&format!("  console  {console}"))?;
    }
    Ok(())
}
