//! Who goes first on a machine that has more to do than it can.

use std::io;

use rustix::process::setpriority_process;

/// How urgent a thread's work is. The system's scheduler keeps to it: a gate's frame takes the processor from an inference that is
/// under way, which no order of batches could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Somebody waits: gates, and what everything needs.
    Gate,
    /// Crowd cameras' streams. A hundred key frames that come at once are decoded behind the gates' frames; a frame that isn't
    /// decoded in time is lost, so they go before those that are looked at.
    CrowdStream,
    /// Looking at crowd cameras' frames, which is done seldom and may wait.
    CrowdModel,
}

impl Urgency {
    /// Niceness. Who is 10 nicer gets a tenth of a processor that both want, and all that the other leaves; who is 19 nicer, a
    /// seventieth (Linux, `sched_prio_to_weight`).
    fn niceness(self) -> i32 {
        match self {
            Self::Gate => 0,
            Self::CrowdStream => 10,
            Self::CrowdModel => 19,
        }
    }

    /// Makes the calling thread, and those that it starts from now on, as urgent as this. A thread can't become more urgent again.
    ///
    /// # Errors
    /// If the system doesn't let it.
    pub fn take(self) -> io::Result<()> {
        match self {
            Self::Gate => Ok(()),
            // The calling thread alone: on Linux a thread has a niceness of its own.
            Self::CrowdStream | Self::CrowdModel => Ok(setpriority_process(None, self.niceness())?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_becomes_as_urgent_as_it_says_and_no_other_does() {
        let niceness = || rustix::process::getpriority_process(None).expect("the kernel says");
        let before = niceness();
        let behind = std::thread::spawn(move || {
            Urgency::Gate.take().expect("nothing to do");
            assert_eq!(niceness(), before);
            [Urgency::CrowdStream, Urgency::CrowdModel].map(|urgency| {
                urgency.take().expect("the system lets it");
                [niceness(), std::thread::spawn(niceness).join().expect("no panic")]
            })
        });
        assert_eq!(behind.join().expect("no panic"), [[10; 2], [19; 2]]);
        assert_eq!(niceness(), before);
    }
}
