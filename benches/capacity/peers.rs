//! Other services with the same models: `benches/peers/service.py`, in its kinds.

use std::path::Path;
use std::process::Command;

use gatehouse_runtime::Assets;
use gatehouse_sim::Replay;
use serde_json::{Map, Value, json};

use crate::measure::registry;
use crate::node::FRAMES;
use crate::{KEPT, Load, Model, search};

/// Least measuring time of a try.
const SECONDS: f64 = 10.0;
/// A service falls behind if its frames are later than this, or than a period if that is longer:
/// its memory or the cameras' buffers fill.
const BEHIND_MS: f64 = 1000.0;

/// Measures how many cameras each kind of service sustains. `ours` is the start of the search.
pub(crate) fn measure(python: &Path, load: &Load, sim: &Replay, ours: usize, steps: usize) -> Value {
    // Kind, description, and share of ours at which the search starts.
    let kinds: &[(&str, &str, f64)] = &[
        ("opencv", "OpenCV's VideoCapture and ONNX Runtime", 0.38),
        ("gstreamer", "a GStreamer pipeline with an appsink, and ONNX Runtime", 0.55),
        ("opencv-own", "OpenCV's VideoCapture and FaceDetectorYN", 0.3),
    ];
    let mut peers = Map::new();
    for (kind, words, share) in kinds.iter().filter(|(kind, ..)| load.model == Model::Faces || *kind != "opencv-own") {
        println!("  {words} in Python, a thread a camera:");
        let sustained = search(ours as f64 * share, steps, |cameras| {
            let PeerRun { worst, late_ms } = run(python, kind, load, sim, cameras);
            println!("  {cameras:>8} {:>11.0} %, one in a hundred more than {late_ms:.0} ms late", 100.0 * worst);
            worst >= KEPT && late_ms <= BEHIND_MS / load.rate.min(1.0)
        });
        let times = ours as f64 / sustained as f64;
        println!("  sustained: {sustained} cameras; ours {times:.1} times as many");
        peers.insert((*kind).to_owned(), json!({ "sustained_cameras": sustained }));
    }
    peers.into()
}

/// Result of a try.
struct PeerRun {
    /// Least share of its rate that any camera kept.
    worst: f64,
    /// Delay that one frame in a hundred exceeds, compared with its camera's fastest frame.
    late_ms: f64,
}

fn run(python: &Path, kind: &str, load: &Load, sim: &Replay, cameras: usize) -> PeerRun {
    let (task, model) = match load.model {
        Model::Faces => ("faces", "yunet"),
        Model::People(model) => ("people", model),
    };
    let seconds = SECONDS.max(FRAMES / load.rate);
    let assets = Assets::locate().expect("HOME or GATEHOUSE_ASSETS is set");
    let model = if kind == "opencv-own" {
        assets.root().join("peers/face_detection_yunet_2023mar.onnx")
    } else {
        registry().catalogue().get(model).expect("it ships").file.path.below(&assets.models())
    };
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/service.py"))
        .args([kind, task, model.to_str().expect("UTF-8"), &load.rate.to_string(), &seconds.to_string()])
        .args((0..cameras).map(|i| sim.url(&format!("cam-{i}"))))
        .output()
        .expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let rates = report["rates"].as_array().expect("a list");
    assert_eq!(rates.len(), cameras);
    let worst = rates.iter().filter_map(Value::as_f64).fold(f64::INFINITY, f64::min) / load.rate;
    PeerRun { worst, late_ms: report["late_ms"].as_f64().unwrap_or(f64::INFINITY) }
}
