//! How many cameras this machine serves, beside the bound and beside what a user would write: `make bench`.
//!
//! The bound is what decoding alone and inference alone cost, each measured by itself on all processors of the same machine just before
//! and just after: the mean of both. In between, a real node, over real RTSP, with as many cameras as it keeps the rate of; and then other
//! services with the same models on the same streams, which must not fall behind either. The simulator sends on the same processors, so
//! that the ratio is told of all their time, and of what it leaves.
//!
//! `GATEHOUSE_BENCH_QUICK=1` takes three minutes, with coarser steps; `GATEHOUSE_BENCH_LOAD` names one load (`gates`, `crowds`, or
//! `street`, which is measured only so, for it takes ten minutes by itself), or the other parts: `beside`, `inference`.
//! `GATEHOUSE_BENCH_PYTHON` is an interpreter with the packages of `benches/peers/requirements.txt`; without one there are no
//! peers. The figures are also in `target/bench/report.json`, and drawn in `target/bench/report.html`.

#![allow(clippy::expect_used, reason = "a bench without its models has nothing to measure")]
#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]

mod elsewhere;
mod inference;
#[path = "../measure/mod.rs"]
mod measure;
mod node;
mod peers;
mod picture;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use elsewhere::{Elsewhere, simulate_if_asked};
use gatehouse_core::load::FrameLatency;
use gatehouse_sim::{ClipLibrary, MountConfig, Replay, Scene};
use gatehouse_testing::node::media;
use measure::{Stolen, decode_alone, decode_if_asked, key_wait_seconds, processors, registry};
use node::Run;
use serde_json::{Map, Value, json};

/// A camera keeps its rate if so much of it is analysed.
const KEPT: f64 = 0.95;
/// Cameras whose decoding is measured by itself: more than one, for on a node they share the caches too.
const DECODED_ALONE: usize = 8;
/// Cameras that the simulator offers at most.
const MOST: usize = 100;
/// Gates whose latency is measured with and without crowd cameras beside them.
const GATES_BESIDE: usize = 4;
/// Reports of a node of which the one counts whose p99 is the median: each has the slowest four of four hundred frames in it.
const PERIODS_BESIDE: usize = 3;

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

const GATES: Load = Load { name: "gates", model: Model::Faces, rate: 10.0, gop_seconds: 2.0 };
const CROWDS: Load = Load { name: "crowds", model: Model::People("nanodet"), rate: 1.0, gop_seconds: 1.0 };
const STREET: Load = Load { name: "street", model: Model::People("nanodet"), rate: 0.5, gop_seconds: 2.0 };

/// How long and how finely is measured.
struct Effort {
    alone: Duration,
    node_steps: usize,
    peer_steps: usize,
}

fn main() {
    if decode_if_asked() || simulate_if_asked() {
        return;
    }
    let quick = std::env::var_os("GATEHOUSE_BENCH_QUICK").is_some();
    let effort = if quick {
        Effort { alone: Duration::from_secs(4), node_steps: 2, peer_steps: 2 }
    } else {
        Effort { alone: Duration::from_secs(5), node_steps: 4, peer_steps: 2 }
    };
    let only = std::env::var("GATEHOUSE_BENCH_LOAD").ok();
    let python = std::env::var_os("GATEHOUSE_BENCH_PYTHON").map(PathBuf::from);
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    println!("profile: {profile}; {} processors; 1280×720 H.264 at 25 frames a second over RTSP", processors());
    let (begun, stolen) = (Instant::now(), Stolen::since_now());
    let mut report = Map::new();
    let mut measured = Map::new();
    let wanted = |part: &str| only.as_ref().is_none_or(|only| only == part);
    let is_measured = |load: &&Load| only.as_ref().map_or(load.name != STREET.name, |only| only == load.name);
    for load in [&GATES, &CROWDS, &STREET].into_iter().filter(is_measured) {
        let figures = measure_load(load, &effort, python.as_deref());
        // Whoever asks for one number means the first load's.
        if report.is_empty() {
            report = figures.clone();
            report.insert("load".to_owned(), load.name.into());
        }
        measured.insert(load.name.to_owned(), figures.into());
    }
    if !quick && wanted("beside") {
        report.insert("gates_beside_crowds".to_owned(), gates_beside_crowds());
    }
    if !quick && wanted("inference") {
        report.insert("inference".to_owned(), inference::table());
        report.insert("allocations_per_frame".to_owned(), inference::allocations());
    }
    println!("\nmeasured in {:.1} minutes", begun.elapsed().as_secs_f64() / 60.0);
    let stolen = stolen.percent();
    match stolen {
        Some(share) => println!("{share:.1} % of the processors' time was taken by other machines on this host"),
        None => println!("how much of the processors' time was taken by other machines isn't known"),
    }
    let onnxruntime = registry().runtime().version().to_owned();
    report.insert("loads".to_owned(), measured.into());
    report.insert("version".to_owned(), env!("CARGO_PKG_VERSION").into());
    report.insert("onnxruntime".to_owned(), onnxruntime.into());
    report.insert("profile".to_owned(), profile.into());
    report.insert("quick".to_owned(), quick.into());
    let machine = json!({ "processor": processor(), "processors": processors(), "stolen_percent": stolen });
    report.insert("machine".to_owned(), machine);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&folder).expect("it can be made");
    let report = Value::from(report);
    std::fs::write(folder.join("report.json"), format!("{report:#}\n")).expect("it can be written");
    std::fs::write(folder.join("report.html"), picture::html(&report)).expect("it can be written");
    println!("target/bench/report.json has these figures, and target/bench/report.html shows them");
}

