//! Scheduled faults, for demos.

use std::{
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use gstreamer::{self as gst, prelude::*};

use crate::{Fault, SimError, error::spawn, mount::Mount};

/// The thread that injects and clears the scheduled faults of one mount.
pub(crate) struct Script {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Script {
    /// Starts the schedule, with time zero now.
    pub(crate) fn start(mount: Arc<Mount>) -> Result<Self, SimError> {
        let (stop, stopped) = mpsc::channel();
        let name = format!("sim-script-{}", mount.name());
        Ok(Self { stop, thread: spawn(&name, move || play(&mount, &stopped))? })
    }

    pub(crate) fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("a fault script had panicked");
        }
    }
}

/// Returns early once the other end of `stopped` is dropped.
fn play(mount: &Mount, stopped: &mpsc::Receiver<()>) {
    let clock = gst::SystemClock::obtain();
    let start = clock.time();
    let wait_until = |at: Duration| {
        let passed = Duration::from(clock.time().saturating_sub(start));
        matches!(stopped.recv_timeout(at.saturating_sub(passed)), Err(mpsc::RecvTimeoutError::Timeout))
    };
    for fault in &mount.config.faults {
        // Validated when the config was read.
        let Ok((begin, end)) = fault.times() else { continue };
        if !wait_until(begin) {
            return;
        }
        if let Err(error) = mount.inject(fault.kind) {
            tracing::error!(mount = mount.name(), %error, "a scripted fault cannot be injected");
        }
        if fault.kind == Fault::Drop {
            continue;
        }
        if !wait_until(end) {
            return;
        }
        mount.clear();
    }
}
