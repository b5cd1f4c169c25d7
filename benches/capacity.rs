//! How many cameras this machine serves, beside the bound and beside what a user would write: `make bench`.
//!
//! The bound is what decoding alone and inference alone cost, each measured by itself on the same machine just before. Then a real
//! node, over real RTSP, with as many cameras as it keeps the rate of; and a Python service with the same models on the same
//! streams. The simulator sends on the same processors, which is told and not taken off.
//!
//! `GATEHOUSE_BENCH_QUICK=1` takes half the time, with coarser steps; `GATEHOUSE_BENCH_LOAD` names one load.
//! `GATEHOUSE_BENCH_PYTHON` is an interpreter with the packages of `benches/peers/requirements.txt`; without one there are no
//! peers. The figures are also in `target/bench/report.json`.

#![allow(clippy::expect_used, reason = "a bench without its models has nothing to measure")]
#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]

mod measure;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use gatehouse_core::Event;
use gatehouse_models::{Assets, FaceDetector, SessionOptions};
use gatehouse_sim::{MountConfig, Scene, Sim, SimConfig};
use gatehouse_testing::node::{Node, Program, SiteFolder, footprint, media};
use measure::{SETTLED, Stolen, decode_alone, decode_if_asked, each_ms, people_alone, processors, registry, used_ms};
use serde_json::{Value, json};

const PROGRAM: Program = Program(env!("CARGO_BIN_EXE_gatehouse"));
/// A camera keeps its rate if so much of it is analysed.
const KEPT: f64 = 0.95;
/// Cameras that the simulator offers at most.
const MOST: usize = 100;

/// A load: cameras of one kind.
struct Load {
    name: &'static str,
    model: Model,
    /// Frames of each camera that are analysed a second.
    rate: f64,
    /// Seconds from one key frame to the next.
    gop_seconds: f64,
}

