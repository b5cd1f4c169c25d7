//! The state of every camera, from what capture and the picture checks report.
//!
//! Its lock, `cameras`, is held for a few assignments. Events are sent and logged after its
//! release.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use gatehouse_core::health::{CameraState, Frozen, HealthEvent, PacketLoss, StatusSink, StreamStatus, SubStream};
use gatehouse_core::picture_check::PictureVerdict;
use gatehouse_core::time::{Clock, Monotonic};
use gatehouse_core::{CameraId, Event, FrameFates, PacketCounts};
use parking_lot::Mutex;

use crate::publish::Outbound;

/// The verdict on a camera's last picture. Each due frame reads it without the board's lock, which
/// a crowd camera's thread of idle priority may hold.
#[derive(Debug, Default)]
pub(crate) struct LastPicture(AtomicU8);

impl LastPicture {
    const ALL: [PictureVerdict; 3] = [PictureVerdict::Sound, PictureVerdict::Dark, PictureVerdict::Frozen];

    fn set(&self, verdict: PictureVerdict) {
        let number = Self::ALL.iter().position(|known| *known == verdict);
        self.0.store(number.and_then(|number| number.try_into().ok()).unwrap_or_default(), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> PictureVerdict {
        Self::ALL[usize::from(self.0.load(Ordering::Relaxed))]
    }
}

struct Entry {
    /// As it is reported: the state at once, counters and rates as of the last periodic report.
    event: HealthEvent,
    connection: CameraState,
    /// Why the connection is in its state, and why the picture is called frozen.
    connection_reason: Option<String>,
    frozen: Option<Frozen>,
    picture: Arc<LastPicture>,
    /// A gate's sub-stream, as it is connected.
    sub_connection: Option<SubStream>,
    sub_picture: Arc<LastPicture>,
    /// The packets of its stream at the last periodic report.
    packets: PacketCounts,
    reported_at: Monotonic,
}

/// Keeps and reports the state of all cameras of a node.
pub(crate) struct HealthBoard {
    cameras: Mutex<Vec<Entry>>,
    clock: Arc<dyn Clock>,
    outbound: Outbound,
}

impl HealthBoard {
    pub(crate) fn new(cameras: impl Iterator<Item = CameraId>, clock: Arc<dyn Clock>, outbound: Outbound) -> Self {
        let (since, reported_at) = (clock.wall(), clock.monotonic());
        let connecting = |camera| HealthEvent {
            camera,
            state: CameraState::Connecting,
            reason: None,
            since,
            fps_received: 0.0,
            fps_decoded: 0.0,
            fps_analysed: 0.0,
            fps_unchanged: 0.0,
            frames: FrameFates::default(),
            packets: None,
            reconnects: 0,
            key_frame_interval_s: None,
            key_frames_only: false,
            stream: None,
            sub_stream: None,
            at: since,
            clock_offset: None,
        };
        let entry = |camera| Entry {
            event: connecting(camera),
            connection: CameraState::Connecting,
            connection_reason: None,
            frozen: None,
            picture: Arc::default(),
            sub_connection: None,
            sub_picture: Arc::default(),
            packets: PacketCounts::default(),
            reported_at,
        };
        Self { cameras: Mutex::new(cameras.map(entry).collect()), clock, outbound }
    }

    /// Changes one camera's entry, and reports it if that changes its state, its reason or its
    /// streams.
    fn change(&self, camera: &CameraId, change: impl FnOnce(&mut Entry)) {
        let (before, after) = {
            let mut cameras = self.cameras.lock();
            let Some(entry) = find(&mut cameras, camera) else { return };
            let before = entry.event.clone();
            change(entry);
            entry.event.sub_stream = entry.sub_stream();
            (entry.event.state, entry.event.reason) = match (entry.connection, entry.picture.get()) {
                (CameraState::Live, PictureVerdict::Dark) => (CameraState::Dark, None),
                (CameraState::Live, PictureVerdict::Frozen) => {
                    (CameraState::Frozen, entry.frozen.map(|frozen| frozen.to_string()))
                }
                (connection, _) => (connection, entry.connection_reason.clone()),
            };
            if entry.event == before {
                return;
            }
            entry.event.at = self.clock.wall();
            if entry.event.state != before.state {
                entry.event.since = self.clock.wall();
            }
            (before, entry.event.clone())
        };
        // The reason of a state that lasts says how long it has lasted, too.
        let lasts = after.state == before.state && matches!(after.state, CameraState::Waiting | CameraState::Stalled);
        if !lasts && (after.state, &after.reason, &after.stream) != (before.state, &before.reason, &before.stream) {
            log_change(&after, before.state);
        }
        if let Some(sub_stream) = &after.sub_stream
            && after.sub_stream.as_ref().map(|sub| sub.state) != before.sub_stream.as_ref().map(|sub| sub.state)
        {
            log_sub_stream(camera, sub_stream);
        }
        self.outbound.offer(Event::Health(after));
    }

    /// The verdict on a camera's last picture.
    pub(crate) fn last_picture(&self, camera: &CameraId) -> Arc<LastPicture> {
        find(&mut self.cameras.lock(), camera).map(|entry| Arc::clone(&entry.picture)).unwrap_or_default()
    }

    /// The verdict on the last picture of a gate's sub-stream.
    pub(crate) fn last_sub_picture(&self, gate: &CameraId) -> Arc<LastPicture> {
        find(&mut self.cameras.lock(), gate).map(|entry| Arc::clone(&entry.sub_picture)).unwrap_or_default()
    }

    /// Records the verdict on a due picture of a camera or of its sub-stream, whose `last` one this
    /// replaces. Takes the lock only if the verdict has changed.
    pub(crate) fn picture(
        &self,
        camera: &CameraId,
        last: &LastPicture,
        verdict: PictureVerdict,
        frozen: Option<Frozen>,
    ) {
        if last.get() != verdict {
            self.change(camera, |entry| {
                entry.frozen = frozen;
                last.set(verdict);
            });
        }
    }

    /// Records the connection of a gate's sub-stream, and reports a change.
    pub(crate) fn sub_stream(&self, gate: &CameraId, connection: SubStream) {
        self.change(gate, |entry| {
            if connection.state != CameraState::Live {
                entry.sub_picture.set(PictureVerdict::Sound);
            }
            entry.sub_connection = Some(connection);
        });
    }

    /// Reports every camera, with the counters that `count` sets, and the rates and lost packets
    /// since the last such report. `count` returns the packets since the start.
    pub(crate) fn report_all(&self, count: impl Fn(&mut HealthEvent) -> PacketCounts) {
        let (now, at) = (self.clock.monotonic(), self.clock.wall());
        let events: Vec<_> = self
            .cameras
            .lock()
            .iter_mut()
            .map(|entry| {
                entry.measure(&count, now);
                entry.event.at = at;
                entry.event.clone()
            })
            .collect();
        events.into_iter().for_each(|event| self.outbound.offer(Event::Health(event)));
    }

    #[cfg(test)]
    fn all(&self) -> Vec<HealthEvent> {
        self.cameras.lock().iter().map(|entry| entry.event.clone()).collect()
    }
}

fn find<'e>(cameras: &'e mut [Entry], camera: &CameraId) -> Option<&'e mut Entry> {
    cameras.iter_mut().find(|entry| entry.event.camera == *camera)
}

