//! A real node: the `gatehouse` program with its own site file, and a subscriber to its bus.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gatehouse_bus::{BusOptions, Received, Watcher};
use gatehouse_core::Event;
use gatehouse_core::key::EVERYTHING;
use tempfile::TempDir;

use crate::PATIENCE;

/// The program under test: `env!("CARGO_BIN_EXE_gatehouse")`, known only to the tests of its
/// package.
#[derive(Debug, Clone, Copy)]
pub struct Program(pub &'static str);

impl Program {
    pub fn command(self) -> Command {
        Command::new(self.0)
    }
}

/// The path of a picture or video that `make setup` has fetched.
#[track_caller]
pub fn media(file: &str) -> PathBuf {
    let assets = gatehouse_runtime::Assets::locate().expect("HOME or GATEHOUSE_ASSETS is set");
    let path = assets.media().join(file);
    assert!(path.is_file(), "{} is not there: run `make setup`", path.display());
    path
}

/// A temporary folder with a site's key and site file.
pub struct SiteFolder {
    program: Program,
    pub folder: TempDir,
    pub file: PathBuf,
}

impl SiteFolder {
    /// Creates a site with a new key. `cameras` are the `[[gate]]` and `[[crowd]]` tables.
    pub fn new(program: Program, cameras: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let key = program
            .command()
            .args(["key", "new"])
            .arg(folder.path().join("site.key"))
            .output()
            .expect("gatehouse runs");
        assert!(key.status.success(), "{}", String::from_utf8_lossy(&key.stderr));
        let file = folder.path().join("site.toml");
        let site = Self { program, folder, file };
        site.set_cameras(cameras);
        site
    }

    /// Rewrites the site file with other cameras: passes must be issued before the simulator can
    /// show them.
    pub fn set_cameras(&self, cameras: &str) {
        let head = r#"
            version = 1
            [site]
            id = "test-site"
            area = "city/county/cell"
            [store]
            path = "site.db"
            key = "file:site.key"
            [console]
            listen = "127.0.0.1:0"
        "#;
        std::fs::write(&self.file, format!("{head}\n{cameras}")).expect("the site file can be written");
    }

    /// Path of a file of this site.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Enrols one person, and returns their number.
    #[track_caller]
    pub fn enrol(&self, photos: &[PathBuf], until: &str) -> String {
        let mut command = self.program.command();
        command.args(["--log", "warn", "people", "add"]).arg(&self.file).args(["--name", "-", "--purpose", "entry"]);
        command.args(["--notice", "1", "--given", "screen", "--until", until]);
        for photo in photos {
            command.arg("--photo").arg(photo);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("gatehouse runs");
        writeln!(child.stdin.take().expect("piped"), "{NAME}").expect("it reads the name");
        let output = child.wait_with_output().expect("it ends");
        let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{complained}");
        assert!(!said.contains(NAME) && !complained.contains(NAME), "the output must not contain the name");
        said.split_whitespace().nth(1).expect("enrolled NUMBER with …").to_owned()
    }

    /// Runs a command (`people`, `pass issue`) on this site, and returns its output.
    #[track_caller]
    pub fn run(&self, command: &str, args: &[&str]) -> String {
        let (code, said, complained) = self.try_to(command, args);
        assert_eq!(code, 0, "{complained}");
        said
    }

    /// Runs a command that may fail. Returns its exit code, standard output and standard error.
    #[track_caller]
    pub fn try_to(&self, command: &str, args: &[&str]) -> (i32, String, String) {
        let mut run = self.program.command();
        let output = run.args(command.split(' ')).arg(&self.file).args(args).output().expect("gatehouse runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code().expect("it ends by itself"), text(output.stdout), text(output.stderr))
    }
}

/// The name of everybody whom a test enrols. It must not appear anywhere.
pub const NAME: &str = "Quxley Testname";

/// A running node, its events and its log.
pub struct Node {
    child: Child,
    pub bus: String,
    pub console: String,
    watcher: Option<Watcher>,
    log: PathBuf,
}

impl Node {
    #[track_caller]
    pub fn start(site: &SiteFolder) -> Self {
        let log = site.folder.path().join("node.log");
        let log_file = std::fs::File::create(&log).expect("a log file");
        let mut child = site
            .program
            .command()
            .arg("run")
            .arg(&site.file)
            .args(["--json", "--stop-with-stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .expect("gatehouse runs");
        let mut announcement = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut announcement).expect("it can be read");
        let ready: serde_json::Value = serde_json::from_str(&announcement).unwrap_or_else(|e| {
            panic!("{e}: {announcement}\n{}", std::fs::read_to_string(&log).unwrap_or_default());
        });
        let text = |v: &serde_json::Value| v.as_str().expect("an address").to_owned();
        let (bus, console) = (text(&ready["bus"][0]), text(&ready["console"]));
        let options = BusOptions::connecting(vec![bus.clone()]);
        let watcher = Watcher::open(&options, EVERYTHING).expect("the bus can be watched");
        Self { child, bus, console, watcher: Some(watcher), log }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn watcher(&self) -> &Watcher {
        self.watcher.as_ref().expect("watching until the end")
    }

    /// Waits until `wanted` returns something for an event.
    #[track_caller]
    pub fn wait<T>(&self, what: &str, mut wanted: impl FnMut(&Received, &Event) -> Option<T>) -> T {
        let now = Instant::now;
        let until = now() + PATIENCE;
        loop {
            let received = self.watcher().recv_timeout(until.saturating_duration_since(now())).unwrap_or_else(|e| {
                panic!("waiting for {what}: {e}; the node's log:\n{}", self.log());
            });
            let event = received.event.as_ref().expect("a node publishes only events");
            if let Some(result) = wanted(&received, event) {
                return result;
            }
        }
    }

    /// The node's log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("the log is text")
    }

    /// Stops the node. Checks that it ends cleanly and in time, and that its log names nobody.
    #[track_caller]
    pub fn stop(mut self) {
        self.watcher.take().expect("watching").close(Duration::from_secs(5)).expect("the watcher closes");
        drop(self.child.stdin.take());
        let status = self.child.wait().expect("it ends");
        let log = std::fs::read_to_string(&self.log).expect("the log is text");
        assert!(status.success(), "{status}; the node's log:\n{log}");
        assert!(!log.contains(NAME), "the log must not contain the name");
    }
}

impl Drop for Node {
    /// Ends the node, also after a failed test.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Threads and resident memory (MiB) of a process.
pub fn footprint(pid: u32) -> (u64, u64) {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).expect("it runs");
    let number = |name: &str| {
        let line = status.lines().find(|l| l.starts_with(name)).expect("a line of /proc/PID/status");
        line.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).expect("a number")
    };
    (number("Threads:"), number("VmRSS:") / 1024)
}
