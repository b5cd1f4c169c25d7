//! Named threads that are waited for with one deadline.

use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use gatehouse_core::time::{Clock, Monotonic};
use rustix::process::setpriority_process;

use crate::NodeError;

/// How much less urgent a crowd camera's work is than a gate's and than decoding: Linux gives it a tenth of a processor that either
/// wants as well, and all that they leave.
const BEHIND: i32 = 10;

/// Lets other threads go before the calling one, and those that it starts: what waits for this one waits for seconds anyway.
/// A gate's frame then takes the processor from an inference that is under way, which no order of batches could do.
pub(crate) fn stand_back() {
    // The calling thread alone: on Linux a thread has a niceness of its own.
    if let Err(e) = setpriority_process(None, BEHIND) {
        tracing::warn!("crowd cameras' work is as urgent as gates', the system doesn't let it stand back: {e}");
    }
}

/// A group of threads that end together.
pub(crate) struct Threads {
    handles: Vec<JoinHandle<()>>,
    /// Every thread holds a clone for as long as it runs: when all are gone, all threads have ended.
    alive: Sender<()>,
    ended: Receiver<()>,
}

impl Threads {
    pub(crate) fn new() -> Self {
        let (alive, ended) = bounded(0);
        Self { handles: Vec::new(), alive, ended }
    }

    /// Starts a thread.
    pub(crate) fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), NodeError> {
        let alive = self.alive.clone();
        let run = move || {
            let _alive = alive;
            run();
        };
        let handle = std::thread::Builder::new().name(name.into()).spawn(run).map_err(NodeError::Thread)?;
        self.handles.push(handle);
        Ok(())
    }

    /// Waits for all of them. Returns, in words, those that panicked and those that didn't end in time.
    pub(crate) fn join(self, until: Monotonic, clock: &dyn Clock) -> Vec<String> {
        drop(self.alive);
        let all_ended = self.ended.recv_timeout(until.since(clock.monotonic())) == Err(RecvTimeoutError::Disconnected);
        self.handles
            .into_iter()
            .filter_map(|handle| {
                let name = handle.thread().name().unwrap_or_default().to_owned();
                if !all_ended && !handle.is_finished() {
                    return Some(format!("thread {name} didn't end in time"));
                }
                handle.join().err().map(|_| format!("thread {name} panicked"))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gatehouse_core::time::SystemClock;

    use super::*;

    #[test]
    fn standing_back_concerns_one_thread_and_those_that_it_starts() {
        let niceness = || rustix::process::getpriority_process(None).expect("the kernel says");
        let before = niceness();
        let behind = std::thread::spawn(move || {
            stand_back();
            [niceness(), std::thread::spawn(niceness).join().expect("it ends")]
        });
        assert_eq!(behind.join().expect("it ends"), [BEHIND; 2]);
        assert_eq!(niceness(), before);
    }

    #[test]
    fn late_and_panicked_threads_are_named() {
        let clock = SystemClock::new();
        let (release, held) = bounded::<()>(0);
        let mut threads = Threads::new();
        threads.spawn("good", || {}).expect("a thread");
        let wait = move || assert!(held.recv().is_err(), "released by the other end's going");
        threads.spawn("stuck", wait).expect("a thread");
        let left = threads.join(clock.monotonic() + Duration::from_millis(50), &clock);
        assert_eq!(left, ["thread stuck didn't end in time"]);
        drop(release);
    }
}
