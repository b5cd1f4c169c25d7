//! Child processes of the demo: `gatehouse` itself, with other arguments.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};

use crate::log::LogArgs;

/// This very program.
pub(crate) struct Program {
    path: PathBuf,
    log: [String; 4],
}

/// A running child. Killed if it is dropped without having been stopped.
pub(crate) struct Child {
    name: &'static str,
    process: tokio::process::Child,
    output: Lines<BufReader<ChildStdout>>,
    /// Its end is the sign to stop.
    input: Option<ChildStdin>,
}

impl Program {
    pub(crate) fn this(log: &LogArgs) -> anyhow::Result<Self> {
        Ok(Self { path: std::env::current_exe().context("this program's own file")?, log: log.as_args() })
    }

    /// Starts a child that runs until it is stopped. Its log goes where this one's goes.
    pub(crate) fn start(&self, name: &'static str, args: &[&str]) -> anyhow::Result<Child> {
        let mut process = Command::new(&self.path)
            .args(&self.log)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            // Not to be interrupted by the same Ctrl-C: this process stops its children in their order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("{name} can't be started"))?;
        let input = process.stdin.take();
        let output = process.stdout.take().ok_or_else(|| anyhow!("{name} has no output"))?;
        Ok(Child { name, process, output: BufReader::new(output).lines(), input })
    }

    /// Runs a child to its end, and returns what it prints.
    pub(crate) async fn run(&self, args: &[&str]) -> anyhow::Result<String> {
        let what = args.first().copied().unwrap_or_default();
        let mut command = Command::new(&self.path);
        command.args(&self.log).args(args).stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
        let output = command.output().await?;
        if !output.status.success() {
            bail!("gatehouse {what} failed ({}); its reason is above", output.status);
        }
        String::from_utf8(output.stdout).with_context(|| format!("what gatehouse {what} printed"))
    }
}

impl Child {
    /// The next line that it prints.
    pub(crate) async fn line(&mut self, within: Duration) -> anyhow::Result<String> {
        let name = self.name;
        let line = tokio::time::timeout(within, self.output.next_line()).await;
        let line = line.map_err(|_| anyhow!("the {name} says nothing for {} s", within.as_secs()))??;
        line.ok_or_else(|| anyhow!("the {name} ended; its reason is above"))
    }

    /// Waits until it has ended by itself. What it prints meanwhile is read, so that it never waits for a reader.
    pub(crate) async fn ended(&mut self) {
        while let Ok(Some(_)) = self.output.next_line().await {}
        let _ = self.process.wait().await;
    }

    /// Asks it to stop, and kills it if it doesn't. Returns what went wrong, if anything did.
    pub(crate) async fn stop(mut self, within: Duration) -> Option<String> {
        drop(self.input.take());
        match tokio::time::timeout(within, self.process.wait()).await {
            Ok(Ok(status)) if status.success() => None,
            Ok(Ok(status)) => Some(format!("the {} ended with {status}", self.name)),
            Ok(Err(e)) => Some(format!("the {} is lost: {e}", self.name)),
            Err(_) => {
                let _ = self.process.kill().await;
                Some(format!("the {} did not stop within {} s and was killed", self.name, within.as_secs()))
            }
        }
    }
}
