//! `gatehouse rollup`: sums up the crowd cameras of all sites of an area.

use std::time::Duration;

use clap::Args;
use gatehouse_bus::{BusOptions, Watcher};
use gatehouse_core::Event;
use gatehouse_core::rollup::{area_key, site_of, sites_of};
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_crowd::rollup::AreaSum;

use crate::exit::{Exit, Failure};
use crate::{print, stop, watch};

/// Sum up the crowd cameras of all sites of an area
///
/// Hears the roll-ups of the area's sites, at any depth, and says every few seconds how many people there are, between how
/// many and how many, which zones are fullest, and which cameras and sites are blind: on the bus, as
/// `gatehouse/v1/AREA/area/rollup`, and here. Run one for each level that wants its sum. Ends on SIGINT or SIGTERM.
#[derive(Debug, Args)]
pub(crate) struct RollupArgs {
    /// The area's path, as in the site files: `riverside/oak-county`
    #[arg(value_parser = area)]
    area: String,
    /// Where a node or router listens; may be given several times
    #[arg(long, value_name = "ENDPOINT", default_value = "tcp/127.0.0.1:7447")]
    connect: Vec<String>,
    /// A site that must be there, by its path below the area (`cell-12/north-gate`): it is told as silent before it was ever
    /// heard. May be given several times
    #[arg(long, value_name = "SITE", value_parser = area)]
    expect: Vec<String>,
    /// Seconds from one sum to the next
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    /// Print one JSON object a line, the event as on the bus
    #[arg(long)]
    json: bool,
}

fn area(text: &str) -> Result<String, String> {
    let good = gatehouse_config::is_area(text);
    good.then(|| text.to_owned()).ok_or_else(|| "expected names joined by `/`, such as riverside/oak-county".to_owned())
}

pub(crate) fn rollup(args: &RollupArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let options = BusOptions { listen: Vec::new(), connect: args.connect.clone() };
    let watcher = Watcher::open(&options, &sites_of(&args.area))?;
    let announcer = watcher.announcer(&area_key(&args.area))?;
    let expected = args.expect.iter().map(|site| format!("{}/{site}", args.area));
    let mut sum = AreaSum::new(args.area.clone(), expected);
    let clock = SystemClock::new();
    runtime.block_on(async {
        let mut due = tokio::time::interval(Duration::from_secs(args.every));
        let asked = stop::asked(false);
        tokio::pin!(asked);
        loop {
            tokio::select! {
                reason = &mut asked => {
                    tracing::info!("{}: stopping", reason?);
                    return Ok::<_, Failure>(());
                }
                received = watcher.recv() => {
                    let Some(received) = received else {
                        return Err(Failure::say(Exit::Failed, "the bus is closed"));
                    };
                    match (site_of(&received.key), received.event) {
                        (Some(site), Ok(Event::RollUp(said))) => sum.count(site, said, clock.monotonic()),
                        (_, Ok(_)) => {}
                        (_, Err(error)) => tracing::warn!("not understood: {error}"),
                    }
                }
                _ = due.tick() => {
                    let event = Event::RollUp(sum.sum(clock.monotonic(), clock.wall()));
                    announcer.say(&event)?;
                    let line = if args.json { serde_json::to_string(&event)? } else { watch::words(&event) };
                    if !print::line(&line)? {
                        return Ok(());
                    }
                }
            }
        }
    })?;
    watcher.close(Duration::from_secs(2))?;
    Ok(())
}