fn simulator(gop_seconds: f64) -> Replay {
    let mount = |i: usize| MountConfig {
        size: [1280, 720],
        gop_seconds,
        key_wait_seconds: key_wait_seconds(i, gop_seconds),
        ..MountConfig::new(format!("cam-{i}"), Scene::File(media("vtest.avi")))
    };
    let mounts: Vec<_> = (0..MOST).map(mount).collect();
    Replay::start(&mounts, &ClipLibrary::default()).expect("the simulator starts")
}

fn measure_load(load: &Load, effort: &Effort, python: Option<&Path>) -> Map<String, Value> {
    let Load { name, rate, gop_seconds, model } = load;
    let sim = simulator(*gop_seconds);
    let wanted = matches!(model, Model::People(_)).then(|| Duration::from_secs_f64(1.0 / rate));
    let few: Vec<_> = (0..DECODED_ALONE).map(|i| sim.url(&format!("cam-{i}"))).collect();
    let alone = || Alone { decoding: decode_alone(&few, effort.alone, wanted), inference: inference::alone(*model) };
    let before = alone();
    println!("\n{name}: {rate} frames a second of each camera, a key frame every {gop_seconds} s");
    before.print(*rate);
    println!(
        "  {:>8} {:>12} {:>10} {:>10} {:>9} {:>8} {:>8} {:>8} {:>8}",
        "cameras", "worst rate", "node ms/s", "sim ms/s", "× alone", "too late", "p99 ms", "MiB", "threads"
    );
    let mut tried: Vec<(usize, Run)> = Vec::new();
    let url = |_: &Load, camera: usize| sim.url(&format!("cam-{camera}"));
    let sustained = search(before.cameras(*rate) * 0.9, effort.node_steps, |cameras| {
        let run = node::run(&url, &[(load, cameras)], 1);
        println!(
            "  {cameras:>8} {:>11.0} % {:>10.0} {:>10.0} {:>9.2} {:>8} {:>8.0} {:>8} {:>8}",
            100.0 * run.worst[0],
            run.node_ms,
            run.sim_ms,
            run.node_ms / (before.each_ms(*rate) * cameras as f64),
            run.role(*model).missed,
            run.role(*model).latency_ms.all.p99,
            run.memory_mib,
            run.threads,
        );
        let held = run.worst[0] >= KEPT;
        tried.push((cameras, run));
        held
    });
    // A machine that others share becomes slower and faster from one minute to the next.
    let after = alone();
    after.print(*rate);
    let (decoding, inference) = (before.decoding.midpoint(after.decoding), before.inference.midpoint(after.inference));
    let bound = Alone { decoding, inference }.cameras(*rate);
    let ratio = sustained as f64 / bound;
    tried.push((1, node::run(&url, &[(load, 1)], 1)));
    tried.sort_by_key(|(cameras, _)| *cameras);
    let of = |wanted: usize| tried.iter().find(|(cameras, _)| *cameras == wanted).map(|(_, run)| run);
    let beside_simulator = of(sustained).map(|run| ratio / (1.0 - run.sim_ms / (1000.0 * processors() as f64)));
    println!("  sustained: {sustained} cameras, {ratio:.2} of the bound of {bound:.1}");
    if let Some(ratio) = beside_simulator {
        println!("  {ratio:.2} of the bound of the time that the simulator leaves");
    }
    let per_camera = of(1).zip(of(sustained).filter(|_| sustained > 1)).map(|(one, all)| {
        let others = (sustained - 1) as f64;
        ((all.memory_mib as f64 - one.memory_mib as f64) / others, (all.threads as f64 - one.threads as f64) / others)
    });
    if let Some((memory, threads)) = per_camera {
        println!("  each camera more: {memory:.1} MiB, {threads:.1} threads");
    }
    let latency = of(sustained).map(|run| run.role(*model).latency_ms);
    latency.iter().for_each(print_latency);
    let peers = python.map(|python| peers::measure(python, load, &sim, sustained, effort.peer_steps));
    let curve: Vec<Value> = tried.iter().map(|(cameras, run)| run.to_json(*cameras, *model)).collect();
    let figures = json!({
        "rate": rate, "key_frame_every_s": gop_seconds, "decode_ms": decoding, "inference_ms": inference,
        "bound_cameras": bound, "sustained_cameras": sustained, "ratio": ratio,
        "ratio_beside_simulator": beside_simulator, "latency_ms": latency,
        "memory_mb_per_camera": per_camera.map(|(memory, _)| memory),
        "threads": of(sustained).map(|run| run.threads), "threads_per_camera": per_camera.map(|(_, threads)| threads),
        "curve": curve, "peers": peers,
    });
    let Value::Object(figures) = figures else { unreachable!("it is written as one") };
    figures
}

