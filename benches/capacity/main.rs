//! How many cameras this machine serves, compared with the bound and with other services: `make
//! bench`.
//!
//! The bound is the cost of decoding alone plus inference alone, on all processors, measured just
//! before and just after; the mean counts. In between, a node runs over RTSP with as many cameras
//! as keep their rate. Then other services run the same models on the same streams. The simulator
//! uses the same processors, so the ratio is given for all their time and for the time that it
//! leaves.
//!
//! `GATEHOUSE_BENCH_QUICK=1` takes three minutes with coarser steps. `GATEHOUSE_BENCH_LOAD` chooses
//! one load (`gates`, `crowds`, or `street`, which takes ten minutes and is left out otherwise) or
//! part (`beside`, `inference`). `GATEHOUSE_BENCH_PYTHON` is a Python with
//! `benches/peers/requirements.txt`; without it no peers are measured. The figures are in
//! `target/bench/report.json`, and drawn in `target/bench/report.html`.

#![allow(clippy::expect_used, reason = "a bench without its models has nothing to measure")]
#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]

mod inference;
#[path = "../measure/mod.rs"]
mod measure;
mod node;
mod other_process;
mod peers;
mod picture;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gatehouse_core::load::FrameLatency;
use gatehouse_sim::{ClipLibrary, MountConfig, Replay, Scene};
use gatehouse_testing::node::media;
use measure::{StealTime, decode_alone, decode_if_asked, key_wait_seconds, processors, registry};
use node::Run;
use other_process::{OtherProcess, simulate_if_asked};
use serde_json::{Map, Value, json};

/// Least share of its rate at which a camera keeps it.
const KEPT: f64 = 0.95;
/// Number of cameras whose decoding is measured alone: several, because on a node they share the
/// caches too.
const DECODED_ALONE: usize = 8;
/// Most cameras that the simulator offers.
const MOST: usize = 100;
/// Number of gates whose latency is measured with and without crowd cameras.
const GATES_BESIDE: usize = 4;
/// Number of a node's reports; the one with the median p99 counts. A report's p99 is the slowest
/// four of four hundred frames.
const PERIODS_BESIDE: usize = 3;

/// A load: cameras of one kind.
struct Load {
    name: &'static str,
    model: Model,
    /// Analysis rate of each camera, in frames a second.
    rate: f64,
    /// Key-frame interval in seconds.
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

/// Duration and resolution of the measurement.
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
    let (begun, stolen) = (Instant::now(), StealTime::since_now());
    let mut report = Map::new();
    let mut measured = Map::new();
    let wanted = |part: &str| only.as_ref().is_none_or(|only| only == part);
    let is_measured = |load: &&Load| only.as_ref().map_or(load.name != STREET.name, |only| only == load.name);
    for load in [&GATES, &CROWDS, &STREET].into_iter().filter(is_measured) {
        let figures = measure_load(load, &effort, python.as_deref());
        // The first load's figures also stand at the top level.
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
        Some(share) => println!("{share:.1} % of the processors' time went to other machines on this host"),
        None => println!("the share of the processors' time that went to other machines is unknown"),
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
        "cameras", "worst rate", "node ms/s", "sim ms/s", "× alone", "dropped", "p99 ms", "MiB", "threads"
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
            run.role(*model).latency_ms.total.p99,
            run.memory_mib,
            run.threads,
        );
        let held = run.worst[0] >= KEPT;
        tried.push((cameras, run));
        held
    });
    // A shared machine's speed changes from one minute to the next.
    let after = alone();
    after.print(*rate);
    let (decoding, inference) = (before.decoding.midpoint(after.decoding), before.inference.midpoint(after.inference));
    let bound = Alone { decoding, inference }.cameras(*rate);
    let ratio = sustained as f64 / bound;
    tried.push((1, node::run(&url, &[(load, 1)], 1)));
    tried.sort_by_key(|(cameras, _)| *cameras);
    let of = |wanted: usize| tried.iter().find(|(cameras, _)| *cameras == wanted).map(|(_, run)| run);
    let ratio_without_simulator = of(sustained).map(|run| ratio / (1.0 - run.sim_ms / (1000.0 * processors() as f64)));
    println!("  sustained: {sustained} cameras, {ratio:.2} of the bound of {bound:.1}");
    if let Some(ratio) = ratio_without_simulator {
        println!("  {ratio:.2} of the bound of the time that the simulator leaves");
    }
    let per_camera = of(1).zip(of(sustained).filter(|_| sustained > 1)).map(|(one, all)| {
        let others = (sustained - 1) as f64;
        ((all.memory_mib as f64 - one.memory_mib as f64) / others, (all.threads as f64 - one.threads as f64) / others)
    });
    if let Some((memory, threads)) = per_camera {
        println!("  each additional camera: {memory:.1} MiB, {threads:.1} threads");
    }
    let latency = of(sustained).map(|run| run.role(*model).latency_ms);
    latency.iter().for_each(print_latency);
    let peers = python.map(|python| peers::measure(python, load, &sim, sustained, effort.peer_steps));
    let curve: Vec<Value> = tried.iter().map(|(cameras, run)| run.to_json(*cameras, *model)).collect();
    let figures = json!({
        "rate": rate, "key_frame_every_s": gop_seconds, "decode_ms": decoding, "inference_ms": inference,
        "bound_cameras": bound, "sustained_cameras": sustained, "ratio": ratio,
        "ratio_beside_simulator": ratio_without_simulator, "latency_ms": latency,
        "memory_mb_per_camera": per_camera.map(|(memory, _)| memory),
        "threads": of(sustained).map(|run| run.threads), "threads_per_camera": per_camera.map(|(_, threads)| threads),
        "curve": curve, "peers": peers,
    });
    let Value::Object(figures) = figures else { unreachable!("it is written as one") };
    figures
}

/// Cost of a camera's decoding and inference alone, in milliseconds of processor time: decoding per
/// second, inference per frame.
struct Alone {
    decoding: f64,
    inference: f64,
}

impl Alone {
    /// Cost of one camera per second.
    fn each_ms(&self, rate: f64) -> f64 {
        self.decoding + rate * self.inference
    }

    /// Number of cameras if nothing else cost time.
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
        ("capture", latency.capture_to_arrival),
        ("queue", latency.queue),
        ("infer", latency.infer),
        ("decide", latency.decide),
        ("publish", latency.publish),
        ("total", latency.total),
    ] {
        println!("  {stage:<8} {:>8.1} {:>8.1} {:>8.1}", q.p50, q.p95, q.p99);
    }
}

/// Latency of gates alone, with crowd cameras that fill the machine, and with more than twice as
/// many.
fn gates_beside_crowds() -> Value {
    let (near, far) = (simulator(GATES.gop_seconds), OtherProcess::start(CROWDS.gop_seconds));
    let url = |load: &Load, camera: usize| {
        let name = format!("cam-{camera}");
        if load.model == Model::Faces { near.url(&name) } else { far.url(&name) }
    };
    println!("\n{GATES_BESIDE} gates, alone and with crowd cameras");
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
                latency.total.p50,
                latency.total.p95,
                latency.total.p99,
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

/// The greatest number of cameras for which `holds`, searched in about `steps` tries; in more until
/// it has held once and failed once.
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
        // Stay near the last number that held: the edge is searched for.
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
