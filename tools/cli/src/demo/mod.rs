//! `gatehouse demo`: the whole product on simulated cameras, as a user would start it, process by process.
//!
//! It starts `gatehouse enrol` and `pass` (two people), `gatehouse sim` (three cameras over real RTSP) and `gatehouse run` (a node),
//! subscribes to the node's bus and prints what comes. The child processes end with their standard input, so that none is
//! left behind whatever happens to this one.

mod children;
mod site;
mod tally;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use gatehouse_bus::{BusOptions, Watcher};
use gatehouse_core::key::EVERYTHING;
use gatehouse_runtime::Assets;
use tokio::time::Instant;

use crate::exit::{Exit, Failure};
use crate::log::LogArgs;
use crate::{print, stop, watch};
use children::{Child, Program};
use tally::Tally;

/// Show the whole product on simulated cameras
///
/// Serves two gates and a square over RTSP and runs a node. To one gate come somebody enrolled, a stranger, and a printed
/// photograph of the enrolled one; to the other a QR pass. Prints the node's events. Without `--seconds` it runs until
/// Ctrl-C. With it, it ends by itself, and with 0 only if a face and a pass were let through, the photograph was referred,
/// and people were counted.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// End after so many seconds of running
    #[arg(long, env = "DEMO_SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: Option<u64>,
    /// Print events as JSON, one a line
    #[arg(long)]
    json: bool,
}

/// The node loads models in a second or two; a busy machine takes longer.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// The simulator encodes its scenes when they aren't in its cache yet.
const SCENES_WITHIN: Duration = Duration::from_secs(300);
/// How long a child may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(15);

pub(crate) fn demo(args: &DemoArgs, log: &LogArgs) -> Result<(), Failure> {
    let assets = Assets::locate().map_err(|e| Failure::new(Exit::Setup, e))?;
    site::check_media(&assets)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let outcome = runtime.block_on(play(args, log, &assets));
    // The thread that reads standard input, if there is one, can't be cancelled.
    runtime.shutdown_background();
    outcome
}

async fn play(args: &DemoArgs, log: &LogArgs, assets: &Assets) -> Result<(), Failure> {
    let folder = tempfile::Builder::new().prefix("gatehouse-demo-").tempdir()?;
    let program = Program::this(log)?;

    say("making a site with a key of its own; enrolling one person who agreed to it, and one for QR passes only")?;
    let (site_file, pass) = (folder.path().join("site.toml"), folder.path().join("pass.png"));
    std::fs::write(&site_file, site::site(None))?;
    program.run(&["key", "new", path(&folder.path().join("site.key"))?]).await?;
    let enrol = site::enrol(path(&site_file)?, assets)?;
    program.run(&enrol.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let enrolled = program.run(&site::enrol_for_passes(path(&site_file)?)).await?;
    let visitor = enrolled.split_whitespace().nth(1).context("no number of whom was enrolled")?;
    program.run(&site::issue_pass(path(&site_file)?, visitor, path(&pass)?)).await?;

    say("starting three simulated cameras (the first time, their scenes are encoded: about half a minute)")?;
    let sim_file = folder.path().join("sim.toml");
    std::fs::write(&sim_file, site::sim(assets, &pass))?;
    let mut sim = program.start("sim", &["sim", path(&sim_file)?, "--stop-with-stdin"])?;
    let mut urls = Vec::new();
    while urls.len() < 3 {
        urls.push(sim.line(SCENES_WITHIN).await?);
    }
    let url = |name: &str| {
        let url = urls.iter().find(|url| url.ends_with(name)).map(String::as_str);
        url.ok_or_else(|| anyhow!("the simulator serves no {name}"))
    };
    std::fs::write(&site_file, site::site(Some([url("/gate")?, url("/pass-gate")?, url("/plaza")?])))?;

    say("starting a node")?;
    let mut node = program.start("node", &["run", path(&site_file)?, "--json", "--stop-with-stdin"])?;
    let ready: crate::run::Ready = serde_json::from_str(&node.line(READY_WITHIN).await?)?;
    let bus = ready.bus.first().context("the node listens nowhere")?;
    for (what, address) in [("events", bus), ("console", ready.console.as_ref().context("the node has no console")?)] {
        say(&format!("{what:<8} {address}"))?;
    }

    let tally = follow(args, bus, &mut node).await?;
    let mut unclean = Vec::new();
    for child in [node, sim] {
        unclean.extend(child.stop(STOP_WITHIN).await);
    }
    say(&tally.summary())?;
    if !unclean.is_empty() {
        return Err(Failure::say(Exit::Unclean, unclean.join("; ")));
    }
    if args.seconds.is_some() && !tally.complete() {
        return Err(Failure::say(Exit::Failed, "the demo did not show all that it should"));
    }
    Ok(())
}

fn say(text: &str) -> Result<(), Failure> {
    print::line(&format!("demo: {text}"))?;
    Ok(())
}

fn path(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| Failure::say(Exit::Input, format!("{}: not UTF-8", path.display())))
}

/// Prints events until the time is over, the user has seen enough, or the node ends.
async fn follow(args: &DemoArgs, bus: &str, node: &mut Child) -> Result<Tally, Failure> {
    let options = BusOptions { listen: Vec::new(), connect: vec![bus.to_owned()] };
    let watcher = Watcher::open(&options, EVERYTHING)?;
    let mut tally = Tally::default();
    let end = args.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let asked_to_stop = stop::asked(false);
    tokio::pin!(asked_to_stop);
    loop {
        let received = tokio::select! {
            received = watcher.recv() => received,
            reason = &mut asked_to_stop => {
                tracing::info!("{}: stopping", reason?);
                break;
            }
            () = at(end) => break,
            () = node.ended() => return Err(Failure::say(Exit::Failed, "the node ended by itself; its log is above")),
        };
        let Some(received) = received else { break };
        if let Ok(event) = &received.event {
            tally.count(event);
        }
        // A grid of numbers a few times a second says nothing to a person who reads along.
        if args.json || !received.key.ends_with("/map") {
            print::line(&watch::line(&received, args.json))?;
        }
    }
    watcher.close(STOP_WITHIN)?;
    Ok(tally)
}

async fn at(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}
