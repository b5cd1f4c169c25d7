//! Latency of a gate from the first near frame to the event at a subscriber, stage by stage: `make
//! bench-gate`.
//!
//! A node has one gate camera at 25 frames a second over RTSP, to which a resident walks up again
//! and again. The simulator, which sends an encoded video, and the subscriber run on the same
//! cores. The floor is the least possible with these models: the wait for the agreeing frames plus
//! one frame's inference, measured alone. The second part has longer pauses, with and without a
//! sub-stream, and the cost of an empty gate. `GATEHOUSE_BENCH_WALK_UPS` sets the number of
//! walk-ups per row.

#![allow(clippy::expect_used, reason = "a bench without its models has nothing to measure")]
#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]

#[path = "measure/mod.rs"]
mod measure;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gatehouse_core::Event;
use gatehouse_core::event::{Decision, EntryEvent, Reason};
use gatehouse_core::health::CameraState;
use gatehouse_core::time::WallTime;
use gatehouse_faces::{FaceDetector, FaceEmbedder, LivenessModel, align_face};
use gatehouse_runtime::{Assets, Catalogue, PhotoLimits, Registry, SessionOptions, read_photo};
use gatehouse_sim::{FaceBox, MountConfig, Person, Scene, Sim, SimConfig, WalkUp};
use gatehouse_testing::node::{Node, Program, SiteFolder, media};
use measure::{SETTLED, StealTime, cpu_time_ms, decode_alone, decode_if_asked, processors};

const PROGRAM: Program = Program(env!("CARGO_BIN_EXE_gatehouse"));
const WALK_UPS: usize = 100;
/// Analysis rate while nobody is near, in frames a second: the default, and half of it.
const RATES: [f64; 2] = [10.0, 5.0];
/// The camera's frame rate. Every frame is analysed while a decision is pending.
const CAMERA_FPS: f64 = 25.0;
/// Number of frames that must agree: the default.
const FRAMES_TO_AGREE: f64 = 2.0;

/// Measuring time of an empty gate.
const EMPTY_SECONDS: u64 = 30;

/// Latency of one walk-up in milliseconds, in the order of [`STAGES`]; the last is the total.
type Row = [f64; 7];
const STAGES: [&str; 7] =
    ["frames that agree", "capture → decoded", "detect", "embed, liveness", "decide", "publish", "total"];

fn main() {
    if decode_if_asked() {
        return;
    }
    let walk_ups = std::env::var("GATEHOUSE_BENCH_WALK_UPS").ok().and_then(|n| n.parse().ok()).unwrap_or(WALK_UPS);
    let inference = inference_alone();
    let seconds_each = 2.0;
    // Not a multiple of the frame interval, so each walk-up begins at another phase.
    let gap_seconds = 0.84;
    println!(
        "profile: {}; {} processors; {walk_ups} walk-ups a row, each {seconds_each} s and {gap_seconds} s apart",
        if cfg!(debug_assertions) { "dev" } else { "release" },
        processors(),
    );
    println!("one frame's detection, alignment, embedding and liveness, alone: {inference:.1} ms (median)");
    let scene = Scene::WalkUp(WalkUp { people: vec![resident()], seconds_each, gap_seconds });
    let mount = MountConfig { max_seconds: 60, ..MountConfig::new("gate", scene) };
    let sim = Sim::start(SimConfig { mounts: vec![mount], ..SimConfig::default() }).expect("the simulator starts");
    for rate in RATES {
        let before = StealTime::since_now();
        let rows = time_walk_ups(&sim.url("gate"), None, rate, walk_ups);
        let floor = (FRAMES_TO_AGREE - 1.0) * 1e3 / CAMERA_FPS + inference;
        println!("\n{rate} frames a second analysed while nobody is near; floor {floor:.0} ms");
        let stolen = before.percent().map_or_else(|| "an unknown share".to_owned(), |share| format!("{share:.1} %"));
        println!("{stolen} of the processors' time went to other machines on this host; milliseconds:");
        println!("{:<18}  {:>7}  {:>7}  {:>7}  {:>7}", "", "p50", "p95", "p99", "worst");
        for (stage, name) in STAGES.iter().enumerate() {
            print_percentiles(name, rows.iter().map(|row| row[stage]).collect());
        }
    }
    drop(sim);
    with_and_without_a_sub_stream(walk_ups / 3);
}

fn print_percentiles(name: &str, mut values: Vec<f64>) {
    values.sort_by(f64::total_cmp);
    // Nearest rank: a measured value.
    let at = |share: f64| values[((share * values.len() as f64).ceil() as usize).clamp(1, values.len()) - 1];
    println!("{name:<18}  {:>7.1}  {:>7.1}  {:>7.1}  {:>7.1}", at(0.5), at(0.95), at(0.99), at(1.0));
}