impl Entry {
    fn measure(&mut self, count: impl Fn(&mut HealthEvent) -> PacketCounts, now: Monotonic) {
        let event = &mut self.event;
        let old = event.frames;
        let packets = count(event);
        event.packets = loss(self.packets, packets);
        self.packets = packets;
        let seconds = now.since(self.reported_at).as_secs_f64();
        if seconds > 0.0 {
            let rate = |new: u64, old: u64| ((new.saturating_sub(old)) as f64 / seconds * 10.0).round() / 10.0;
            let new = event.frames;
            event.fps_received = rate(new.received, old.received);
            event.fps_decoded = rate(new.decoded, old.decoded);
            event.fps_analysed = rate(new.analysed, old.analysed);
            event.fps_unchanged = rate(new.unchanged, old.unchanged);
        }
        self.reported_at = now;
    }

    /// The sub-stream as it is reported: frozen while its pictures are.
    fn sub_stream(&self) -> Option<SubStream> {
        let connection = self.sub_connection.clone()?;
        let is_frozen = connection.state == CameraState::Live && self.sub_picture.get() == PictureVerdict::Frozen;
        Some(SubStream { state: if is_frozen { CameraState::Frozen } else { connection.state }, ..connection })
    }
}

/// The loss between two counts. `None` for a source without packets.
fn loss(before: PacketCounts, now: PacketCounts) -> Option<PacketLoss> {
    let (received, lost) = (now.received.saturating_sub(before.received), now.lost.saturating_sub(before.lost));
    let share = if lost == 0 { 0.0 } else { lost as f64 / (received + lost) as f64 };
    (now.received > 0).then_some(PacketLoss { lost, share: (share * 1e4).round() / 1e4 })
}

