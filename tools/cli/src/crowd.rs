//! `gatehouse crowd`: the crowd cameras of all sites of an area.

use std::time::Duration;

use clap::{Args, Subcommand};
use gatehouse_bus::Watcher;
use gatehouse_core::Event;
use gatehouse_core::rollup::{area_key, site_of, sites_of};
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_crowd::rollup::AreaSum;
use gatehouse_terminal::{Exit, Failure, event_text, print, stop};

use crate::connect::ConnectArgs;

/// Sum up the crowd cameras of an area
#[derive(Debug, Subcommand)]
pub(crate) enum CrowdCommand {
    Rollup(RollupArgs),
}

/// Sum up the crowd cameras of all sites of an area, until stopped
///
/// Reads the sums of the area's sites, at any depth. Every few seconds it publishes
/// `gatehouse/v1/AREA/area/rollup` and prints it: how many people there are, with an interval; the
/// fullest zones; and the cameras and sites that are blind. Run one for each level that needs its
/// own sum. Ends on SIGINT or SIGTERM.
#[derive(Debug, Args)]
pub(crate) struct RollupArgs {
    /// The area's path, as in the site files: `riverside/oak-county`
    #[arg(value_parser = area)]
    area: String,
    #[command(flatten)]
    bus: ConnectArgs,
    /// A site that must exist, by its path below the area (`cell-12/north-gate`): reported as
    /// silent until its first sum arrives. May be given several times
    #[arg(long, value_name = "SITE", value_parser = area)]
    expect: Vec<String>,
    /// Seconds between two sums
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    /// Print one JSON object a line, the event as on the bus
    #[arg(long)]
    json: bool,
}

fn area(text: &str) -> Result<String, String> {
    let is_area = gatehouse_config::is_area(text);
    is_area
        .then(|| text.to_owned())
        .ok_or_else(|| "expected names joined by `/`, such as riverside/oak-county".to_owned())
}

pub(crate) fn rollup(args: &RollupArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let watcher = Watcher::open(&args.bus.options(), &sites_of(&args.area))?;
    let announcer = watcher.announcer(&area_key(&args.area))?;
    let expected = args.expect.iter().map(|site| format!("{}/{site}", args.area));
    let mut sum = AreaSum::new(args.area.clone(), expected);
    let clock = SystemClock::new();
    runtime.block_on(async {
        let mut next_sum = tokio::time::interval(Duration::from_secs(args.every));
        let stop = stop::requested(false);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                reason = &mut stop => {
                    tracing::info!("{}: stopping", reason?);
                    return Ok::<_, Failure>(());
                }
                received = watcher.recv() => {
                    let Some(received) = received else {
                        return Err(Failure::message(Exit::Failed, "the bus is closed"));
                    };
                    match (site_of(&received.key), received.event) {
                        (Some(site), Ok(Event::RollUp(of_site))) => sum.count(site, of_site, clock.monotonic()),
                        (_, Ok(_)) => {}
                        (_, Err(error)) => tracing::warn!("{}: not understood: {error}", received.key),
                    }
                }
                _ = next_sum.tick() => {
                    let event = Event::RollUp(sum.sum(clock.monotonic(), clock.wall()));
                    announcer.say(&event)?;
                    let line = if args.json { serde_json::to_string(&event)? } else { event_text::sentence(&event) };
                    if !print::line_while_read(&line)? {
                        return Ok(());
                    }
                }
            }
        }
    })?;
    watcher.close(Duration::from_secs(2))?;
    Ok(())
}
