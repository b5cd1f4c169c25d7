//! Child processes of the demo: `gatehouse`, and `gatehouse-lab` with other arguments.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use gatehouse_terminal::{Exit, Failure, LogArgs};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};

const GATEHOUSE: &str = "gatehouse";

pub(super) struct Programs {
    pub(super) gatehouse: Program,
    /// `gatehouse-lab`, this program.
    pub(super) lab: Program,
}

/// A program and the log options for its processes.
pub(super) struct Program {
    path: PathBuf,
    log: [String; 4],
}

/// A running child process. Dropping it kills the process.
pub(super) struct Child {
    name: &'static str,
    process: tokio::process::Child,
    output: Lines<BufReader<ChildStdout>>,
    /// Closing it asks the process to stop.
    input: Option<ChildStdin>,
}

impl Programs {
    /// Finds `gatehouse` in the folder of this program.
    pub(super) fn find(log: &LogArgs) -> Result<Self, Failure> {
        let lab = std::env::current_exe().context("cannot find the path of this program")?;
        let gatehouse = gatehouse_beside(&lab)?;
        let program = |path| Program { path, log: log.as_args() };
        Ok(Self { gatehouse: program(gatehouse), lab: program(lab) })
    }
}

fn gatehouse_beside(lab: &Path) -> Result<PathBuf, Failure> {
    let path = lab.with_file_name(GATEHOUSE);
    if path.is_file() {
        return Ok(path);
    }
    let message = format!(
        "{} does not exist: the demo needs `gatehouse` in the same folder as `gatehouse-lab`; \
         run `cargo build --workspace --bins`",
        path.display()
    );
    Err(Failure::message(Exit::Setup, message))
}

impl Program {
    /// Starts a process that runs until it is stopped; it logs to this one's standard error.
    pub(super) fn start(&self, name: &'static str, args: &[&str]) -> anyhow::Result<Child> {
        let mut process = Command::new(&self.path)
            .args(&self.log)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            // Ctrl-C must not reach the child: this process stops its children in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start the {name}"))?;
        let input = process.stdin.take();
        let output = process.stdout.take().ok_or_else(|| anyhow!("the {name} has no output"))?;
        Ok(Child { name, process, output: BufReader::new(output).lines(), input })
    }

    /// Runs a child process to its end, and returns its output.
    pub(super) async fn run(&self, args: &[&str]) -> anyhow::Result<String> {
        let name = format!("{} {}", self.path.display(), args.iter().take(2).copied().collect::<Vec<_>>().join(" "));
        let mut command = Command::new(&self.path);
        command.args(&self.log).args(args).stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
        let output = command.output().await.with_context(|| format!("cannot start {name}"))?;
        if !output.status.success() {
            bail!("{name} failed ({}); the reason is above", output.status);
        }
        String::from_utf8(output.stdout).with_context(|| format!("the output of {name}"))
    }
}

impl Child {
    pub(super) async fn line(&mut self, within: Duration) -> anyhow::Result<String> {
        let name = self.name;
        let line = tokio::time::timeout(within, self.output.next_line()).await;
        let line = line.map_err(|_| anyhow!("the {name} printed no line within {} s", within.as_secs()))??;
        line.ok_or_else(|| anyhow!("the {name} has ended; the reason is above"))
    }

    /// Waits for its end, and reads its output so that it never blocks on a full pipe.
    pub(super) async fn ended(&mut self) {
        while let Ok(Some(_)) = self.output.next_line().await {}
        let _ = self.process.wait().await;
    }

    /// Asks it to stop, and kills it after the deadline. Returns the problem, if there was one.
    pub(super) async fn stop(mut self, within: Duration) -> Option<String> {
        drop(self.input.take());
        match tokio::time::timeout(within, self.process.wait()).await {
            Ok(Ok(status)) if status.success() => None,
            Ok(Ok(status)) => Some(format!("the {} ended with {status}", self.name)),
            Ok(Err(e)) => Some(format!("the state of the {} is unknown: {e}", self.name)),
            Err(_) => {
                let _ = self.process.kill().await;
                Some(format!("the {} did not stop within {} s and was killed", self.name, within.as_secs()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_gatehouse_is_named_with_the_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        let lab = folder.path().join("gatehouse-lab");
        let failure = gatehouse_beside(&lab).expect_err("it does not exist");
        assert_eq!(failure.exit, Exit::Setup);
        let message = failure.error.to_string();
        assert!(message.contains("/gatehouse does not exist") && message.contains("cargo build"), "{message}");
        let gatehouse = folder.path().join("gatehouse");
        std::fs::write(&gatehouse, "").expect("there is room");
        assert_eq!(gatehouse_beside(&lab).expect("it exists"), gatehouse);
    }
}
