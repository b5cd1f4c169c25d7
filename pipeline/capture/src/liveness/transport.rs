//! Learns how long a camera's pauses between packets are, and judges silence by that.

use std::time::Duration;

use gatehouse_core::time::Monotonic;

/// A silence of at least this length is a pause; packets that come closer belong to one burst.
const PAUSE: Duration = Duration::from_millis(150);
/// The longest pauses are remembered by windows of at least this length. Two of them must show a
/// long pause before it counts as usual, so one failure of the network doesn't.
const WINDOW: Duration = Duration::from_secs(20);
const WINDOWS: usize = 4;
/// The least silence that is reported.
const MIN_PATIENCE: Duration = Duration::from_secs(3);
/// The same while too little has come to know a camera that sends in bursts.
const MIN_PATIENCE_AT_FIRST: Duration = Duration::from_millis(6500);
/// After this much video the pauses are known.
const KNOWN_AFTER: Duration = Duration::from_secs(6);
/// A dead camera is reported within this time, or within two key-frame intervals.
const DEAD_WITHIN: Duration = Duration::from_secs(10);
/// Bursts of fewer packets may be lost whole on a network that loses packets.
const FAT_BURST: u32 = 6;
/// Frames after which the time to the next one is known.
const FRAMES_TO_KNOW_RATE: u32 = 3;

/// The longest pause of a window, and the least packets before a pause.
#[derive(Debug, Clone, Copy)]
struct Window {
    pause: Duration,
    packets: u32,
}

/// A camera's packets, over all of its connections.
#[derive(Debug, Default)]
pub(super) struct Transport {
    /// The first and the last packet of this connection.
    first: Option<Monotonic>,
    last: Option<Monotonic>,
    /// The last RTCP report of this connection.
    report: Option<Monotonic>,
    /// Frames of this connection.
    frames: u32,
    /// Packets since the last pause.
    packets: u32,
    /// Finished windows, the newest last, and the one that began then.
    windows: Vec<Window>,
    current: Option<(Monotonic, Window)>,
}

/// How long a silence may last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// The camera is reported as stalled after this time.
    StalledAfter(Duration),
    /// Its rate isn't known yet: it is waited for after this time.
    WaitsAfter(Duration),
}

impl Transport {
    /// A new connection begins. The pauses of earlier ones remain known.
    pub(super) fn begin_connection(&mut self) {
        (self.first, self.last, self.report, self.frames, self.packets) = (None, None, None, 0, 0);
    }

    /// A packet came; `begins_frame` for the first one of a frame.
    pub(super) fn on_packet(&mut self, begins_frame: bool, now: Monotonic) {
        self.first.get_or_insert(now);
        if let Some(last) = self.last {
            let pause = now.since(last);
            if pause >= PAUSE {
                self.on_pause(pause, now);
            }
        }
        self.last = Some(now);
        self.frames = self.frames.saturating_add(begins_frame.into());
        self.packets = self.packets.saturating_add(1);
        if let Some((began, window)) = self.current
            && now.since(began) >= WINDOW
        {
            if self.windows.len() == WINDOWS {
                self.windows.remove(0);
            }
            self.windows.push(window);
            self.current = None;
        }
        self.current.get_or_insert((now, Window { pause: Duration::ZERO, packets: u32::MAX }));
    }

    fn on_pause(&mut self, pause: Duration, now: Monotonic) {
        let (_, window) = self.current.get_or_insert((now, Window { pause: Duration::ZERO, packets: u32::MAX }));
        window.pause = window.pause.max(pause);
        window.packets = window.packets.min(self.packets);
        self.packets = 0;
    }

    pub(super) fn on_report(&mut self, now: Monotonic) {
        self.report = Some(now);
    }

    /// Time since the last packet of this connection; `None` before the first.
    pub(super) fn silence(&self, now: Monotonic) -> Option<Duration> {
        self.last.map(|last| now.since(last))
    }

    /// The first and the last packet of this connection.
    pub(super) fn first_and_last(&self) -> Option<(Monotonic, Monotonic)> {
        self.first.zip(self.last)
    }

    /// True if RTCP reports came in this silence.
    pub(super) fn sends_reports(&self) -> bool {
        self.report.is_some_and(|report| self.last.is_none_or(|last| report > last))
    }

    /// The longest pause that several windows have shown, or the longest of all while fewer than
    /// two are finished; and the fewest packets before any.
    fn usual(&self) -> Window {
        let windows = || self.windows.iter().copied().chain(self.current.map(|(_, window)| window));
        let (mut longest, mut second) = (Duration::ZERO, Duration::ZERO);
        for Window { pause, .. } in windows() {
            if pause >= longest {
                (second, longest) = (longest, pause);
            } else {
                second = second.max(pause);
            }
        }
        let pause = if self.windows.len() > 1 { second } else { longest };
        Window { pause, packets: windows().map(|window| window.packets).min().unwrap_or(u32::MAX) }
    }

