//! `gatehouse run`: one node, from its site file to a clean stop.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_runtime::Assets;
use gatehouse_service::Node;
use gatehouse_terminal::{Exit, Failure, NodeReady, print, stop};

use crate::{check, failure};

/// Run a node: its cameras, models, bus and console
///
/// Ends on SIGINT or SIGTERM: stops the cameras, publishes what they delivered, and exits with 0,
/// or with 5 if that takes longer than the deadline.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The site file
    site: PathBuf,
    /// Once everything runs, print the addresses of the bus and the console as one line of JSON
    #[arg(long)]
    json: bool,
    /// Deadline for stopping
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    stop_within: u64,
    /// Stop when standard input ends, so that the node does not outlive the process that started it
    #[arg(long)]
    stop_with_stdin: bool,
}

pub(crate) fn run(args: &RunArgs) -> Result<(), Failure> {
    let site = check::load(&args.site)?;
    let assets = Assets::locate().map_err(Failure::setup)?;
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
    let node = Node::start(&site, assets, clock).map_err(failure::node)?;
    let (stop_console, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = listener.map(|listener| {
        let view = Arc::clone(node.view());
        let until = async { drop(stopped.await) };
        runtime.spawn(gatehouse_console::serve(listener, view, until))
    });

    announce(&site.site.id, &NodeReady { bus: node.bus_locators(), console }, args.json)?;
    let reason = runtime.block_on(stop::requested(args.stop_with_stdin))?;
    tracing::info!("{reason}: stopping");

    let deadline = Duration::from_secs(args.stop_within);
    drop(stop_console);
    let mut problems = node.stop(deadline);
    if let Some(serving) = serving {
        match runtime.block_on(async { tokio::time::timeout(deadline, serving).await }) {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(e))) => problems.push(format!("the console failed: {e}")),
            Ok(Err(_)) => problems.push("the console panicked".into()),
            Err(_) => problems.push("the console did not end in time".into()),
        }
    }
    // The thread that reads standard input can't be cancelled, and would keep the process alive.
    runtime.shutdown_background();
    if problems.is_empty() {
        tracing::info!("stopped");
        return Ok(());
    }
    Err(Failure::message(Exit::Unclean, format!("stopped, but not cleanly: {}", problems.join("; "))))
}

fn announce(site: &str, ready: &NodeReady, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return print::line(&serde_json::to_string(ready)?);
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
