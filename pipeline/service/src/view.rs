//! What the node shows of itself: the last word of every camera, the last decisions, and the previews.
//!
//! [`NodeView`] is shared by the threads that write (publisher, crowd workers) and the console that reads. Writers never
//! wait for a reader: a slow one loses messages and is given a new [`Snapshot`] instead.
//!
//! **Locks.** One mutex, `state`; the channels' own locks are taken inside it and never the other way round. Under it
//! [`NodeView::record`] clones one event and, only while somebody watches, writes it as JSON once for all of them (about
//! 20 µs for a grid of 2,000 cells). [`NodeView::subscribe`] copies a few hundred small events. Pixels never pass the
//! mutex, and are kept only while somebody watches.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatehouse_core::event::{DensityEvent, EntryEvent, MapEvent, TallyEvent};
use gatehouse_core::health::HealthEvent;
use gatehouse_core::load::NodeLoad;
use gatehouse_core::rollup::RollUp;
use gatehouse_core::{CameraId, Event, LineId, ZoneId};
use gatehouse_crowd::preview::PreviewFrame;
use serde::Serialize;
use tokio::sync::{broadcast, watch};

/// Entries that a snapshot holds.
const ENTRIES_KEPT: usize = 50;
/// Messages that a reader may be behind by before it is given a new snapshot: a few seconds of twenty cameras.
const MESSAGES_KEPT: usize = 256;

/// Which node this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SiteView {
    /// The area path that the site lies in: `city/county/town/cell`.
    pub area: String,
    /// The site.
    pub site: String,
    /// The node.
    pub node: String,
    /// The version of `gatehouse` that it runs.
    pub version: String,
}

/// What a camera is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraRole {
    /// Recognises enrolled people at a gate.
    Gate,
    /// Counts people.
    Crowd,
}

/// A configured camera, as the console needs it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CameraView {
    /// The camera.
    pub id: CameraId,
    /// What it is for.
    pub role: CameraRole,
    /// What people call it, where that is more than its id.
    pub name: Option<String>,
    /// Its zones, in the order of the configuration.
    pub zones: Vec<ZoneView>,
    /// The lines across which it counts, in the order of the configuration.
    pub lines: Vec<LineView>,
    /// Whether it has a preview.
    pub preview: bool,
}

/// A zone of a crowd camera.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ZoneView {
    /// The zone.
    pub id: ZoneId,
    /// What people call it, where that is more than its id.
    pub name: Option<String>,
    /// Its corners (x, y), normalised to the picture: 0–1, from the top left.
    pub polygon: Vec<[f32; 2]>,
    /// Whether it has thresholds, so that its counts have a level.
    pub has_levels: bool,
}

/// A line of a crowd camera; its points are as a zone's corners.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LineView {
    /// The line.
    pub id: LineId,
    /// One end.
    pub from: [f32; 2],
    /// The other end.
    pub to: [f32; 2],
    /// A point on the side that is inside.
    pub inside: [f32; 2],
}

/// An event and the key that it is published under: what `gatehouse watch --json` prints as one line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Keyed<E> {
    /// The key on the bus.
    pub key: Arc<str>,
    /// The event.
    pub event: E,
}

/// A camera and the last that was heard of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CameraSnapshot {
    /// The camera.
    #[serde(flatten)]
    pub camera: CameraView,
    /// Its state.
    pub health: Option<Keyed<HealthEvent>>,
    /// A crowd camera's counts.
    pub density: Option<Keyed<DensityEvent>>,
    /// A crowd camera's density grid.
    pub map: Option<Keyed<MapEvent>>,
    /// A gate's counts of the last full minute.
    pub tally: Option<Keyed<TallyEvent>>,
}

/// All that the node shows, at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Snapshot {
    /// Which node.
    pub site: SiteView,
    /// Its cameras, in the order of the configuration.
    pub cameras: Vec<CameraSnapshot>,
    /// Its crowd cameras summed up.
    pub rollup: Option<Keyed<RollUp>>,
    /// How busy it is.
    pub load: Option<Keyed<NodeLoad>>,
    /// The last 50 entries, newest first.
    pub entries: VecDeque<Keyed<EntryEvent>>,
}

/// One event on its way to every reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `entry`, `tally`, `density`, `level`, `map`, `rollup`, `load` or `health`.
    pub kind: &'static str,
    /// A [`Keyed`] event as JSON, without line breaks.
    pub json: Arc<str>,
}

/// The node's view of itself; see the [module](self).
#[derive(Debug)]
pub struct NodeView {
    state: Mutex<Snapshot>,
    messages: broadcast::Sender<Message>,
    previews: Vec<(CameraId, watch::Sender<Option<Arc<PreviewFrame>>>)>,
}

