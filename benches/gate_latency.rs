//! How long a resident waits at a gate, from the first frame that shows them near enough to the event at a subscriber, stage
//! by stage: `make bench-gate`.
//!
//! A real node with one gate camera, over real RTSP at 25 frames a second, whose resident walks up again and again; the
//! simulator, which sends a video that was encoded before, and the subscriber run on the same cores. The floor is what no
//! implementation could go below with these models: the wait for the frames that must agree, and one frame's inference,
//! measured alone before the node starts. `GATEHOUSE_BENCH_WALK_UPS` sets how many walk-ups are timed for each row.

#![allow(clippy::expect_used, reason = "a bench without its models has nothing to measure")]
#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]

#[path = "measure/mod.rs"]
mod measure;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gatehouse_core::Event;
use gatehouse_core::event::{Decision, EntryEvent, Reason};
use gatehouse_core::time::WallTime;
use gatehouse_models::{
    Assets, Catalogue, FaceDetector, FaceEmbedder, LivenessModel, PhotoLimits, Registry, SessionOptions, align_face,
    read_photo,
};
use gatehouse_sim::{FaceBox, MountConfig, Person, Scene, Sim, SimConfig, WalkUp};
use gatehouse_testing::node::{Node, Program, SiteFolder, media};
use measure::{Stolen, processors};

const PROGRAM: Program = Program(env!("CARGO_BIN_EXE_gatehouse"));
const WALK_UPS: usize = 100;
/// Frames a second that are analysed while nobody is near: the default, and half of it.
const RATES: [f64; 2] = [10.0, 5.0];
/// Of the camera: while somebody is decided about each one is analysed.
const CAMERA_FPS: f64 = 25.0;
/// Frames that must agree: the default.
const FRAMES_TO_AGREE: f64 = 2.0;

/// One walk-up's milliseconds, in the order of [`STAGES`]; the last is the whole.
type Row = [f64; 7];
const STAGES: [&str; 7] =
    ["frames that agree", "capture → decoded", "detect", "embed, liveness", "decide", "publish", "all"];

fn main() {
    let walk_ups = std::env::var("GATEHOUSE_BENCH_WALK_UPS").ok().and_then(|n| n.parse().ok()).unwrap_or(WALK_UPS);
    let inference = inference_alone();
    let seconds_each = 2.0;
    // Not a multiple of the frames' intervals: each walk-up meets them at another moment.
    let gap_seconds = 0.84;
    println!(
        "profile: {}; {} processors; {walk_ups} walk-ups a row, each {seconds_each} s and {gap_seconds} s apart",
        if cfg!(debug_assertions) { "dev" } else { "release" },
        processors(),
    );
    println!("one frame's detection, alignment, embedding and liveness, alone: {inference:.1} ms (median)");
    // The resident, from another photograph than those they are enrolled by.
    let resident = Person::photo(media("obama2.jpg")).with_face(FaceBox(195.0, 224.0, 276.0, 390.0));
    let scene = Scene::WalkUp(WalkUp { people: vec![resident], seconds_each, gap_seconds });
    let mount = MountConfig { max_seconds: 60, ..MountConfig::new("gate", scene) };
    let sim = Sim::start(SimConfig { mounts: vec![mount], ..SimConfig::default() }).expect("the simulator starts");
    for rate in RATES {
        let before = Stolen::since_now();
        let mut rows = time_walk_ups(&sim.url("gate"), rate, walk_ups);
        let floor = (FRAMES_TO_AGREE - 1.0) * 1e3 / CAMERA_FPS + inference;
        println!("\n{rate} frames a second analysed while nobody is near; floor {floor:.0} ms");
        let stolen = before.percent().map_or_else(|| "an unknown share".to_owned(), |share| format!("{share:.1} %"));
        println!("{stolen} of the processors' time was taken by other machines on this host; milliseconds:");
        println!("{:<18}  {:>7}  {:>7}  {:>7}  {:>7}", "", "p50", "p95", "p99", "worst");
        for (stage, name) in STAGES.iter().enumerate() {
            rows.sort_by(|a, b| a[stage].total_cmp(&b[stage]));
            // The nearest rank: a value that was measured.
            let at = |share: f64| rows[((share * rows.len() as f64).ceil() as usize).clamp(1, rows.len()) - 1][stage];
            println!("{name:<18}  {:>7.1}  {:>7.1}  {:>7.1}  {:>7.1}", at(0.5), at(0.95), at(0.99), at(1.0));
        }
    }
}

/// Median milliseconds of what the models and the alignment take for one frame with one face, one after the other.
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

fn time_walk_ups(url: &str, rate: f64, walk_ups: usize) -> Vec<Row> {
    let site = SiteFolder::new(
        PROGRAM,
        // Without a cool-down every walk-up is a new one.
        &format!(
            "[[gate]]\nid = \"gate\"\nsource = \"{url}\"\nliveness = \"required\"\nanalyse_fps = {rate:.1}\n\
             frames_to_agree = {FRAMES_TO_AGREE}\ncool_down_s = 0\n"
        ),
    );
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
        // The camera may have been joined in the middle of a walk-up.
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
