//! The state of every camera, put together from what capture, the picture check and the analysis say.
//!
//! Locks: one, `cameras`, held for a few assignments; the event goes into the publisher's channel after it is released.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatehouse_core::health::{CameraState, HealthEvent, StatusSink, StreamFacts, StreamStatus, SubStream};
use gatehouse_core::picture_check::PictureVerdict;
use gatehouse_core::time::{Clock, Monotonic, WallTime};
use gatehouse_core::{CameraId, Event, FrameFates};

use crate::publisher::Outbound;

/// What a camera's last picture looked like. Read for every frame that is looked at, and seldom written: a gate's frame doesn't wait
/// for the board, which a thread of a crowd camera may hold that has given way.
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
    camera: CameraId,
    connection: CameraState,
    reason: Option<String>,
    picture: Arc<LastPicture>,
    state: CameraState,
    since: WallTime,
    stream: Option<StreamFacts>,
    sub_stream: Option<SubStream>,
    reported_at: Monotonic,
    /// Counters at the last periodic report, and the rates computed there.
    counters: Counters,
    fps_decoded: f64,
    fps_analysed: f64,
    fps_unchanged: f64,
}

/// One camera's counters at a periodic report.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    pub(crate) frames: FrameFates,
    pub(crate) reconnects: u64,
    /// True while load shedding decodes only its key frames.
    pub(crate) key_frames_only: bool,
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
        let entry = |camera| Entry {
            camera,
            connection: CameraState::Connecting,
            reason: None,
            picture: Arc::default(),
            state: CameraState::Connecting,
            since,
            stream: None,
            sub_stream: None,
            reported_at,
            counters: Counters::default(),
            fps_decoded: 0.0,
            fps_analysed: 0.0,
            fps_unchanged: 0.0,
        };
        Self { cameras: Mutex::new(cameras.map(entry).collect()), clock, outbound }
    }

    fn cameras(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.cameras.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes one camera's entry, and reports it if its state or reason is then another one.
    fn change(&self, camera: &CameraId, change: impl FnOnce(&mut Entry)) {
        let changed = {
            let mut cameras = self.cameras();
            let Some(entry) = find(&mut cameras, camera) else { return };
            let before = (entry.state, entry.reason.clone(), entry.stream.clone());
            change(entry);
            entry.state = match (entry.connection, entry.picture.get()) {
                (CameraState::Live, PictureVerdict::Dark) => CameraState::Dark,
                (CameraState::Live, PictureVerdict::Frozen) => CameraState::Frozen,
                (connection, _) => connection,
            };
            if entry.state != before.0 {
                entry.since = self.clock.wall();
            }
            let after = (entry.state, entry.reason.clone(), entry.stream.clone());
            (after != before).then(|| (entry.event(), before.0))
        };
        if let Some((event, before)) = changed {
            log_change(&event, before);
            self.outbound.offer(Event::Health(event));
        }
    }

    /// What a camera's last picture looked like.
    pub(crate) fn last_picture(&self, camera: &CameraId) -> Arc<LastPicture> {
        find(&mut self.cameras(), camera).map(|entry| Arc::clone(&entry.picture)).unwrap_or_default()
    }

    /// Takes what an analysed picture looks like; it is asked of every one, and seldom another than before.
    pub(crate) fn picture(&self, camera: &CameraId, last: &LastPicture, verdict: PictureVerdict) {
        if last.get() != verdict {
            self.change(camera, |entry| entry.picture.set(verdict));
        }
    }

    /// Takes the state of a gate's sub-stream, and reports it if it is another one.
    pub(crate) fn sub_stream(&self, camera: &CameraId, now: SubStream) {
        let event = {
            let mut cameras = self.cameras();
            let Some(entry) = find(&mut cameras, camera) else { return };
            if entry.sub_stream.as_ref() == Some(&now) {
                return;
            }
            log_sub_stream(camera, &now);
            entry.sub_stream = Some(now);
            entry.event()
        };
        self.outbound.offer(Event::Health(event));
    }

    /// Reports every camera, with its rates since the last such report.
    pub(crate) fn report_all(&self, counters: impl Fn(&CameraId) -> Counters) {
        let now = self.clock.monotonic();
        let events: Vec<_> = self
            .cameras()
            .iter_mut()
            .map(|entry| {
                entry.measure(counters(&entry.camera), now);
                entry.event()
            })
            .collect();
        events.into_iter().for_each(|event| self.outbound.offer(Event::Health(event)));
    }

    #[cfg(test)]
    fn all(&self) -> Vec<HealthEvent> {
        self.cameras().iter().map(Entry::event).collect()
    }
}