impl StatusSink for HealthBoard {
    fn status(&self, camera: &CameraId, status: StreamStatus) {
        self.change(camera, |entry| {
            let (state, reason) = status.state();
            (entry.connection, entry.connection_reason) = (state, reason);
            match status {
                StreamStatus::Live(facts) => entry.event.stream = Some(facts),
                // Without a stream, the verdict on its last picture has no meaning.
                StreamStatus::Lost { .. } | StreamStatus::Refused { .. } => entry.picture.set(PictureVerdict::Sound),
                StreamStatus::Connecting
                | StreamStatus::Waiting(_)
                | StreamStatus::Stalled(_)
                | StreamStatus::Ended => {}
            }
        });
    }
}

/// Logs a camera's change of state as one line.
fn log_change(event: &HealthEvent, before: CameraState) {
    let camera = &event.camera;
    let reason = event.reason.as_deref().unwrap_or_default();
    match (event.state, &event.stream) {
        (CameraState::Live, Some(s)) => {
            let by = s.decoder.as_ref().map(|decoder| format!(" by {decoder}")).unwrap_or_default();
            let over = s.transport.as_ref().map(|transport| format!(" over {transport}")).unwrap_or_default();
            tracing::info!(%camera, "live: {} {}×{}{over}{by} (was {before:?})", s.codec, s.width, s.height);
        }
        (CameraState::Live | CameraState::Connecting | CameraState::Ended, _) => {
            tracing::info!(%camera, "{:?}", event.state);
        }
        (CameraState::Dark, _) => {
            tracing::warn!(%camera, "dark: the camera sends black frames. Check its lens cover, its light and its exposure")
        }
        (CameraState::Frozen, _) => {
            tracing::warn!(%camera, "frozen: {reason}. Restart the camera")
        }
        (CameraState::Stalled, _) => tracing::warn!(%camera, "stalled: {reason}"),
        (CameraState::Waiting, _) => tracing::warn!(%camera, "{reason}"),
        (CameraState::Lost, _) => tracing::warn!(%camera, "lost: {reason}; the node retries after growing delays"),
        (CameraState::Refused, _) => {
            tracing::error!(%camera, "refused: {reason}. Correct the login; the node retries rarely, because cameras lock accounts");
        }
    }
}

