//! The program actuator.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{self, Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use gatehouse_config::CommandActuator as Config;
use rustix::process::{Pid, Signal, kill_process_group};

use super::{Actuator, ActuatorError, Command};

/// Time for a killed program to end.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs the program for each command, without a shell: its configured arguments, then `open
/// MILLISECONDS`, `hold` or `shut`. Exit code 0 confirms the command. Past the deadline the program
/// and all its children are killed.
pub(super) struct CommandActuator {
    pub(super) config: Config,
    pub(super) timeout: Duration,
}

impl CommandActuator {
    fn start(&self, command: Command) -> io::Result<Child> {
        let words = match command {
            Command::Open(time) => vec!["open".to_owned(), time.as_millis().to_string()],
            Command::Hold => vec!["hold".to_owned()],
            Command::Shut => vec!["shut".to_owned()],
        };
        process::Command::new(&self.config.program)
            .args(self.config.args.as_slice())
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Its own process group, so that its children are killed with it.
            .process_group(0)
            .spawn()
    }

    /// Waits for the program; `None` if it had to be killed.
    fn wait(&self, mut child: Child) -> io::Result<Option<ExitStatus>> {
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let (sender, ended) = mpsc::channel();
        let wait = move || drop(sender.send(child.wait()));
        std::thread::Builder::new().name("door-program".to_owned()).spawn(wait)?;
        match ended.recv_timeout(self.timeout) {
            Ok(status) => status.map(Some),
            Err(_) => {
                // Fails only if the whole group has just ended.
                let _ = group.map(|group| kill_process_group(group, Signal::KILL));
                // A program that survives this hangs in the kernel; the door does not wait for it.
                let _ = ended.recv_timeout(KILL_TIMEOUT);
                Ok(None)
            }
        }
    }
}

impl Actuator for CommandActuator {
    fn apply(&mut self, command: Command) -> Result<(), ActuatorError> {
        let what = || format!("the program {}", self.config.program.display());
        let unreachable = |error: io::Error| ActuatorError::Unreachable { what: what(), reason: error.to_string() };
        let child = self.start(command).map_err(unreachable)?;
        match self.wait(child).map_err(unreachable)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(ActuatorError::Refused { what: what(), reason: status.to_string() }),
            None => Err(ActuatorError::TimedOut { what: what(), after: self.timeout }),
        }
    }
}