/// Walk-ups with pauses in which a gate with a sub-stream decodes key frames only, and an empty
/// gate.
fn with_and_without_a_sub_stream(walk_ups: usize) {
    let start = |gap_seconds: f64| {
        let scene = Scene::WalkUp(WalkUp { people: vec![resident()], seconds_each: 2.0, gap_seconds });
        let max_seconds = 60;
        let main = MountConfig { max_seconds, gop_seconds: 2.0, ..MountConfig::new("main", scene.clone()) };
        let sub = MountConfig { max_seconds, size: [640, 360], gop_seconds: 2.0, ..MountConfig::new("sub", scene) };
        Sim::start(SimConfig { mounts: vec![main, sub], ..SimConfig::default() }).expect("the simulator starts")
    };
    let sim = start(5.84);
    println!("\n{walk_ups} walk-ups 5.84 s apart, key frames 2 s apart, 10 frames a second analysed; milliseconds:");
    println!("{:<18}  {:>7}  {:>7}  {:>7}  {:>7}", "", "p50", "p95", "p99", "worst");
    for (name, sub) in [("without sub-stream", None), ("with sub-stream", Some(sim.url("sub")))] {
        let rows = time_walk_ups(&sim.url("main"), sub.as_deref(), RATES[0], walk_ups);
        print_percentiles(name, rows.iter().map(|row| row[row.len() - 1]).collect());
    }
    drop(sim);

    let sim = start(58.0);
    let time = Duration::from_secs(EMPTY_SECONDS);
    println!("\nan empty gate, milliseconds of processor time a second:");
    for (name, sub) in [("without sub-stream", None), ("with sub-stream", Some(sim.url("sub")))] {
        println!("{name:<18}  {:>7.1}", empty_gate(&sim.url("main"), sub.as_deref(), time));
    }
    for name in ["main", "sub"] {
        println!("decoding {name:<9}  {:>7.1}", decode_alone(&[sim.url(name)], time, None));
    }
}

/// Processor time of a node while nobody comes, in milliseconds per second.
fn empty_gate(url: &str, sub: Option<&str>, time: Duration) -> f64 {
    let site = SiteFolder::new(PROGRAM, &gate(url, sub, RATES[0]));
    let node = Node::start(&site);
    node.wait("the camera", |_, event| match event {
        Event::Health(health) if health.state == CameraState::Live => Some(()),
        _ => None,
    });
    std::thread::sleep(SETTLED);
    let (pid, from) = (node.pid().to_string(), Instant::now());
    let before = cpu_time_ms(&pid);
    std::thread::sleep(time);
    let used = (cpu_time_ms(&pid) - before) / from.elapsed().as_secs_f64();
    node.stop();
    used
}

/// The enrolled person, on a photograph that was not used for enrolment.
fn resident() -> Person {
    Person::photo(media("obama2.jpg")).with_face(FaceBox(195.0, 224.0, 276.0, 390.0))
}

/// A gate's configuration. Without a cool-down every walk-up is admitted.
fn gate(url: &str, sub: Option<&str>, rate: f64) -> String {
    let sub = sub.map(|sub| format!("sub_source = \"{sub}\"\n")).unwrap_or_default();
    format!(
        "[[gate]]\nid = \"gate\"\nsource = \"{url}\"\n{sub}liveness = \"required\"\nanalyse_fps = {rate:.1}\n\
         frames_to_agree = {FRAMES_TO_AGREE}\ncool_down_s = 0\n"
    )
}

/// Median time of all models and the alignment for one frame with one face, one after the other, in
/// milliseconds.
fn inference_alone() -> f64 {
    let assets = Assets::locate().expect("HOME or GATEHOUSE_ASSETS is set");
    let photo = read_photo(&media("astronaut.png"), &PhotoLimits::default()).expect("run `make setup`");
    let registry = Registry::open(assets, Catalogue::builtin().expect("built-in manifests")).expect("run `make setup`");
    let options = SessionOptions::default();
    let mut detector = FaceDetector::load(&registry, "yunet", &options).expect("run `make setup`");
    let mut embedder = FaceEmbedder::load(&registry, "sface", &options).expect("run `make setup`");
    let mut liveness = LivenessModel::load(&registry, "fr-liveness", &options).expect("run `make setup`");
    let (mut found, mut embeddings, mut scores) = (Vec::new(), Vec::new(), Vec::new());
    let mut times: Vec<f64> = (0..50)
        .map(|_| {
            let start = Instant::now();
            let picture = photo.as_video();
            detector.detect(&[picture], 0.7, &mut found).expect("it detects");
            let face = found[0][0];
            let aligned = align_face(&picture, &face.landmarks_in_frame).expect("a face");
            embedder.embed(&[aligned], &mut embeddings).expect("it embeds");
            liveness.score(&[(&picture, face.box_in_frame)], &mut scores).expect("it scores");
            millis(start.elapsed())
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn time_walk_ups(url: &str, sub: Option<&str>, rate: f64, walk_ups: usize) -> Vec<Row> {
    let site = SiteFolder::new(PROGRAM, &gate(url, sub, rate));
    site.enrol(&[media("obama.jpg"), media("obama3.jpg")], "2099-12-31");
    let node = Node::start(&site);
    let mut rows = Vec::with_capacity(walk_ups);
    let mut first = true;
    while rows.len() < walk_ups {
        let entry = node.wait("the resident's admission", |_, event| match event {
            Event::Entry(entry) => Some(entry.clone()),
            _ => None,
        });
        let received = now();
        let admitted = (entry.decision, entry.reason) == (Decision::Admit, Reason::Matched);
        assert!(admitted, "the resident is referred: {:?}", entry.reason);
        // The stream may have been joined in the middle of a walk-up.
        if !std::mem::take(&mut first) {
            rows.push(row(&entry, received));
        }
    }
    node.stop();
    rows
}

fn row(entry: &EntryEvent, received: WallTime) -> Row {
    let l = &entry.latency_ms;
    let stages = [l.acquire, l.capture_to_arrival, l.detect, l.embed, l.decide];
    let decided: f64 = stages[1..].iter().sum();
    let publish = millis(received.distance(entry.capture_time.at)) - decided;
    let [acquire, capture, detect, embed, decide] = stages;
    [acquire, capture, detect, embed, decide, publish, acquire + decided + publish]
}

fn now() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set");
    WallTime::from_unix_nanos(since.as_nanos() as i64)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
