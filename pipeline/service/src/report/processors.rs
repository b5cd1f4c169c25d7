//! Measures the use of the processors: by this process, and by all programs.

use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

use procfs::{CpuTime, CurrentSI, KernelStats};
use rustix::time::{ClockId, clock_gettime};

/// Processors that this process may use.
pub(crate) fn usable_processors() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

/// Processor time that all threads of this process have used.
pub(super) fn used_by_process() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Measures the share of the machine's processor time that any program uses.
pub(super) struct ProcessorUse(Option<Ticks>);

impl ProcessorUse {
    pub(super) fn since_now() -> Self {
        Self(Ticks::now())
    }

    /// The share since the last call, 0–1. `None` if the system doesn't count, or no tick (10 ms)
    /// has passed.
    pub(super) fn share(&mut self) -> Option<f64> {
        let now = Ticks::now()?;
        let before = self.0.replace(now)?;
        now.share_since(before)
    }
}

/// Time of all processors since the machine started, in ticks (proc(5), `/proc/stat`).
#[derive(Debug, Clone, Copy)]
struct Ticks {
    idle: u64,
    used: u64,
}

impl Ticks {
    fn now() -> Option<Self> {
        let CpuTime { user, nice, system, idle, iowait, irq, softirq, steal, .. } = KernelStats::current().ok()?.total;
        let [iowait, irq, softirq, steal] = [iowait, irq, softirq, steal].map(Option::unwrap_or_default);
        Some(Self { idle: idle + iowait, used: user + nice + system + irq + softirq + steal })
    }

    fn share_since(self, before: Self) -> Option<f64> {
        // The kernel's count of time spent waiting for disks may go back.
        let (idle, used) = (self.idle.saturating_sub(before.idle), self.used.saturating_sub(before.used));
        (idle + used > 0).then(|| used as f64 / (idle + used) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_that_between_two_calls() {
        let before = Ticks { idle: 1000, used: 5000 };
        assert_eq!(Ticks { idle: 1050, used: 5150 }.share_since(before), Some(0.75));
        assert_eq!(Ticks { idle: 990, used: 5100 }.share_since(before), Some(1.0), "a count that went back");
        assert_eq!(before.share_since(before), None);
    }

    #[test]
    fn the_system_counts_ticks() {
        let ticks = Ticks::now().expect("Linux counts them");
        assert!(ticks.used > 0, "{ticks:?}");
    }
}