impl NodeView {
    /// A view in which nothing has been heard of any camera yet.
    pub fn new(site: SiteView, cameras: Vec<CameraView>) -> Self {
        let previews = cameras.iter().filter(|c| c.preview).map(|c| (c.id.clone(), watch::Sender::new(None))).collect();
        let unheard = |camera| CameraSnapshot { camera, health: None, density: None, map: None, tally: None };
        let cameras = cameras.into_iter().map(unheard).collect();
        Self {
            state: Mutex::new(Snapshot {
                site,
                cameras,
                rollup: None,
                load: None,
                entries: VecDeque::with_capacity(ENTRIES_KEPT),
            }),
            messages: broadcast::Sender::new(MESSAGES_KEPT),
            previews,
        }
    }

    /// Takes note of an event that is published under `key`, and tells everybody who watches. An event of a camera that
    /// isn't configured is dropped.
    pub fn record(&self, key: &str, event: &Event) {
        let key: Arc<str> = key.into();
        let mut guard = self.state();
        let state = &mut *guard;
        let camera = event.camera().and_then(|id| state.cameras.iter_mut().find(|c| c.camera.id == *id));
        let kind = match (event, camera) {
            (Event::RollUp(e), _) => {
                state.rollup = Some(Keyed { key: key.clone(), event: e.clone() });
                "rollup"
            }
            (Event::Load(e), _) => {
                state.load = Some(Keyed { key: key.clone(), event: (**e).clone() });
                "load"
            }
            // A door's controller says it itself; no node does.
            (Event::Door(_), _) | (_, None) => return,
            (Event::Entry(e), _) => {
                state.entries.truncate(ENTRIES_KEPT - 1);
                state.entries.push_front(Keyed { key: key.clone(), event: e.clone() });
                "entry"
            }
            (Event::Tally(e), Some(camera)) => {
                camera.tally = Some(Keyed { key: key.clone(), event: e.clone() });
                "tally"
            }
            (Event::Density(e), Some(camera)) => {
                camera.density = Some(Keyed { key: key.clone(), event: e.clone() });
                "density"
            }
            // The counts that it comes with say the same.
            (Event::Level(_), _) => "level",
            (Event::Map(e), Some(camera)) => {
                camera.map = Some(Keyed { key: key.clone(), event: e.clone() });
                "map"
            }
            (Event::Health(e), Some(camera)) => {
                camera.health = Some(Keyed { key: key.clone(), event: e.clone() });
                "health"
            }
        };
        // Sent before the lock is given back, so that a new reader's snapshot and its first message neither overlap
        // nor leave a gap.
        if self.messages.receiver_count() > 0 {
            match serde_json::to_string(&Keyed { key, event }) {
                Ok(json) => drop(self.messages.send(Message { kind, json: json.into() })),
                Err(error) => tracing::error!(kind, %error, "an event can't be shown"),
            }
        }
    }

    /// All that is known now.
    pub fn snapshot(&self) -> Snapshot {
        self.state().clone()
    }

    /// All that is known now, and every event from here on. A reader that gets `Lagged` has missed some and starts again
    /// from here.
    pub fn subscribe(&self) -> (Snapshot, broadcast::Receiver<Message>) {
        let state = self.state();
        (state.clone(), self.messages.subscribe())
    }

    /// Whether somebody watches this camera's preview now; to be asked before one is rendered. When nobody does, the last
    /// picture is let go.
    pub fn preview_wanted(&self, camera: &CameraId) -> bool {
        let Some(preview) = self.preview_of(camera) else {
            return false;
        };
        let watched = preview.receiver_count() > 0;
        if !watched {
            preview.send_if_modified(|frame| frame.take().is_some());
        }
        watched
    }

    /// Shows a new preview to those who watch this camera. Without any, or for a camera without a preview, it is dropped.
    pub fn set_preview(&self, camera: &CameraId, frame: PreviewFrame) {
        if let Some(preview) = self.preview_of(camera) {
            // Fails when nobody watches, and then keeps nothing.
            drop(preview.send(Some(Arc::new(frame))));
        }
    }

    /// Watches a camera's preview, or `None` if there is no such camera or it has no preview. What the channel holds at
    /// first may be left from an earlier watcher: wait for a change.
    pub fn preview(&self, camera: &str) -> Option<watch::Receiver<Option<Arc<PreviewFrame>>>> {
        self.previews.iter().find(|(id, _)| id.as_str() == camera).map(|(_, preview)| preview.subscribe())
    }

