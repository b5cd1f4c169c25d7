//! `gatehouse door`: the gate controller of one door, and its emergency release.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use gatehouse_config::Door as DoorFile;
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_door::{Answer, Door, DoorError, Happened, Record, Request, RequestError};
use serde::Serialize;

use crate::exit::{Exit, Failure};
use crate::{print, stop};

/// Run the gate controller of a door, or release the door in an emergency
///
/// Hears a gate's decisions on the bus and opens the door for those that the site signed. Ends on SIGINT or SIGTERM: a door
/// that is released, or is to fail safe, is left open, any other is shut.
///
/// A real door needs a release in its wiring as well: no program can promise to run in a fire.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct DoorArgs {
    #[command(subcommand)]
    command: Option<DoorCommand>,
    #[command(flatten)]
    run: Option<RunArgs>,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// The door file
    door: PathBuf,
    /// Say in JSON, on one line, where the controller takes a release once everything runs
    #[arg(long)]
    json: bool,
    /// Seconds that stopping may take
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    stop_within: u64,
    /// Stop when standard input ends, so that the controller doesn't outlive the process that started it
    #[arg(long)]
    stop_with_stdin: bool,
}

#[derive(Debug, Subcommand)]
enum DoorCommand {
    /// EMERGENCY: open the door, until it is reset
    ///
    /// Works without the bus, and without a running controller too: then the actuator is told from here, and the next start
    /// knows of it.
    Release(ChangeArgs),
    /// End an emergency release: the door shuts and works again
    Reset(ChangeArgs),
    /// Say how the door is
    Status(FileArgs),
    /// Print the door's log, and check that nobody altered it
    Log(FileArgs),
    /// Check a door file without starting anything
    Check(FileArgs),
}

#[derive(Debug, Args)]
struct ChangeArgs {
    #[command(flatten)]
    file: FileArgs,
    /// Why; it is written to the door's log, so name nobody
    #[arg(long, value_name = "TEXT", default_value = "none given")]
    reason: String,
}

#[derive(Debug, Args)]
struct FileArgs {
    /// The door file
    door: PathBuf,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// Where a running controller is: what `--json` prints.
#[derive(Debug, Serialize)]
struct Ready<'a> {
    door: &'a str,
    gate: &'a str,
    /// Where it takes a release.
    socket: &'a Path,
}

/// How long a controller that runs may take to answer, beyond what its actuator may.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

pub(crate) fn door(args: &DoorArgs) -> Result<(), Failure> {
    match (&args.command, &args.run) {
        (Some(DoorCommand::Release(change)), _) => {
            change_door(&change.file, &Request::Release { reason: change.reason.clone() })
        }
        (Some(DoorCommand::Reset(change)), _) => {
            change_door(&change.file, &Request::Reset { reason: change.reason.clone() })
        }
        (Some(DoorCommand::Status(file)), _) => status(file),
        (Some(DoorCommand::Log(file)), _) => log(file),
        (Some(DoorCommand::Check(file)), _) => check(file),
        (None, Some(run_args)) => run(run_args),
        (None, None) => Err(Failure::say(Exit::Input, "give a door file: gatehouse door DOOR.toml")),
    }
}

fn load(path: &Path) -> Result<DoorFile, Failure> {
    DoorFile::load(path).map_err(|errors| Failure::new(Exit::Input, errors))
}

fn class(error: DoorError) -> Failure {
    let exit = match error {
        DoorError::KeyFile(_) | DoorError::Key(_) | DoorError::Actuator(_) => Exit::Input,
        DoorError::Folder { .. } | DoorError::InUse { .. } | DoorError::Log(_) => Exit::Failed,
        DoorError::Socket { .. } | DoorError::Bus(_) | DoorError::Thread(_) => Exit::Failed,
    };
    Failure::new(exit, error)
}

fn run(args: &RunArgs) -> Result<(), Failure> {
    let file = load(&args.door)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let door = Door::start(&file, clock).map_err(class)?;
    if args.json {
        print::line(&serde_json::to_string(&Ready { door: &file.id, gate: &file.gate, socket: &file.socket })?)?;
    } else {
        print::line(&format!("gatehouse: door {} opens for gate {} of site {}", file.id, file.gate, file.site))?;
        print::line(&format!("  in an emergency  gatehouse door release {}", args.door.display()))?;
    }
    let reason = runtime.block_on(stop::asked(args.stop_with_stdin))?;
    tracing::info!("{reason}: stopping");
    let late = door.stop(Duration::from_secs(args.stop_within));
    // Reading standard input can't be cancelled; waiting for that thread would keep the process alive.
    runtime.shutdown_background();
    if late.is_empty() {
        tracing::info!("stopped");
        return Ok(());
    }
    Err(Failure::say(Exit::Unclean, format!("stopped, but not cleanly: {}", late.join("; "))))
}

