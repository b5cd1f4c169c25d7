//! What a user would write instead: `benches/peers/service.py`, in its kinds.

use std::path::Path;
use std::process::Command;

use gatehouse_models::Assets;
use gatehouse_sim::Sim;
use serde_json::{Map, Value, json};

use crate::measure::registry;
use crate::{KEPT, Load, Model, search};

/// How long each try is measured.
const SECONDS: u32 = 10;

/// For each kind of service, how many cameras it sustains. `ours`: where the search begins.
pub(crate) fn measure(python: &Path, load: &Load, sim: &Sim, ours: usize, steps: usize) -> Value {
    let kinds: &[(&str, &str, &str)] = match load.model {
        Model::Faces => &[
            ("python", "faces", "OpenCV's VideoCapture and ONNX Runtime in Python, a thread a camera"),
            ("opencv", "opencv-faces", "OpenCV's VideoCapture and FaceDetectorYN in Python, a thread a camera"),
        ],
        Model::People(_) => {
            &[("python", "people", "OpenCV's VideoCapture and ONNX Runtime in Python, a thread a camera")]
        }
    };
    let mut peers = Map::new();
    for (name, task, words) in kinds {
        println!("  {words}:");
        let sustained = search(ours as f64 * 0.6, steps, |cameras| {
            let worst = run(python, task, load, sim, cameras);
            println!("  {cameras:>8} {:>11.0} %", 100.0 * worst);
            worst >= KEPT
        });
        println!("  sustained: {sustained} cameras; ours {:.1} times as many", ours as f64 / sustained.max(1) as f64);
        peers.insert((*name).to_owned(), json!({ "sustained_cameras": sustained }));
    }
    peers.into()
}

/// The worst camera's share of its rate.
fn run(python: &Path, task: &str, load: &Load, sim: &Sim, cameras: usize) -> f64 {
    let model = match load.model {
        Model::Faces => "yunet",
        Model::People(model) => model,
    };
    let registry = registry();
    let file = &registry.catalogue().get(model).expect("it ships").file.path;
    let model = file.below(&Assets::locate().expect("HOME or GATEHOUSE_ASSETS is set").models());
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/service.py"))
        .args([task, model.to_str().expect("UTF-8"), &load.rate.to_string(), &SECONDS.to_string()])
        .args((0..cameras).map(|i| sim.url(&format!("cam-{i}"))))
        .output()
        .expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let rates = told["rates"].as_array().expect("a list");
    assert_eq!(rates.len(), cameras);
    rates.iter().filter_map(Value::as_f64).fold(f64::INFINITY, f64::min) / load.rate
}