fn find<'e>(cameras: &'e mut [Entry], camera: &CameraId) -> Option<&'e mut Entry> {
    cameras.iter_mut().find(|entry| entry.camera == *camera)
}

impl Entry {
    fn measure(&mut self, counters: Counters, now: Monotonic) {
        let seconds = now.since(self.reported_at).as_secs_f64();
        if seconds > 0.0 {
            let rate = |new: u64, old: u64| ((new.saturating_sub(old)) as f64 / seconds * 10.0).round() / 10.0;
            let (new, old) = (counters.frames, self.counters.frames);
            self.fps_decoded = rate(new.decoded, old.decoded);
            self.fps_analysed = rate(new.analysed, old.analysed);
            self.fps_unchanged = rate(new.unchanged, old.unchanged);
        }
        (self.reported_at, self.counters) = (now, counters);
    }

    fn event(&self) -> HealthEvent {
        HealthEvent {
            camera: self.camera.clone(),
            state: self.state,
            reason: self.reason.clone(),
            since: self.since,
            fps_decoded: self.fps_decoded,
            fps_analysed: self.fps_analysed,
            fps_unchanged: self.fps_unchanged,
            frames: self.counters.frames,
            reconnects: self.counters.reconnects,
            key_frames_only: self.counters.key_frames_only,
            stream: self.stream.clone(),
            sub_stream: self.sub_stream.clone(),
        }
    }
}

impl StatusSink for HealthBoard {
    fn status(&self, camera: &CameraId, status: StreamStatus) {
        self.change(camera, |entry| {
            let (state, reason) = status.state();
            (entry.connection, entry.reason) = (state, reason);
            match status {
                StreamStatus::Live(facts) => entry.stream = Some(facts),
                // What the picture looked like says nothing once there is none.
                StreamStatus::Lost { .. } | StreamStatus::Refused { .. } => entry.picture.set(PictureVerdict::Sound),
                StreamStatus::Connecting | StreamStatus::Stalled(_) | StreamStatus::Ended => {}
            }
        });
    }
}

/// A camera's change of state is the operator's news: one line, whoever caused it.
fn log_change(event: &HealthEvent, before: CameraState) {
    let camera = &event.camera;
    let reason = event.reason.as_deref().unwrap_or_default();
    match (event.state, &event.stream) {
        (CameraState::Live, Some(s)) => {
            let by = s.decoder.as_ref().map(|decoder| format!(" by {decoder}")).unwrap_or_default();
            tracing::info!(%camera, "live: {} {}×{}{by} (was {before:?})", s.codec, s.width, s.height);
        }
        (CameraState::Live | CameraState::Connecting | CameraState::Ended, _) => {
            tracing::info!(%camera, "{:?}", event.state);
        }
        (CameraState::Dark, _) => tracing::warn!(%camera, "dark: frames come, and they are black"),
        (CameraState::Frozen, _) => tracing::warn!(%camera, "frozen: frames come, and all show the same picture"),
        (CameraState::Stalled, _) => tracing::warn!(%camera, "stalled: {reason}"),
        (CameraState::Lost, _) => tracing::warn!(%camera, "lost: {reason}; it is tried again with growing delays"),
        (CameraState::Refused, _) => {
            tracing::error!(%camera, "refused: {reason}; it is tried again only seldom, since cameras lock accounts");
        }
    }
}