/// Has the running controller do it; where none answers, does it from here.
fn change_door(args: &FileArgs, request: &Request) -> Result<(), Failure> {
    let file = load(&args.door)?;
    let timeout = file.actuator.timeout * 2 + ANSWER_WITHIN;
    let answer = match gatehouse_door::send_request(&file.socket, request, timeout) {
        Ok(answer) => answer,
        // A controller that hangs must not keep a door shut; but a reset is for it to do.
        Err(error @ RequestError::NoAnswer { .. }) if matches!(request, Request::Reset { .. }) => {
            return Err(error.into());
        }
        Err(error) => {
            tracing::warn!("{error}; the door is moved from here");
            let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
            gatehouse_door::act_alone(&file, request, &clock).map_err(class)?
        }
    };
    print_answer(&file.id, &answer, args.json)?;
    let wanted = matches!(request, Request::Release { .. });
    if answer.released == wanted && answer.confirmed {
        return Ok(());
    }
    Err(Failure::say(Exit::Failed, format!("go to door {} and look: it is not sure that this was done", file.id)))
}

fn status(args: &FileArgs) -> Result<(), Failure> {
    let file = load(&args.door)?;
    let answer = gatehouse_door::send_request(&file.socket, &Request::Status, ANSWER_WITHIN)?;
    print_answer(&file.id, &answer, args.json)
}

fn print_answer(door: &str, answer: &Answer, as_json: bool) -> Result<(), Failure> {
    if as_json {
        print::line(&serde_json::to_string(answer)?)?;
        return Ok(());
    }
    let state = match (answer.released, answer.lost) {
        (true, _) => "RELEASED: it stays open until it is reset",
        (false, true) => "held open, since the node is lost",
        (false, false) => "working: it opens for people who are let in",
    };
    let sure = if answer.confirmed { "" } else { " (the actuator did NOT confirm this)" };
    print::line(&format!("door {door}: {state}{sure}"))?;
    if let Some(trouble) = &answer.trouble {
        print::line(&format!("  trouble: {trouble}"))?;
    }
    Ok(())
}

fn log(args: &FileArgs) -> Result<(), Failure> {
    let file = load(&args.door)?;
    let records = gatehouse_door::verify(&gatehouse_door::log_path(&file))?;
    for record in &records {
        let line = if args.json { serde_json::to_string(record)? } else { words(record) };
        if !print::line(&line)? {
            return Ok(());
        }
    }
    if !args.json {
        print::line(&format!("{} lines, none altered", records.len()))?;
    }
    Ok(())
}

/// One line for a person.
fn words(record: &Record) -> String {
    let by = |uid: &Option<u32>| uid.map(|uid| format!(" by user {uid}")).unwrap_or_default();
    let what = match &record.happened {
        Happened::Started { released: true, .. } => "controller started; the door is still released".to_owned(),
        Happened::Started { released: false, .. } => "controller started".to_owned(),
        Happened::Stopped { open: true } => "controller stopped; the door was left open".to_owned(),
        Happened::Stopped { open: false } => "controller stopped; the door was shut".to_owned(),
        Happened::Released { reason, uid } => format!("RELEASED{}: {reason}", by(uid)),
        Happened::Reset { reason, uid } => format!("reset{}: {reason}", by(uid)),
        Happened::NodeLost { open: true } => "node lost; the door opened".to_owned(),
        Happened::NodeLost { open: false } => "node lost; the door stayed shut".to_owned(),
        Happened::NodeBack => "node back".to_owned(),
        Happened::LineCutOff { bytes } => format!("a line was cut off half-way, {bytes} bytes of it were there"),
    };
    format!("{:>6}  {}  {what}", record.number, record.at)
}

fn check(args: &FileArgs) -> Result<(), Failure> {
    let file = load(&args.door)?;
    gatehouse_door::rules(&file).map_err(class)?;
    gatehouse_door::build(&file.actuator).map_err(|error| class(error.into()))?;
    if args.json {
        print::line(&serde_json::to_string(&Ready { door: &file.id, gate: &file.gate, socket: &file.socket })?)?;
    } else {
        print::line(&format!(
            "{}: right. Door {} opens for gate {} of site {} in {}.",
            args.door.display(),
            file.id,
            file.gate,
            file.site,
            file.area
        ))?;
    }
    Ok(())
}
