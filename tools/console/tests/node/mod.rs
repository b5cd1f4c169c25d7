//! A node's view fed by hand, and the console served from it.

#![allow(dead_code, reason = "each test uses what it needs")]
#![allow(clippy::expect_used, reason = "tests")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::key::SiteKey;
use gatehouse_core::time::{Clock, Monotonic, SystemClock, WallTime};
use gatehouse_core::{CameraId, Event, LineId, ZoneId, key};
use gatehouse_crowd::preview::{Preview, PreviewFrame};
use gatehouse_people::PeopleReading;
use gatehouse_picture::Size;
use gatehouse_picture::testing::TestPicture;
use gatehouse_service::view::{CameraRole, CameraView, LineView, NodeView, SiteView, ZoneView};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const CROWD: &str = "market-square";
pub(crate) const GATE: &str = "east-gate";

/// A console on a port of the system's choice.
pub(crate) struct Node {
    pub(crate) view: Arc<NodeView>,
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Node {
    pub(crate) async fn start() -> Self {
        let view = Arc::new(NodeView::new(site(), cameras()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(gatehouse_console::serve(listener, view.clone(), async {
            let _ = stopped.await;
        }));
        Self { view, address, stop, serving }
    }

    /// Records an event under its own key.
    pub(crate) fn record(&self, event: &Event) {
        self.view.record(&SiteKey::new(&site().area, &site().site).of(event), event);
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).expect("the console still serves");
        self.serving.await.expect("it doesn't panic").expect("it ends well");
    }
}

pub(crate) fn site() -> SiteView {
    SiteView {
        area: "riverside/oak-county/mill-town/cell-12".to_owned(),
        site: "north-gate".to_owned(),
        node: "node-1".to_owned(),
        version: "0.1.0".to_owned(),
    }
}

fn cameras() -> Vec<CameraView> {
    let zone = |id, polygon: &[[f32; 2]], has_levels| ZoneView {
        id: ZoneId::new(id),
        name: None,
        polygon: polygon.to_vec(),
        has_levels,
    };
    let zones = vec![
        zone("steps", &[[0.05, 0.55], [0.5, 0.5], [0.52, 0.97], [0.04, 0.97]], true),
        zone("crossing", &[[0.56, 0.3], [0.95, 0.25], [0.97, 0.8], [0.6, 0.85]], true),
    ];
    let line = LineView { id: LineId::new("door"), from: [0.1, 0.2], to: [0.3, 0.2], inside: [0.2, 0.4] };
    let camera =
        |id, role| CameraView { id: CameraId::new(id), role, name: None, zones: vec![], lines: vec![], preview: false };
    vec![
        camera(GATE, CameraRole::Gate),
        CameraView { zones, lines: vec![line], preview: true, ..camera(CROWD, CameraRole::Crowd) },
        camera("back-yard", CameraRole::Crowd),
    ]
}

pub(crate) fn now() -> WallTime {
    SystemClock::new().wall()
}

/// Reads an event as it would come off the bus.
fn event(kind: &str, camera: &str, payload: &serde_json::Value) -> Event {
    let key = format!("{}/a/s/{kind}", key::ROOT).replace("{}", camera);
    key::decode(&key, payload.to_string().as_bytes()).expect("the payload fits its kind")
}

pub(crate) fn density(count: u32, zones: [(u32, &str); 2]) -> Event {
    let zone = |id: &str, (count, level): (u32, &str)| json!({ "zone": id, "count": f64::from(count), "level": level });
    let payload = json!({
        "camera": CROWD,
        "capture_time": { "at": now(), "source": "rtcp", "error_ms": 100 },
        "count": f64::from(count),
        "share_by_density": 0.0,
        "zones": [zone("steps", zones[0]), zone("crossing", zones[1])],
        "model": "nanodet-plus",
        "self_assessment": "in_range",
    });
    event("crowd/{}/density", CROWD, &payload)
}

pub(crate) fn rollup(count: u32) -> Event {
    let payload = json!({
        "place": "riverside/oak-county/mill-town/cell-12/north-gate",
        "at": now(),
        "count": f64::from(count),
        "interval": { "low": f64::from(count) - 3.0, "high": f64::from(count) + 4.0 },
        "cameras": 2,
        "counted": 1,
        "blind": [{ "camera": "back-yard", "reason": "moved", "since": now(), "in_total": true }],
        "levels": { "low": 1, "medium": 1, "high": 0, "critical": 0 },
    });
    let key = format!("{}/a/s/crowd/rollup", key::ROOT);
    key::decode(&key, payload.to_string().as_bytes()).expect("it is a roll-up")
}

pub(crate) fn load(cpu_usage: f64, full: bool) -> Event {
    let quantiles = |p99: f64| json!({ "p50": p99 / 2.0, "p95": p99 * 0.9, "p99": p99 });
    let latency_ms = json!({
        "capture_to_arrival": quantiles(30.0), "queue": quantiles(400.0), "infer": quantiles(80.0), "decide": quantiles(1.0),
        "publish": quantiles(2.0), "total": quantiles(510.0),
    });
    let payload = json!({
        "node": "node-a",
        "at": now(),
        "period_s": 10.0,
        "processors": 4,
        "cpu_usage": cpu_usage,
        "full": full,
        "crowds": { "frames": 60, "missed": 0, "latency_ms": latency_ms },
    });
    let key = format!("{}/a/s/node/node-a/load", key::ROOT);
    key::decode(&key, payload.to_string().as_bytes()).expect("it is a node's load")
}

pub(crate) fn map() -> Event {
    let cells: Vec<u8> = (0..12 * 8).map(|i| if i % 7 == 0 { 90 } else { 0 }).collect();
    let payload = json!({
        "camera": CROWD,
        "capture_time": { "at": now(), "source": "rtcp", "error_ms": 100 },
        "columns": 12,
        "rows": 8,
        "people_per_step": 0.01,
        "cells": cells,
    });
    event("crowd/{}/map", CROWD, &payload)
}

pub(crate) fn health(camera: &str, state: &str, reason: Option<&str>) -> Event {
    let mut payload = json!({
        "camera": camera,
        "state": state,
        "since": now(),
        "fps_decoded": 25.0,
        "fps_analysed": 9.9,
        "fps_unchanged": 0.0,
        "at": now(),
        "clock_offset": { "ms": 7_200_000, "error_ms": 500 },
        "frames": {
            "received": 250, "decoded": 250, "analysed": 99, "unchanged": 0, "superseded": 3, "missed": 3, "failed": 0,
            "dropped": { "between_key_frames": 0, "not_due": 148, "would_be_superseded": 0, "idle": 0, "catch_up": 0 },
        },
        "reconnects": 0,
        "stream": { "codec": "h264", "width": 768, "height": 576 },
    });
    if let Some(reason) = reason {
        payload["reason"] = json!(reason);
    }
    event("camera/{}/health", camera, &payload)
}

pub(crate) fn entry(sequence: u64, decision: &str, reason: &str) -> Event {
    let payload = json!({
        "event_id": format!("01K{sequence:0>23}"),
        "sequence": sequence,
        "gate": GATE,
        "direction": "in",
        "decision": decision,
        "reason": reason,
        "method": "face",
        "capture_time": { "at": now(), "source": "rtcp", "error_ms": 100 },
        "latency_ms": { "acquire": 104.0, "capture_to_arrival": 62.0, "detect": 31.5, "embed": 44.25, "decide": 0.25 },
    });
    event("gate/{}/entry", GATE, &payload)
}

pub(crate) fn picture(luma: u8) -> PreviewFrame {
    let size = Size { width: 64, height: 48 };
    let picture = TestPicture::uniform(size, luma);
    Preview::default()
        .render(&picture.i420(), &PeopleReading::default(), Monotonic::from_start(Duration::ZERO))
        .expect("it is rendered")
}
