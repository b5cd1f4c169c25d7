//! The priority of a thread's work on a machine that has more to do than it can.

use rustix::process::setpriority_process;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority as SystemPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id, thread_schedule_policy,
};

const IDLE: ThreadSchedulePolicy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);

/// The priority of a thread. The system's scheduler enforces it: a gate's frame takes the processor
/// from an inference that is under way, which no order of batches could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadPriority {
    /// The priority of any other program.
    Normal,
    /// Niceness 10: a tenth of a contended processor, and all of an idle one.
    Low,
    /// `SCHED_IDLE`: only what all other threads leave. Niceness is per thread, so twenty threads
    /// of niceness 10 outweigh one normal thread; twenty of these don't.
    Idle,
}

impl ThreadPriority {
    /// Gives this priority to the calling thread and to the threads that it starts from now on. A
    /// thread's priority can't be raised again.
    ///
    /// # Errors
    /// The reason, if the system refuses.
    pub fn apply_to_current_thread(self) -> Result<(), String> {
        match self {
            Self::Normal => Ok(()),
            // The calling thread alone: on Linux each thread has its own niceness.
            Self::Low => setpriority_process(None, 10).map_err(|e| e.to_string()),
            Self::Idle => {
                set_thread_priority_and_policy(thread_native_id(), SystemPriority::Min, IDLE).map_err(|e| e.to_string())
            }
        }
    }

    /// True if the calling thread's priority is [`Idle`](Self::Idle).
    pub fn current_is_idle() -> bool {
        thread_schedule_policy().is_ok_and(|policy| policy == IDLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_is_inherited_by_started_threads_only() {
        let now = || {
            let niceness = rustix::process::getpriority_process(None).expect("the kernel says");
            (niceness, thread_schedule_policy().expect("the kernel says"))
        };
        let started_by = |priority: ThreadPriority| {
            let behind = std::thread::spawn(move || {
                priority.apply_to_current_thread().expect("the system lets it");
                std::thread::spawn(now).join().expect("no panic")
            });
            behind.join().expect("no panic")
        };
        let before = now();
        assert_eq!(started_by(ThreadPriority::Normal), before);
        assert_eq!(started_by(ThreadPriority::Low), (10, before.1));
        assert_eq!(started_by(ThreadPriority::Idle).1, IDLE);
        assert_eq!(now(), before);
    }
}