fn log_sub_stream(camera: &CameraId, SubStream { state, reason }: &SubStream) {
    match state {
        CameraState::Live => {
            tracing::info!(%camera, "its sub-stream is live: while nothing moves, its key frames alone are decoded")
        }
        CameraState::Connecting => tracing::info!(%camera, "its sub-stream is being connected"),
        state => {
            let reason = reason.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default();
            tracing::warn!(%camera, "its sub-stream is {state:?}{reason}: until it is live, the whole stream is decoded, which costs more");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gatehouse_testing::clock::ManualClock;

    use super::*;
    use crate::publisher;

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
    fn a_sub_stream_is_told_of_when_it_changes_and_stays_in_later_reports() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
        let (outbound, events) = publisher::channel_for_tests(&clock);
        let gate = CameraId::new("gate");
        let board = HealthBoard::new([gate.clone()].into_iter(), clock, outbound);
        let lost = SubStream { state: CameraState::Lost, reason: Some("no route".into()) };
        board.sub_stream(&gate, lost.clone());
        board.sub_stream(&gate, lost.clone());
        board.sub_stream(&CameraId::new("another"), lost.clone());
        board.report_all(|_| Counters::default());
        let told = |event| match event {
            Event::Health(health) => (health.state, health.sub_stream),
            other => panic!("{other:?}"),
        };
        let expected = (CameraState::Connecting, Some(lost));
        assert_eq!(events.map(told).collect::<Vec<_>>(), [expected.clone(), expected]);
    }

    #[test]
    fn the_same_state_again_is_not_reported_and_a_sound_picture_needs_a_connection() {
        let clock = Arc::new(ManualClock::default());
        let shared: Arc<dyn Clock> = clock.clone();
        let (outbound, events) = publisher::channel_for_tests(&shared);
        let camera = CameraId::new("plaza");
        let board = HealthBoard::new([camera.clone()].into_iter(), shared, outbound);
        let lost = || StreamStatus::Lost { reason: "can't connect".into(), retry_in: Duration::from_secs(1) };
        board.status(&camera, lost());
        board.status(&camera, lost());
        let facts = StreamFacts { codec: "h264".into(), decoder: None, width: 640, height: 360 };
        board.status(&camera, StreamStatus::Live(facts.clone()));
        board.picture(&camera, &board.last_picture(&camera), PictureVerdict::Dark);
        clock.set(Duration::from_secs(7));
        board.picture(&camera, &board.last_picture(&camera), PictureVerdict::Dark);
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
        let (outbound, events) = publisher::channel_for_tests(&clock);
        let camera = CameraId::new("plaza");
        let board = HealthBoard::new([camera.clone()].into_iter(), clock, outbound);
        board.status(
            &camera,
            StreamStatus::Live(StreamFacts { codec: "h264".into(), decoder: None, width: 640, height: 360 }),
        );
        let last = board.last_picture(&camera);
        board.picture(&camera, &last, PictureVerdict::Dark);
        let taken = |verdict| allocation_counter::measure(|| board.picture(&camera, &last, verdict)).count_total;
        assert_eq!(taken(PictureVerdict::Dark), 0);
        assert!(taken(PictureVerdict::Sound) > 0, "it is told");
        assert_eq!(events.count(), 3);
    }

    #[test]
    fn rates_are_those_since_the_last_report() {
        let clock = Arc::new(ManualClock::default());
        let shared: Arc<dyn Clock> = clock.clone();
        let (outbound, _events) = publisher::channel_for_tests(&shared);
        let board = HealthBoard::new([CameraId::new("a")].into_iter(), shared, outbound);
        for (at, decoded) in [(10, 250), (20, 500)] {
            clock.set(Duration::from_secs(at));
            let (analysed, unchanged) = (decoded / 25, decoded / 50);
            let frames = FrameFates { decoded, analysed, unchanged, missed: 3, ..FrameFates::default() };
            board.report_all(|_| Counters { frames, reconnects: 1, key_frames_only: true });
            let health = &board.all()[0];
            assert_eq!((health.fps_decoded, health.fps_analysed, health.fps_unchanged), (25.0, 1.0, 0.5));
            assert_eq!((health.frames, health.reconnects, health.key_frames_only), (frames, 1, true));
        }
    }
}
