//! `gatehouse-lab demo`: the whole product on simulated cameras, with one process per command.
//!
//! It enrols two people with `gatehouse people add` and issues a pass, starts three cameras with
//! `gatehouse-lab sim` and a node with `gatehouse run`, and prints the node's events. The child
//! processes end with their standard input, so that none outlives this process.

mod children;
mod outcome;
mod site;

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use gatehouse_bus::{BusOptions, Watcher};
use gatehouse_core::key::EVERYTHING;
use gatehouse_runtime::Assets;
use gatehouse_terminal::{Exit, Failure, LogArgs, NodeReady, event_text, print, stop};
use tokio::time::Instant;

use children::{Child, Programs};
use outcome::Outcome;

/// Show the whole product on simulated cameras
///
/// Serves two gates and a square over RTSP, and runs a node. One gate sees an enrolled person, a
/// stranger, and a printed photograph of the enrolled person; the other sees a QR pass. Prints the
/// node's events. Runs until Ctrl-C, or for `--seconds`: then it exits with 0 only if a face and a
/// pass were admitted, the photograph was referred, and people were counted. Needs `gatehouse` in
/// the same folder as this program.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// End after this time
    #[arg(long, env = "DEMO_SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: Option<u64>,
    /// Print events as JSON, one a line
    #[arg(long)]
    json: bool,
}

/// Deadline for the node's start. It loads models in a second or two; a busy machine takes longer.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Deadline for the simulator, which encodes the scenes that are not in its cache.
const SCENES_WITHIN: Duration = Duration::from_secs(300);
const STOP_WITHIN: Duration = Duration::from_secs(15);

pub(crate) fn demo(args: &DemoArgs, log: &LogArgs) -> Result<(), Failure> {
    let programs = Programs::find(log)?;
    let assets = Assets::locate().map_err(Failure::setup)?;
    site::check_media(&assets)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let result = runtime.block_on(play(args, &programs, &assets));
    // The thread that reads standard input, if there is one, can't be cancelled.
    runtime.shutdown_background();
    result
}

async fn play(args: &DemoArgs, Programs { gatehouse, lab }: &Programs, assets: &Assets) -> Result<(), Failure> {
    let folder = tempfile::Builder::new().prefix("gatehouse-demo-").tempdir()?;

    say("creating a site with its own key; enrolling one person with consent, and one for QR passes only")?;
    let (site_file, pass) = (folder.path().join("site.toml"), folder.path().join("pass.png"));
    std::fs::write(&site_file, site::site(None))?;
    gatehouse.run(&["key", "new", path(&folder.path().join("site.key"))?]).await?;
    let enrol = site::enrol(path(&site_file)?, assets)?;
    gatehouse.run(&enrol.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let enrolled = gatehouse.run(&site::enrol_for_passes(path(&site_file)?)).await?;
    let visitor = enrolled.split_whitespace().nth(1).context("`gatehouse people add` printed no number")?;
    gatehouse.run(&site::issue_pass(path(&site_file)?, visitor, path(&pass)?)).await?;

    say("starting three simulated cameras (the first time, encoding their scenes takes about half a minute)")?;
    let sim_file = folder.path().join("sim.toml");
    std::fs::write(&sim_file, site::sim(assets, &pass))?;
    let mut sim = lab.start("simulator", &["sim", path(&sim_file)?, "--stop-with-stdin"])?;
    let mut urls = Vec::new();
    while urls.len() < 3 {
        urls.push(sim.line(SCENES_WITHIN).await?);
    }
    let url = |name: &str| {
        let url = urls.iter().find(|url| url.ends_with(name)).map(String::as_str);
        url.ok_or_else(|| anyhow!("the simulator does not serve {name}"))
    };
    std::fs::write(&site_file, site::site(Some([url("/gate")?, url("/pass-gate")?, url("/plaza")?])))?;

    say("starting a node")?;
    let mut node = gatehouse.start("node", &["run", path(&site_file)?, "--json", "--stop-with-stdin"])?;
    let ready: NodeReady = serde_json::from_str(&node.line(READY_WITHIN).await?)?;
    let bus = ready.bus.first().context("the node's bus has no address")?;
    for (what, address) in [("events", bus), ("console", ready.console.as_ref().context("the node has no console")?)] {
        say(&format!("{what:<8} {address}"))?;
    }

    let outcome = print_events(args, bus, &mut node).await?;
    let mut unclean = Vec::new();
    for child in [node, sim] {
        unclean.extend(child.stop(STOP_WITHIN).await);
    }
    say(&outcome.summary())?;
    if !unclean.is_empty() {
        return Err(Failure::message(Exit::Unclean, unclean.join("; ")));
    }
    if args.seconds.is_some() && !outcome.is_complete() {
        return Err(Failure::message(Exit::Failed, "the demo did not show everything; the summary is above"));
    }
    Ok(())
}

fn say(text: &str) -> Result<(), Failure> {
    print::line(&format!("demo: {text}"))
}

fn path(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| Failure::message(Exit::Input, format!("{}: not UTF-8", path.display())))
}

/// Prints events until the time is over, the user stops the demo, or the node ends.
async fn print_events(args: &DemoArgs, bus: &str, node: &mut Child) -> Result<Outcome, Failure> {
    let options = BusOptions::connecting(vec![bus.to_owned()]);
    let watcher = Watcher::open(&options, EVERYTHING)?;
    let mut outcome = Outcome::default();
    let end = args.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let stop = stop::requested(false);
    tokio::pin!(stop);
    loop {
        let received = tokio::select! {
            received = watcher.recv() => received,
            reason = &mut stop => {
                tracing::info!("{}: stopping", reason?);
                break;
            }
            () = sleep_until(end) => break,
            () = node.ended() => {
                return Err(Failure::message(Exit::Failed, "the node ended by itself; its log is above"));
            }
        };
        let Some(received) = received else { break };
        let event = received.event.as_ref();
        if let Ok(event) = event {
            outcome.record(event);
        }
        // Density grids are many numbers, several times a second: nothing for a person to read.
        if args.json || !received.key.ends_with("/map") {
            print::line(&event_text::line(&received.key, event.map_err(|e| e as &dyn Display), args.json))?;
        }
    }
    watcher.close(STOP_WITHIN)?;
    Ok(outcome)
}

async fn sleep_until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}