/// What a camera's decoding and inference take by themselves, in milliseconds of processor time: the first a second, the other a frame.
struct Alone {
    decoding: f64,
    inference: f64,
}

impl Alone {
    /// A second.
    fn each_ms(&self, rate: f64) -> f64 {
        self.decoding + rate * self.inference
    }

    /// How many there could be if there were nothing else.
    fn cameras(&self, rate: f64) -> f64 {
        1000.0 * processors() as f64 / self.each_ms(rate)
    }

    fn print(&self, rate: f64) {
        println!(
            "  decoding alone {:.1} ms a second, one inference alone {:.1} ms: {:.1} ms a camera-second, so {:.1} cameras at most",
            self.decoding,
            self.inference,
            self.each_ms(rate),
            self.cameras(rate),
        );
    }
}

fn print_latency(latency: &FrameLatency) {
    println!("  {:<8} {:>8} {:>8} {:>8}  (ms)", "", "p50", "p95", "p99");
    for (stage, q) in [
        ("capture", latency.capture),
        ("wait", latency.wait),
        ("infer", latency.infer),
        ("decide", latency.decide),
        ("publish", latency.publish),
        ("all", latency.all),
    ] {
        println!("  {stage:<8} {:>8.1} {:>8.1} {:>8.1}", q.p50, q.p95, q.p99);
    }
}

/// What gates' frames take while crowd cameras fill the machine, and ask for twice as much, beside what they take alone.
fn gates_beside_crowds() -> Value {
    let (near, far) = (simulator(GATES.gop_seconds), Elsewhere::start(CROWDS.gop_seconds));
    let url = |load: &Load, camera: usize| {
        let name = format!("cam-{camera}");
        if load.model == Model::Faces { near.url(&name) } else { far.url(&name) }
    };
    println!("\n{GATES_BESIDE} gates, alone and beside crowd cameras");
    println!(
        "  {:>8} {:>12} {:>12} {:>8} {:>8} {:>8}",
        "crowds", "gates' rate", "their rate", "p50 ms", "p95 ms", "p99 ms"
    );
    let runs: Vec<Value> = [0, 8, 20]
        .into_iter()
        .map(|each| (each * processors()).min(MOST - GATES_BESIDE))
        .map(|crowds| {
            let loads = [(&GATES, GATES_BESIDE), (&CROWDS, crowds)];
            let run = node::run(&url, if crowds == 0 { &loads[..1] } else { &loads }, PERIODS_BESIDE);
            let latency = run.role(GATES.model).latency_ms;
            println!(
                "  {crowds:>8} {:>10.0} % {:>10.0} % {:>8.1} {:>8.1} {:>8.1}",
                100.0 * run.worst[0],
                100.0 * run.worst.get(1).copied().unwrap_or(1.0),
                latency.all.p50,
                latency.all.p95,
                latency.all.p99,
            );
            json!({
                "gates": GATES_BESIDE, "crowds": crowds, "gates_rate": run.worst[0], "crowds_rate": run.worst.get(1),
                "latency_ms": latency,
            })
        })
        .collect();
    far.stop();
    runs.into()
}

/// The most cameras for which `holds`, as far as so many tries can tell; more of them until it has held for some and not for others.
fn search(first: f64, steps: usize, mut holds: impl FnMut(usize) -> bool) -> usize {
    let (mut best, mut least_too_many) = (0, MOST + 1);
    let mut next = (first.round() as usize).clamp(1, MOST);
    for step in 0.. {
        if holds(next) {
            best = next;
        } else {
            least_too_many = next;
        }
        if step + 1 >= steps && best > 0 && least_too_many <= MOST {
            break;
        }
        // Near what held last: it is the edge that is looked for.
        let after = match (best, least_too_many) {
            (0, many) => many - many.div_ceil(16),
            (best, many) if many > MOST => (best * 6).div_ceil(5).min(MOST),
            (best, many) => (best + many) / 2,
        };
        if after <= best || after >= least_too_many {
            break;
        }
        next = after;
    }
    best
}

fn processor() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(": ").map(|(_, name)| name.to_owned())
}
