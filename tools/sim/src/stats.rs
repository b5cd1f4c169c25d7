//! Counters of one mount, on which a test can wait.

use std::{
    fmt,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// What happened at one mount since the simulator started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MountStats {
    /// TCP connections open now.
    pub clients: u64,
    /// TCP connections ever accepted for this mount.
    pub connections: u64,
    /// Connections turned away at the door (the `refuse` fault).
    pub refused: u64,
    /// DESCRIBE requests, with or without a login.
    pub describes: u64,
    /// PLAY requests that were granted.
    pub plays: u64,
    /// Requests with credentials that were turned down. The first request of a client, without credentials, is
    /// answered with a challenge and not counted here.
    pub rejected_logins: u64,
    /// Encoded pictures sent since the start.
    pub pictures: u64,
    /// Streams running now: 1 while anybody watches, since all clients share one.
    pub streams: u64,
    /// When the stream began that runs now, or ran last, with the first picture of its scene: since 1970.
    pub began: Option<Duration>,
    /// GStreamer media objects not yet freed.
    pub(crate) media: u64,
}

impl fmt::Display for MountStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clients, connections, refused, describes, plays, rejected_logins, pictures, streams, .. } = self;
        write!(
            f,
            "clients={clients} connections={connections} refused={refused} describes={describes} plays={plays} \
             rejected_logins={rejected_logins} pictures={pictures} streams={streams}"
        )
    }
}

/// The counters of one mount behind a lock, with a signal on every change.
#[derive(Debug, Default)]
pub(crate) struct Board {
    stats: Mutex<MountStats>,
    changed: Condvar,
}

impl Board {
    pub(crate) fn update(&self, change: impl FnOnce(&mut MountStats)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    pub(crate) fn read(&self) -> MountStats {
        *self.lock()
    }

    /// Waits until `condition` holds.
    ///
    /// # Errors
    /// The last statistics, when `limit` passed first.
    pub(crate) fn wait(
        &self,
        limit: Duration,
        mut condition: impl FnMut(&MountStats) -> bool,
    ) -> Result<MountStats, MountStats> {
        let (stats, timeout) = self
            .changed
            .wait_timeout_while(self.lock(), limit, |stats| !condition(stats))
            .unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() { Err(*stats) } else { Ok(*stats) }
    }

    /// Plain counters stay usable after a panic elsewhere.
    fn lock(&self) -> MutexGuard<'_, MountStats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    #[test]
    fn a_wait_ends_when_another_thread_fulfils_it() {
        let board = Arc::new(Board::default());
        let other = Arc::clone(&board);
        let thread = thread::spawn(move || {
            for _ in 0..3 {
                other.update(|stats| stats.clients += 1);
            }
        });
        assert_eq!(board.wait(Duration::from_secs(10), |stats| stats.clients == 3).map(|s| s.clients), Ok(3));
        thread.join().unwrap();
    }

    #[test]
    fn a_wait_that_fails_hands_back_what_was_there() {
        let board = Board::default();
        board.update(|stats| stats.plays = 2);
        assert_eq!(board.wait(Duration::from_millis(1), |stats| stats.plays > 2).map_err(|s| s.plays), Err(2));
    }
}
