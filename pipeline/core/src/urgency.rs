//! Who goes first on a machine that has more to do than it can.

use rustix::process::setpriority_process;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
    thread_schedule_policy,
};

const IDLE: ThreadSchedulePolicy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);

/// How urgent a thread's work is. The system's scheduler keeps to it: a gate's frame takes the processor from an inference that is
/// under way, which no order of batches could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// As any other program's.
    First,
    /// Ten nicer: a tenth of a processor that somebody else wants as well, and all that is left.
    Second,
    /// What all others leave (`SCHED_IDLE`). Niceness is each thread's own, and twenty that are nicer by ten are together
    /// stronger than one that isn't; these aren't, and Linux takes a processor that has nothing else to do for an idle one.
    Last,
}

impl Urgency {
    /// Makes the calling thread, and those that it starts from now on, as urgent as this. A thread can't become more urgent again.
    ///
    /// # Errors
    /// Why the system doesn't let it.
    pub fn take(self) -> Result<(), String> {
        match self {
            Self::First => Ok(()),
            // The calling thread alone: on Linux a thread has a niceness of its own.
            Self::Second => setpriority_process(None, 10).map_err(|e| e.to_string()),
            Self::Last => {
                set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, IDLE).map_err(|e| e.to_string())
            }
        }
    }

    /// Whether the calling thread is [`Last`](Self::Last).
    pub fn is_last() -> bool {
        thread_schedule_policy().is_ok_and(|policy| policy == IDLE)
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn a_thread_and_those_that_it_starts_become_as_urgent_as_it_says_and_no_other_does() {
        let now = || {
            let niceness = rustix::process::getpriority_process(None).expect("the kernel says");
            (niceness, thread_schedule_policy().expect("the kernel says"))
        };
        let started_by = |urgency: Urgency| {
            let behind = std::thread::spawn(move || {
                urgency.take().expect("the system lets it");
                std::thread::spawn(now).join().expect("no panic")
            });
            behind.join().expect("no panic")
        };
        let before = now();
        assert_eq!(started_by(Urgency::First), before);
        assert_eq!(started_by(Urgency::Second), (10, before.1));
        assert_eq!(started_by(Urgency::Last).1, IDLE);
        assert_eq!(now(), before);
    }
}