    fn preview_of(&self, camera: &CameraId) -> Option<&watch::Sender<Option<Arc<PreviewFrame>>>> {
        self.previews.iter().find(|(id, _)| id == camera).map(|(_, preview)| preview)
    }

    fn state(&self) -> MutexGuard<'_, Snapshot> {
        // No code under the lock leaves a half-written state behind, so a panic elsewhere under it does no harm.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use gatehouse_core::key::SiteKey;
    use gatehouse_core::time::Monotonic;
    use gatehouse_crowd::preview::Preview;
    use gatehouse_people::PeopleReading;
    use gatehouse_picture::Size;
    use gatehouse_picture::testing::TestPicture;

    const KEY: &str = "gatehouse/v1/a/s/gate/gate-1/entry";

    fn view() -> NodeView {
        let camera = |id, role, preview| CameraView {
            id: CameraId::new(id),
            role,
            name: None,
            zones: vec![],
            lines: vec![],
            preview,
        };
        let text = str::to_owned;
        NodeView::new(
            SiteView { area: text("a"), site: text("s"), node: text("n"), version: text("0") },
            vec![camera("gate-1", CameraRole::Gate, false), camera("square", CameraRole::Crowd, true)],
        )
    }

    fn entry(gate: &str, sequence: u64) -> Event {
        let entry = serde_json::json!({
            "event_id": "01K00000000000000000000000",
            "sequence": sequence,
            "gate": gate,
            "direction": "in",
            "decision": "admit",
            "reason": "matched",
            "method": "face",
            "capture_time": { "at": "2026-01-01T00:00:00Z", "source": "rtcp", "error_ms": 100 },
            "latency_ms": { "acquire": 1.0, "capture_to_arrival": 1.0, "detect": 1.0, "embed": 1.0, "decide": 1.0 },
        });
        Event::Entry(serde_json::from_value(entry).expect("it is an entry"))
    }

    fn rendered() -> PreviewFrame {
        let picture = TestPicture::uniform(Size { width: 16, height: 16 }, 90);
        let now = Monotonic::from_start(Duration::ZERO);
        Preview::new().render(&picture.i420(), &PeopleReading::default(), now).expect("a small picture is rendered")
    }

    #[test]
    fn the_last_fifty_entries_are_kept_newest_first() {
        let view = view();
        (1..=70).for_each(|n| view.record(KEY, &entry("gate-1", n)));
        let kept: Vec<u64> = view.snapshot().entries.iter().map(|e| e.event.sequence).collect();
        assert_eq!(kept, (21..=70).rev().collect::<Vec<_>>());
    }

    #[test]
    fn a_reader_misses_nothing_between_its_snapshot_and_its_first_message() {
        let view = Arc::new(view());
        let writer = std::thread::spawn({
            let view = view.clone();
            move || (1..=200).for_each(|n| view.record(KEY, &entry("gate-1", n)))
        });
        let (snapshot, mut messages) = view.subscribe();
        writer.join().expect("the writer ends");
        let mut last = snapshot.entries.front().map_or(0, |e| e.event.sequence);
        while let Ok(message) = messages.try_recv() {
            assert_eq!(message.kind, "entry");
            let json: serde_json::Value = serde_json::from_str(&message.json).expect("a message is JSON");
            assert_eq!(json["key"], KEY);
            assert_eq!(json["event"]["sequence"], last + 1);
            last += 1;
        }
        assert_eq!(last, 200);
    }

    #[test]
    fn an_event_of_a_camera_that_is_not_configured_is_dropped() {
        let view = view();
        let (before, mut messages) = view.subscribe();
        let other = entry("gate-9", 1);
        view.record(&SiteKey::new("a", "s").of(&other), &other);
        assert_eq!(view.snapshot(), before);
        assert!(messages.try_recv().is_err());
    }

    #[test]
    fn pixels_are_wanted_and_kept_only_while_somebody_watches() {
        let view = view();
        let square = CameraId::new("square");
        assert!(view.preview("gate-1").is_none(), "a gate has no preview");
        assert!(!view.preview_wanted(&square));
        view.set_preview(&square, rendered());
        let watcher = view.preview("square").expect("the crowd camera has one");
        assert!(watcher.borrow().is_none(), "what nobody watched is not kept");
        assert!(view.preview_wanted(&square));
        view.set_preview(&square, rendered());
        assert!(watcher.has_changed().expect("the view is there") && watcher.borrow().is_some());
        drop(watcher);
        assert!(!view.preview_wanted(&square));
        assert!(view.preview("square").expect("still there").borrow().is_none(), "let go with its last watcher");
    }
}