#[derive(Clone, Copy, PartialEq)]
enum Model {
    Faces,
    People(&'static str),
}

const LOADS: [Load; 3] = [
    Load { name: "gates", model: Model::Faces, rate: 10.0, gop_seconds: 2.0 },
    Load { name: "crowds", model: Model::People("nanodet"), rate: 1.0, gop_seconds: 1.0 },
    Load { name: "street", model: Model::People("nanodet"), rate: 0.5, gop_seconds: 2.0 },
];

/// How long and how finely is measured.
struct Effort {
    alone: Duration,
    /// Periods of the cameras' health reports, 10 s each.
    reports: usize,
    steps: usize,
}

fn main() {
    if decode_if_asked() {
        return;
    }
    let quick = std::env::var_os("GATEHOUSE_BENCH_QUICK").is_some();
    let effort = if quick {
        Effort { alone: Duration::from_secs(5), reports: 1, steps: 2 }
    } else {
        Effort { alone: Duration::from_secs(10), reports: 1, steps: 4 }
    };
    let only = std::env::var("GATEHOUSE_BENCH_LOAD").ok();
    let python = std::env::var_os("GATEHOUSE_BENCH_PYTHON").map(PathBuf::from);
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    println!("profile: {profile}; {} processors; 1280×720 H.264 at 25 frames a second over RTSP", processors());
    let stolen = Stolen::since_now();
    let mut loads = serde_json::Map::new();
    for load in LOADS.iter().filter(|load| only.as_ref().is_none_or(|only| only == load.name)) {
        loads.insert(load.name.to_owned(), measure_load(load, &effort, python.as_deref()));
    }
    let stolen = stolen.percent();
    match stolen {
        Some(share) => println!("\n{share:.1} % of the processors' time was taken by other machines on this host"),
        None => println!("\nhow much of the processors' time was taken by other machines isn't known"),
    }
    let report = json!({
        "version": env!("CARGO_PKG_VERSION"), "profile": profile, "quick": quick,
        "machine": { "processor": processor(), "processors": processors(), "stolen_percent": stolen },
        "loads": loads,
    });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench/report.json");
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
    std::fs::write(&path, format!("{report:#}\n")).expect("it can be written");
    println!("target/bench/report.json has these figures");
}

fn measure_load(load: &Load, effort: &Effort, python: Option<&Path>) -> Value {
    let Load { name, rate, gop_seconds, model } = load;
    let mount = |i: usize| MountConfig {
        size: [1280, 720],
        gop_seconds: *gop_seconds,
        ..MountConfig::new(format!("cam-{i}"), Scene::File(media("vtest.avi")))
    };
    let mounts = (0..MOST).map(mount).collect();
    let sim = Sim::start(SimConfig { mounts, ..SimConfig::default() }).expect("the simulator starts");
    let wanted = matches!(model, Model::People(_)).then(|| Duration::from_secs_f64(1.0 / rate));
    let decoding = decode_alone(&sim.url("cam-0"), effort.alone, wanted);
    let inference = inference_alone(*model);
    let each = decoding + rate * inference;
    let bound = 1000.0 * processors() as f64 / each;
    println!("\n{name}: {rate} frames a second of each camera, a key frame every {gop_seconds} s");
    println!(
        "  decoding alone {decoding:.1} ms a second, one inference alone {inference:.1} ms: {each:.1} ms a camera-second"
    );
    println!("  bound: {bound:.1} cameras");
    println!(
        "  {:>8} {:>12} {:>10} {:>10} {:>9} {:>8} {:>8}",
        "cameras", "worst rate", "node ms/s", "sim ms/s", "× bound", "MiB", "threads"
    );
    let ours = search(bound * 0.8, effort.steps, |cameras| {
        let run = run_node(load, &sim, cameras, effort.reports);
        println!(
            "  {cameras:>8} {:>11.0} % {:>10.0} {:>10.0} {:>9.2} {:>8} {:>8}",
            100.0 * run.worst,
            run.node_ms,
            run.sim_ms,
            run.node_ms / (each * cameras as f64),
            run.memory_mib,
            run.threads,
        );
        (run.worst >= KEPT, run)
    });
    let ratio = ours.0 as f64 / bound;
    println!("  sustained: {} cameras, {ratio:.2} of the bound", ours.0);
    let one = (ours.0 > 1).then(|| run_node(load, &sim, 1, 1));
    let per_camera = one.as_ref().zip(ours.1.as_ref()).map(|(one, all)| {
        let others = (ours.0 - 1) as f64;
        ((all.memory_mib as f64 - one.memory_mib as f64) / others, (all.threads as f64 - one.threads as f64) / others)
    });
    if let Some((memory, threads)) = per_camera {
        println!("  each camera more: {memory:.1} MiB, {threads:.1} threads");
    }
    let peer = python.map(|python| {
        let (cameras, _) = search(ours.0 as f64, effort.steps, |cameras| {
            let worst = run_peer(python, load, &sim, cameras, effort.reports);
            println!("  {cameras:>8} {:>11.0} %  OpenCV and ONNX Runtime in Python, a thread a camera", 100.0 * worst);
            (worst >= KEPT, ())
        });
        println!("  sustained in Python: {cameras} cameras");
        cameras
    });
    sim.stop().expect("it stops");
    json!({
        "rate": rate, "key_frame_every_s": gop_seconds, "decode_ms": decoding, "inference_ms": inference,
        "bound_cameras": bound, "sustained_cameras": ours.0, "ratio": ratio,
        "node_ms_per_s": ours.1.as_ref().map(|run| run.node_ms), "sim_ms_per_s": ours.1.as_ref().map(|run| run.sim_ms),
        "memory_mb_per_camera": per_camera.map(|(memory, _)| memory), "threads": ours.1.as_ref().map(|run| run.threads),
        "threads_per_camera": per_camera.map(|(_, threads)| threads),
        "peers": peer.map(|cameras| json!({ "python": { "sustained_cameras": cameras } })),
    })
}

/// The most cameras for which `holds`, as far as so many tries can tell, and what was measured with them.
fn search<T>(first: f64, steps: usize, mut holds: impl FnMut(usize) -> (bool, T)) -> (usize, Option<T>) {
    let (mut best, mut least_too_many) = ((0, None), MOST + 1);
    let mut next = (first.round() as usize).clamp(1, MOST);
    for _ in 0..steps {
        let (held, run) = holds(next);
        if held {
            best = (next, Some(run));
        } else {
            least_too_many = next;
        }
        let after =
            if least_too_many > MOST { (next * 5).div_ceil(4).min(MOST) } else { (best.0 + least_too_many) / 2 };
        if after == best.0 || after >= least_too_many {
            break;
        }
        next = after;
    }
    best
}

/// What one number of cameras came to.
struct Run {
    /// Of the camera that was analysed least, the share of its rate.
    worst: f64,
    node_ms: f64,
    sim_ms: f64,
    memory_mib: u64,
    threads: u64,
}

fn run_node(load: &Load, sim: &Sim, cameras: usize, reports: usize) -> Run {
    let table = |i: usize| {
        let (rate, url) = (load.rate, sim.url(&format!("cam-{i}")));
        match load.model {
            Model::Faces => {
                format!("[[gate]]\nid = \"cam-{i}\"\nsource = \"{url}\"\nliveness = \"off\"\nanalyse_fps = {rate:.1}\n")
            }
            Model::People(_) => format!("[[crowd]]\nid = \"cam-{i}\"\nsource = \"{url}\"\nanalyse_fps = {rate:.1}\n"),
        }
    };
    let tables: String = (0..cameras).map(table).collect();
    let models = match load.model {
        Model::Faces => String::new(),
        Model::People(model) => format!("[models]\nperson_detector = \"{model}\"\n"),
    };
    let site = SiteFolder::new(PROGRAM, &format!("{models}{tables}"));
    let node = Node::start(&site);
    let pid = node.pid().to_string();
    // From the first report with a rate on all cameras are connected; the next ones are of whole periods.
    let mut rates: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let (mut before, mut start) = ([0.0; 2], Instant::now());
    let mut began = false;
    while rates.len() < cameras || rates.values().any(|of_camera| of_camera.len() < reports) {
        let (camera, rate) = node.wait("a camera's report", |_, event| match event {
            Event::Health(health) if health.fps_decoded > 0.0 => {
                Some((health.camera.to_string(), health.fps_analysed + health.fps_unchanged))
            }
            _ => None,
        });
        let settled = start.elapsed() >= SETTLED + Duration::from_secs(10);
        if !began && settled {
            (before, start, began) = ([used_ms(&pid), used_ms("self")], Instant::now(), true);
        } else if began && start.elapsed() >= Duration::from_secs(9) {
            rates.entry(camera).or_default().push(rate);
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let [node_ms, sim_ms] = [used_ms(&pid) - before[0], used_ms("self") - before[1]].map(|ms| ms / seconds);
    let (threads, memory_mib) = footprint(node.pid());
    node.stop();
    let mean = |rates: &Vec<f64>| rates.iter().sum::<f64>() / rates.len() as f64;
    let worst = rates.values().map(mean).fold(f64::INFINITY, f64::min) / load.rate;
    Run { worst, node_ms, sim_ms, memory_mib, threads }
}

/// The worst camera's share of its rate, in the Python service.
fn run_peer(python: &Path, load: &Load, sim: &Sim, cameras: usize, reports: usize) -> f64 {
    let (task, model) = match load.model {
        Model::Faces => ("faces", "yunet"),
        Model::People(model) => ("people", model),
    };
    let registry = registry();
    let file = &registry.catalogue().get(model).expect("it ships").file.path;
    let model = file.below(&Assets::locate().expect("HOME or GATEHOUSE_ASSETS is set").models());
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/service.py"))
        .args([task, model.to_str().expect("UTF-8"), &load.rate.to_string(), &(10 * reports).to_string()])
        .args((0..cameras).map(|i| sim.url(&format!("cam-{i}"))))
        .output()
        .expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let rates = told["rates"].as_array().expect("a list");
    assert_eq!(rates.len(), cameras);
    rates.iter().filter_map(Value::as_f64).fold(f64::INFINITY, f64::min) / load.rate
}

/// Milliseconds of processor time that one frame's inference takes, with what prepares it.
fn inference_alone(model: Model) -> f64 {
    match model {
        Model::Faces => {
            let mut detector =
                FaceDetector::load(&registry(), "yunet", &SessionOptions::default()).expect("run `make setup`");
            let mut found = Vec::new();
            each_ms(|picture| detector.detect(&[picture], 0.7, &mut found).expect("it detects"))
        }
        Model::People(name) => people_alone(name),
    }
}

fn processor() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(": ").map(|(_, name)| name.to_owned())
}
