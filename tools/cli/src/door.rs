//! `gatehouse door`: the gate controller of one door, and its emergency release.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use gatehouse_config::{self as config, DoorFile};
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_door::{Answer, Door, DoorError, Happened, Record, Request, RequestError};
use gatehouse_terminal::{Exit, Failure, print, stop};
use serde::Serialize;

/// Run the gate controller of a door, or release the door in an emergency
///
/// A real door needs a release in its wiring as well: no program can promise to run in a fire.
#[derive(Debug, Subcommand)]
pub(crate) enum DoorCommand {
    Run(RunArgs),
    /// EMERGENCY: open the door until it is reset
    ///
    /// Works without the bus. Without a running controller, this command moves the actuator itself,
    /// and the controller finds the release at its next start.
    Release(ChangeArgs),
    /// End an emergency release: shut the door and open it for grants again
    Reset(ChangeArgs),
    /// Print the state of the door
    Status(FileArgs),
    /// Print the door's log, and verify that nobody altered it
    Log(FileArgs),
    /// Check a door file without starting anything
    Check(FileArgs),
}

/// Run the gate controller of a door
///
/// Reads the gate's decisions from the bus and opens the door for those that the site has signed.
/// Ends on SIGINT or SIGTERM: leaves the door open if it is released or set to `fail = "safe"`, and
/// shuts it otherwise.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The door file
    door: PathBuf,
    /// Once everything runs, print the path of the emergency socket as one line of JSON
    #[arg(long)]
    json: bool,
    /// Deadline for stopping
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    stop_within: u64,
    /// Stop when standard input ends, so that the controller does not outlive the process that
    /// started it
    #[arg(long)]
    stop_with_stdin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    file: FileArgs,
    /// Your reason, for the door's log; name nobody
    #[arg(long, value_name = "TEXT", default_value = "none given")]
    reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// The door file
    door: PathBuf,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// The line that `--json` prints: the running controller.
#[derive(Debug, Serialize)]
struct Ready<'a> {
    door: &'a str,
    gate: &'a str,
    socket: &'a Path,
}

/// How long a running controller may take to answer, besides its actuator's timeout.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

impl DoorCommand {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Run(args) => run(args),
            Self::Release(args) => change_door(&args.file, &Request::Release { reason: args.reason.clone() }),
            Self::Reset(args) => change_door(&args.file, &Request::Reset { reason: args.reason.clone() }),
            Self::Status(file) => status(file),
            Self::Log(file) => log(file),
            Self::Check(file) => check(file),
        }
    }
}

fn load(path: &Path) -> Result<DoorFile, Failure> {
    DoorFile::load(path).map_err(Failure::input)
}

fn failure(error: DoorError) -> Failure {
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
    let door = Door::start(&file, clock).map_err(failure)?;
    let config::Door { id, gate, site, .. } = &file.door;
    if args.json {
        let ready = Ready { door: id, gate: gate.as_str(), socket: &file.release_socket() };
        print::line(&serde_json::to_string(&ready)?)?;
    } else {
        print::line(&format!("gatehouse: door {id} opens for gate {gate} of site {site}"))?;
        print::line(&format!("  in an emergency  gatehouse door release {}", args.door.display()))?;
    }
    let reason = runtime.block_on(stop::requested(args.stop_with_stdin))?;
    tracing::info!("{reason}: stopping");
    let late = door.stop(Duration::from_secs(args.stop_within));
    // The thread that reads standard input can't be cancelled, and would keep the process alive.
    runtime.shutdown_background();
    if late.is_empty() {
        tracing::info!("stopped");
        return Ok(());
    }
    Err(Failure::message(Exit::Unclean, format!("stopped, but not cleanly: {}", late.join("; "))))
}

/// Sends the request to the running controller. If none answers, moves the actuator from here.
fn change_door(args: &FileArgs, request: &Request) -> Result<(), Failure> {
    let file = load(&args.door)?;
    let timeout = file.actuator.timeout * 2 + ANSWER_WITHIN;
    let answer = match gatehouse_door::send_request(&file.release_socket(), request, timeout) {
        Ok(answer) => answer,
        // A controller that hangs must not keep a door shut; a reset needs one that answers.
        Err(error @ RequestError::NoAnswer { .. }) if matches!(request, Request::Reset { .. }) => {
            return Err(error.into());
        }
        Err(error) => {
            tracing::warn!("{error}; this command now moves the door itself");
            let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
            gatehouse_door::act_alone(&file, request, &clock).map_err(failure)?
        }
    };
    print_answer(&file.door.id, &answer, args.json)?;
    let wanted = matches!(request, Request::Release { .. });
    if answer.released == wanted && answer.confirmed {
        return Ok(());
    }
    Err(Failure::message(
        Exit::Failed,
        format!("it is uncertain whether this was done: go to door {} and look", file.door.id),
    ))
}

fn status(args: &FileArgs) -> Result<(), Failure> {
    let file = load(&args.door)?;
    let answer = gatehouse_door::send_request(&file.release_socket(), &Request::Status, ANSWER_WITHIN)?;
    print_answer(&file.door.id, &answer, args.json)
}

fn print_answer(door: &str, answer: &Answer, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return print::line(&serde_json::to_string(answer)?);
    }
    let state = match (answer.released, answer.failed_safe, answer.actuator_works) {
        (true, ..) => "RELEASED: it stays open until it is reset",
        (false, true, _) => "held open, because the node is lost",
        (false, false, true) => "working: it opens for grants",
        (false, false, false) => "NOT working: its actuator fails, and it opens for nobody",
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
    let records = gatehouse_door::verify(&gatehouse_door::log_path(&file.door))?;
    for record in &records {
        let line = if args.json { serde_json::to_string(record)? } else { text(record) };
        if !print::line_while_read(&line)? {
            return Ok(());
        }
    }
    if !args.json {
        print::line(&format!("{} lines, none altered", records.len()))?;
    }
    Ok(())
}

fn text(record: &Record) -> String {
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
        Happened::LineCutOff { bytes } => format!("an incomplete line of {bytes} bytes was removed"),
    };
    format!("{:>6}  {}  {what}", record.number, record.at)
}

fn check(args: &FileArgs) -> Result<(), Failure> {
    let file = load(&args.door)?;
    gatehouse_door::rules(&file.door).map_err(failure)?;
    gatehouse_door::build(&file.actuator).map_err(|error| failure(error.into()))?;
    let config::Door { id, gate, site, area, .. } = &file.door;
    if args.json {
        let ready = Ready { door: id, gate: gate.as_str(), socket: &file.release_socket() };
        print::line(&serde_json::to_string(&ready)?)?;
    } else {
        print::line(&format!(
            "{}: no mistakes. Door {id} opens for gate {gate} of site {site} in {area}.",
            args.door.display()
        ))?;
    }
    Ok(())
}