    /// How long a silence may last. `key_interval`: time between key frames, at least.
    pub(super) fn patience(&self, key_interval: Duration) -> Patience {
        let Window { pause, packets } = self.usual();
        let by_pause = if packets >= FAT_BURST {
            pause.mul_f64(1.5) + Duration::from_secs(1)
        } else {
            // Five frames of a packet or so may be lost in a row.
            pause * 6
        };
        let most = DEAD_WITHIN.max(2 * key_interval);
        let span = self.first.zip(self.last).map_or(Duration::ZERO, |(first, last)| last.since(first));
        let least = if span < KNOWN_AFTER { MIN_PATIENCE_AT_FIRST } else { MIN_PATIENCE };
        if self.frames < FRAMES_TO_KNOW_RATE {
            Patience::WaitsAfter(by_pause.clamp(DEAD_WITHIN, most))
        } else {
            Patience::StalledAfter(by_pause.clamp(least, most))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: f64) -> Monotonic {
        Monotonic::from_start(Duration::from_secs_f64(seconds))
    }

    /// Frames of `packets` packets at these moments.
    fn camera(packets: u32, frames: impl IntoIterator<Item = f64>) -> Transport {
        let mut transport = Transport::default();
        for seconds in frames {
            (0..packets).for_each(|n| transport.on_packet(n == 0, at(seconds + f64::from(n) * 0.001)));
        }
        transport
    }

    fn stalled_after(transport: &Transport, key_interval: Duration) -> f64 {
        match transport.patience(key_interval) {
            Patience::StalledAfter(patience) => patience.as_secs_f64(),
            Patience::WaitsAfter(patience) => panic!("the rate isn't known, {patience:?}"),
        }
    }

    #[test]
    fn silence_is_judged_by_the_cameras_own_pauses() {
        let steady = camera(3, (0..100).map(|n| f64::from(n) * 0.1));
        assert_eq!(stalled_after(&steady, SECOND), 3.0);
        let slow = camera(8, (0..20).map(|n| f64::from(n) * 4.0));
        assert!((6.9..7.1).contains(&stalled_after(&slow, 40 * SECOND)));
        let slow_and_thin = camera(1, (0..20).map(|n| f64::from(n) * 4.0));
        assert_eq!(stalled_after(&slow_and_thin, 40 * SECOND), 24.0, "five packets in a row may be lost");
        assert_eq!(stalled_after(&slow_and_thin, 6 * SECOND), 12.0, "and not more than two key-frame intervals");
        let bursts = camera(2, (0..20).flat_map(|n| (0..50).map(move |i| f64::from(n) * 5.0 + f64::from(i) * 0.002)));
        assert!((8.2..8.5).contains(&stalled_after(&bursts, SECOND)));
    }

    #[test]
    fn one_failure_of_the_network_is_no_habit() {
        let frames = (0..1000).map(|n| f64::from(n) * 0.1).filter(|t| !(40.0..47.0).contains(t));
        assert_eq!(stalled_after(&camera(3, frames), SECOND), 3.0);
        let twice = (0..1000).map(|n| f64::from(n) * 0.1).filter(|t| !(40.0..44.0).contains(&(t % 50.0)));
        assert!(stalled_after(&camera(3, twice), SECOND) > 6.0);
    }

    #[test]
    fn at_first_nothing_is_known() {
        assert_eq!(camera(9, [0.0]).patience(SECOND), Patience::WaitsAfter(DEAD_WITHIN));
        let half_a_burst = camera(9, (0..20).map(|n| f64::from(n) * 0.002));
        assert_eq!(stalled_after(&half_a_burst, SECOND), 6.5, "the rest of a burst, and 5 s of silence");
        let mut again = camera(9, (0..10).map(|n| 16.0 * f64::from(n)));
        again.begin_connection();
        again.on_packet(true, at(200.0));
        let Patience::WaitsAfter(patience) = again.patience(160 * SECOND) else { panic!("one frame has come") };
        assert!(patience > 20 * SECOND, "what an earlier connection has shown is known: {patience:?}");
    }

    #[test]
    fn reports_count_only_if_they_come_behind_the_video() {
        let mut transport = camera(1, [0.0, 1.0]);
        transport.on_report(at(0.5));
        assert!(!transport.sends_reports());
        transport.on_report(at(3.0));
        assert!(transport.sends_reports());
    }
}
