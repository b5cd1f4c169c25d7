//! Named threads that are waited for with one deadline.

use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use gatehouse_core::ThreadPriority;
use gatehouse_core::time::{Clock, Monotonic};

use crate::NodeError;

/// Gives the calling thread its priority.
pub(crate) fn apply_priority(priority: ThreadPriority) {
    if let Err(e) = priority.apply_to_current_thread() {
        tracing::warn!("cannot lower the priority of crowd threads: {e}; they will compete with gates");
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
