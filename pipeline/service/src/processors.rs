//! How much of the processors' time is used: by this process, and by all that run on them.

use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

use procfs::{CpuTime, CurrentSI, KernelStats};
use rustix::time::{ClockId, clock_gettime};

/// Processors that this process may use.
pub(crate) fn usable() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

/// Processor time that this process has used, all its threads together.
pub(crate) fn used_here() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Measures the share of the machine's processors that is taken, whoever takes it.
pub(crate) struct Taken(Option<Ticks>);

impl Taken {
    pub(crate) fn since_now() -> Self {
        Self(Ticks::now())
    }

    /// The share since it was asked last, 0–1. None where the system doesn't tell, or no tick (10 ms) has gone by.
    pub(crate) fn share(&mut self) -> Option<f64> {
        let now = Ticks::now()?;
        let before = self.0.replace(now)?;
        now.taken_since(before)
    }
}

/// What became of the time of all processors since the machine was started (proc(5), `/proc/stat`).
#[derive(Debug, Clone, Copy)]
struct Ticks {
    idle: u64,
    taken: u64,
}

impl Ticks {
    fn now() -> Option<Self> {
        let CpuTime { user, nice, system, idle, iowait, irq, softirq, steal, .. } = KernelStats::current().ok()?.total;
        let [iowait, irq, softirq, steal] = [iowait, irq, softirq, steal].map(Option::unwrap_or_default);
        Some(Self { idle: idle + iowait, taken: user + nice + system + irq + softirq + steal })
    }

    fn taken_since(self, before: Self) -> Option<f64> {
        // The kernel's count of waiting for disks may go back.
        let (idle, taken) = (self.idle.saturating_sub(before.idle), self.taken.saturating_sub(before.taken));
        (idle + taken > 0).then(|| taken as f64 / (idle + taken) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_of_the_time_between_two_looks() {
        let before = Ticks { idle: 1000, taken: 5000 };
        assert_eq!(Ticks { idle: 1050, taken: 5150 }.taken_since(before), Some(0.75));
        assert_eq!(Ticks { idle: 990, taken: 5100 }.taken_since(before), Some(1.0), "a count that went back");
        assert_eq!(before.taken_since(before), None);
    }

    #[test]
    fn the_system_tells() {
        let ticks = Ticks::now().expect("Linux tells");
        assert!(ticks.taken > 0, "{ticks:?}");
    }
}
