//! Named threads with a common deadline, and waiting on the clock.

use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select};
use gatehouse_core::ThreadPriority;
use gatehouse_core::time::{Clock, Monotonic};

use crate::NodeError;

/// Sets the priority of the calling thread.
pub(crate) fn apply_priority(priority: ThreadPriority) {
    if let Err(e) = priority.apply_to_current_thread() {
        tracing::warn!("cannot lower the priority of crowd threads: {e}; they will compete with gates");
    }
}

/// Waits this long, and returns true; returns false as soon as `stopped` is closed.
pub(crate) fn pause(clock: &dyn Clock, length: Duration, stopped: &Receiver<()>) -> bool {
    let timer = clock.timer(clock.monotonic() + length);
    select! {
        recv(stopped) -> _ => false,
        recv(timer) -> _ => true,
    }
}

/// A group of threads that are joined together.
pub(crate) struct Threads {
    handles: Vec<JoinHandle<()>>,
    /// Every running thread holds a clone: when all are dropped, all threads have ended.
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

    /// Waits for all of them. Returns a line for each that panicked or is late.
    pub(crate) fn join(self, until: Monotonic, clock: &dyn Clock) -> Vec<String> {
        drop(self.alive);
        let deadline = clock.timer(until);
        let all_ended = select! {
            recv(self.ended) -> _ => true,
            recv(deadline) -> _ => false,
        };
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
    use std::sync::Arc;

    use gatehouse_testing::clock::ManualClock;

    use super::*;

    #[test]
    fn a_late_thread_is_named() {
        const DEADLINE: Duration = Duration::from_secs(5);
        let clock = Arc::new(ManualClock::default());
        let (release, held) = bounded::<()>(0);
        let mut threads = Threads::new();
        threads.spawn("good", || {}).expect("a thread");
        while !threads.handles[0].is_finished() {
            std::thread::yield_now();
        }
        let wait = move || assert!(held.recv().is_err(), "closed by the other end");
        threads.spawn("stuck", wait).expect("a thread");
        let until = Monotonic::from_start(DEADLINE);
        let joiner = std::thread::spawn({
            let clock = Arc::clone(&clock);
            move || threads.join(until, clock.as_ref())
        });
        clock.fire_timer(DEADLINE);
        assert_eq!(joiner.join().expect("it returns"), ["thread stuck didn't end in time"]);
        drop(release);
    }

    #[test]
    fn a_pause_ends_with_its_time_or_when_it_is_stopped() {
        let clock = ManualClock::default();
        let (stop, stopped) = bounded::<()>(0);
        std::thread::scope(|scope| {
            let paused = scope.spawn(|| pause(&clock, Duration::from_secs(3), &stopped));
            clock.fire_timer(Duration::from_secs(3));
            assert!(paused.join().expect("it returns"));
            let paused = scope.spawn(|| pause(&clock, Duration::from_secs(3), &stopped));
            clock.wait_for_timer(Duration::from_secs(6));
            drop(stop);
            assert!(!paused.join().expect("it returns"));
        });
    }
}