fn log_sub_stream(camera: &CameraId, SubStream { state, reason }: &SubStream) {
    match state {
        CameraState::Live => {
            tracing::info!(%camera, "the sub-stream is live: while nothing moves in it, only key frames of the main stream are decoded")
        }
        CameraState::Connecting => tracing::info!(%camera, "the node connects to the sub-stream"),
        state => {
            let reason = reason.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default();
            tracing::warn!(
                %camera,
                "the sub-stream is {state:?}{reason}: until it is live, the whole main stream is decoded, which costs more"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gatehouse_core::health::StreamFacts;
    use gatehouse_testing::clock::ManualClock;

    use super::*;
    use crate::publish::channel_for_tests;

    fn state(events: &[Event]) -> Vec<(CameraState, Option<&str>)> {
        events
            .iter()
            .map(|e| match e {
                Event::Health(h) => (h.state, h.reason.as_deref()),
                other => panic!("{other:?} is no health"),
            })
            .collect()
    }

    #[test]
    fn a_changed_sub_stream_is_reported_and_stays_in_reports() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
        let (outbound, events) = channel_for_tests(&clock);
        let gate = CameraId::new("gate");
        let board = HealthBoard::new([gate.clone()].into_iter(), clock, outbound);
        let lost = SubStream { state: CameraState::Lost, reason: Some("no route".into()) };
        board.sub_stream(&gate, lost.clone());
        board.sub_stream(&gate, lost.clone());
        board.sub_stream(&CameraId::new("another"), lost.clone());
        board.report_all(|_| PacketCounts::default());
        let reported = |event| match event {
            Event::Health(health) => (health.state, health.sub_stream),
            other => panic!("{other:?}"),
        };
        let expected = (CameraState::Connecting, Some(lost));
        assert_eq!(events.map(reported).collect::<Vec<_>>(), [expected.clone(), expected]);
    }

    #[test]
    fn a_frozen_sub_stream_is_reported_until_it_is_lost() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
        let (outbound, events) = channel_for_tests(&clock);
        let gate = CameraId::new("gate");
        let board = HealthBoard::new([gate.clone()].into_iter(), clock, outbound);
        let sub_stream = |state| SubStream { state, reason: None };
        let last = board.last_sub_picture(&gate);
        board.sub_stream(&gate, sub_stream(CameraState::Live));
        for verdict in [PictureVerdict::Frozen, PictureVerdict::Frozen, PictureVerdict::Dark, PictureVerdict::Frozen] {
            board.picture(&gate, &last, verdict, None);
        }
        board.sub_stream(&gate, sub_stream(CameraState::Lost));
        board.sub_stream(&gate, sub_stream(CameraState::Live));
        let states = events.map(|event| match event {
            Event::Health(health) => health.sub_stream.expect("it has a sub-stream").state,
            other => panic!("{other:?}"),
        });
        let (live, frozen) = (CameraState::Live, CameraState::Frozen);
        assert_eq!(states.collect::<Vec<_>>(), [live, frozen, live, frozen, CameraState::Lost, live]);
    }

    #[test]
    fn an_unchanged_state_is_not_reported() {
        let clock = Arc::new(ManualClock::default());
        let shared: Arc<dyn Clock> = clock.clone();
        let (outbound, events) = channel_for_tests(&shared);
        let camera = CameraId::new("plaza");
        let board = HealthBoard::new([camera.clone()].into_iter(), shared, outbound);
        let lost = || StreamStatus::Lost { reason: "can't connect".into(), retry_in: Duration::from_secs(1) };
        board.status(&camera, lost());
        board.status(&camera, lost());
        let facts = StreamFacts { codec: "h264".into(), decoder: None, width: 640, height: 360, transport: None };
        board.status(&camera, StreamStatus::Live(facts.clone()));
        board.picture(&camera, &board.last_picture(&camera), PictureVerdict::Dark, None);
        clock.set(Duration::from_secs(7));
        board.picture(&camera, &board.last_picture(&camera), PictureVerdict::Dark, None);
        board.status(&camera, lost());
        board.status(&camera, StreamStatus::Live(facts));
        let seen: Vec<Event> = events.collect();
        assert_eq!(
            state(&seen),
            [
                (CameraState::Lost, Some("can't connect")),
                (CameraState::Live, None),
                (CameraState::Dark, None),
                (CameraState::Lost, Some("can't connect")),
                (CameraState::Live, None),
            ]
        );
        assert_eq!(board.all()[0].since, clock.wall());
    }

    #[test]
    fn a_picture_like_the_last_takes_no_memory() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
        let (outbound, events) = channel_for_tests(&clock);
        let camera = CameraId::new("plaza");
        let board = HealthBoard::new([camera.clone()].into_iter(), clock, outbound);
        board.status(
            &camera,
            StreamStatus::Live(StreamFacts {
                codec: "h264".into(),
                decoder: None,
                width: 640,
                height: 360,
                transport: None,
            }),
        );
        let last = board.last_picture(&camera);
        board.picture(&camera, &last, PictureVerdict::Dark, None);
        let allocations =
            |verdict| allocation_counter::measure(|| board.picture(&camera, &last, verdict, None)).count_total;
        assert_eq!(allocations(PictureVerdict::Dark), 0);
        assert!(allocations(PictureVerdict::Sound) > 0, "it is reported");
        assert_eq!(events.count(), 3);
    }

    #[test]
    fn rates_are_those_since_the_last_report() {
        let clock = Arc::new(ManualClock::default());
        let shared: Arc<dyn Clock> = clock.clone();
        let (outbound, _events) = channel_for_tests(&shared);
        let board = HealthBoard::new([CameraId::new("a")].into_iter(), shared, outbound);
        for (at, decoded) in [(10, 250), (20, 500)] {
            clock.set(Duration::from_secs(at));
            let (analysed, unchanged) = (decoded / 25, decoded / 50);
            let frames = FrameFates { decoded, analysed, unchanged, missed: 3, ..FrameFates::default() };
            board.report_all(|event| {
                (event.frames, event.reconnects, event.key_frames_only) = (frames, 1, true);
                PacketCounts { received: 9 * at, lost: at }
            });
            let health = &board.all()[0];
            assert_eq!((health.fps_decoded, health.fps_analysed, health.fps_unchanged), (25.0, 1.0, 0.5));
            assert_eq!((health.frames, health.reconnects, health.key_frames_only), (frames, 1, true));
            assert_eq!(health.packets, Some(PacketLoss { lost: 10, share: 0.1 }));
        }
    }
}
