//! What the node shows of itself: the last event of every camera, the last decisions, and previews.
//!
//! Publisher and crowd workers write the [`NodeView`], and the console reads it. Writers never wait
//! for a reader: a slow reader loses messages and starts again from a new [`Snapshot`].
//!
//! Its lock, `state`, is held while an event is sent to the readers, so that none misses or repeats
//! one; the channel's own lock is taken within. Pixels never pass the lock, and are kept only while
//! somebody watches.

mod site;

use std::collections::VecDeque;
use std::sync::Arc;

use gatehouse_core::event::{DensityEvent, EntryEvent, MapEvent, TallyEvent};
use gatehouse_core::health::HealthEvent;
use gatehouse_core::load::NodeLoad;
use gatehouse_core::rollup::RollUp;
use gatehouse_core::{CameraId, Event, LineId, ZoneId};
use gatehouse_crowd::preview::PreviewFrame;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{broadcast, watch};

/// Entries that a snapshot holds.
const ENTRIES_KEPT: usize = 50;
/// Messages that a reader may lag behind before it loses some: a few seconds of twenty cameras.
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
    /// Its name, if it has one besides its id.
    pub name: Option<String>,
    /// Its zones, in the order of the configuration.
    pub zones: Vec<ZoneView>,
    /// The lines across which it counts, in the order of the configuration.
    pub lines: Vec<LineView>,
    /// True if it has a preview.
    pub preview: bool,
}

/// A zone of a crowd camera.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ZoneView {
    /// The zone.
    pub id: ZoneId,
    /// Its name, if it has one besides its id.
    pub name: Option<String>,
    /// Its corners (x, y), normalised to the picture: 0–1, from the top left.
    pub polygon: Vec<[f32; 2]>,
    /// True if it has thresholds, so that its counts have a level.
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

/// An event and its key on the bus: `gatehouse watch --json` prints it as one line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Keyed<E> {
    /// The key on the bus.
    pub key: Arc<str>,
    /// The event.
    pub event: E,
}

impl<E: Clone> Keyed<E> {
    fn new(key: &Arc<str>, event: &E) -> Self {
        Self { key: Arc::clone(key), event: event.clone() }
    }
}

/// A camera and its last events.
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

/// Everything that the node shows, at one moment.
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
    /// A view without any events.
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

    /// Records an event that is published under `key`, and sends it to all readers. Drops an event
    /// of a camera that isn't configured.
    pub fn record(&self, key: &str, event: &Event) {
        let key: Arc<str> = key.into();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let camera = event.camera().and_then(|id| state.cameras.iter_mut().find(|c| c.camera.id == *id));
        match (event, camera) {
            (Event::RollUp(e), _) => state.rollup = Some(Keyed::new(&key, e)),
            (Event::Load(e), _) => state.load = Some(Keyed::new(&key, e.as_ref())),
            // A door's controller publishes these; no node does.
            (Event::Door(_), _) | (_, None) => return,
            (Event::Entry(e), _) => {
                state.entries.truncate(ENTRIES_KEPT - 1);
                state.entries.push_front(Keyed::new(&key, e));
            }
            (Event::Tally(e), Some(camera)) => camera.tally = Some(Keyed::new(&key, e)),
            (Event::Density(e), Some(camera)) => camera.density = Some(Keyed::new(&key, e)),
            // The density event that comes with it contains the level.
            (Event::Level(_), _) => {}
            (Event::Map(e), Some(camera)) => camera.map = Some(Keyed::new(&key, e)),
            (Event::Health(e), Some(camera)) => camera.health = Some(Keyed::new(&key, e)),
        }
        // Sent under the lock: a new reader's snapshot and its first message neither overlap nor
        // leave a gap.
        if self.messages.receiver_count() > 0 {
            let kind = event.into();
            match serde_json::to_string(&Keyed { key, event }) {
                Ok(json) => drop(self.messages.send(Message { kind, json: json.into() })),
                Err(error) => {
                    tracing::error!(kind, %error, "an event cannot be written as JSON, and the console does not show it")
                }
            }
        }
    }

    /// Everything that is known now.
    pub fn snapshot(&self) -> Snapshot {
        self.state.lock().clone()
    }

    /// Everything that is known now, and every later event. A reader that gets `Lagged` has missed
    /// some events and must subscribe again.
    pub fn subscribe(&self) -> (Snapshot, broadcast::Receiver<Message>) {
        let state = self.state.lock();
        (state.clone(), self.messages.subscribe())
    }

    /// True if somebody watches this camera's preview. Ask before rendering one. If nobody watches,
    /// the last picture is dropped.
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

    /// Shows a new preview to those who watch this camera. It is dropped if nobody does, or if the
    /// camera has no preview.
    pub fn set_preview(&self, camera: &CameraId, frame: PreviewFrame) {
        if let Some(preview) = self.preview_of(camera) {
            // Fails when nobody watches, and then keeps nothing.
            drop(preview.send(Some(Arc::new(frame))));
        }
    }

    /// Watches a camera's preview; `None` if there is no such camera or it has no preview. At first
    /// the channel may hold a picture of an earlier watcher: wait for a change.
    pub fn preview(&self, camera: &str) -> Option<watch::Receiver<Option<Arc<PreviewFrame>>>> {
        self.previews.iter().find(|(id, _)| id.as_str() == camera).map(|(_, preview)| preview.subscribe())
    }

    fn preview_of(&self, camera: &CameraId) -> Option<&watch::Sender<Option<Arc<PreviewFrame>>>> {
        self.previews.iter().find(|(id, _)| id == camera).map(|(_, preview)| preview)
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
        Preview::default().render(&picture.i420(), &PeopleReading::default(), now).expect("a small picture is rendered")
    }

    #[test]
    fn the_last_fifty_entries_are_kept_newest_first() {
        let view = view();
        (1..=70).for_each(|n| view.record(KEY, &entry("gate-1", n)));
        let kept: Vec<u64> = view.snapshot().entries.iter().map(|e| e.event.sequence).collect();
        assert_eq!(kept, (21..=70).rev().collect::<Vec<_>>());
    }

    #[test]
    fn a_reader_misses_nothing_after_its_snapshot() {
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
