//! Counters of one mount, for which a test can wait.

use std::{fmt, time::Duration};

use parking_lot::{Condvar, Mutex};

/// The counters of one mount since the simulator started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MountStats {
    /// TCP connections open now.
    pub clients: u64,
    /// TCP connections ever accepted for this mount.
    pub connections: u64,
    /// Connections refused (the `refuse` fault).
    pub refused: u64,
    /// DESCRIBE requests, with or without a login.
    pub describes: u64,
    /// PLAY requests that were granted.
    pub plays: u64,
    /// Requests with rejected credentials. The first request of a client has no credentials: it
    /// gets a challenge and is not counted.
    pub rejected_logins: u64,
    /// Encoded pictures sent since the start.
    pub pictures: u64,
    /// Running streams: 1 while there is a client, because all clients share one.
    pub streams: u64,
    /// Time since 1970 at which the current or last stream sent the first picture of its scene.
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

/// The counters of one mount behind a lock, with a signal at every change.
#[derive(Debug, Default)]
pub(crate) struct Board {
    stats: Mutex<MountStats>,
    changed: Condvar,
}

impl Board {
    pub(crate) fn update(&self, change: impl FnOnce(&mut MountStats)) {
        change(&mut self.stats.lock());
        self.changed.notify_all();
    }

    pub(crate) fn read(&self) -> MountStats {
        *self.stats.lock()
    }

    /// Waits until `condition` holds.
    ///
    /// # Errors
    /// The last statistics, if `limit` passes first.
    pub(crate) fn wait(
        &self,
        limit: Duration,
        mut condition: impl FnMut(&MountStats) -> bool,
    ) -> Result<MountStats, MountStats> {
        let mut stats = self.stats.lock();
        let timeout = self.changed.wait_while_for(&mut stats, |stats| !condition(stats), limit);
        if timeout.timed_out() { Err(*stats) } else { Ok(*stats) }
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
