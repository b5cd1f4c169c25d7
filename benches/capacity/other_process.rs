//! Cameras that another process simulates at the lowest priority: real cameras use none of the
//! node's processors.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use gatehouse_core::ThreadPriority;

use crate::simulator;

/// Argument of this program's simulator process: the key-frame interval in seconds.
const SIMULATE: &str = "--simulate";

/// A running simulator process.
pub(crate) struct OtherProcess {
    child: Child,
    /// Address of the cameras, without their names.
    address: String,
}

impl OtherProcess {
    pub(crate) fn start(gop_seconds: f64) -> Self {
        let start = move || {
            ThreadPriority::Idle.apply_to_current_thread().expect("a thread may lower its priority");
            let mut program = Command::new(std::env::current_exe().expect("this program has a file"));
            program.args([SIMULATE, &gop_seconds.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
            program.spawn().expect("it starts")
        };
        // A process inherits the priority of the thread that starts it.
        let mut child = std::thread::spawn(start).join().expect("it doesn't panic");
        let mut address = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut address).expect("it says where it listens");
        Self { child, address: address.trim_end().to_owned() }
    }

    pub(crate) fn url(&self, camera: &str) -> String {
        format!("{}{camera}", self.address)
    }

    pub(crate) fn stop(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().expect("it ends").success(), "the simulator failed");
    }
}

/// Simulates cameras if this is the process that was started for it. Call it first in `main`.
pub(crate) fn simulate_if_asked() -> bool {
    let mut arguments = std::env::args().skip_while(|argument| argument != SIMULATE).skip(1);
    let Some(gop_seconds) = arguments.next() else { return false };
    let sim = simulator(gop_seconds.parse().expect("a number"));
    println!("{}", sim.url(""));
    // Ends when the other end closes the pipe.
    let _ = std::io::stdin().read(&mut [0]);
    true
}
