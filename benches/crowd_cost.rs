//! Cost of a crowd camera that is analysed once a second: `make bench-crowd`.
//!
//! The first table has the processor time of a node with one crowd camera (1280×720 at 25 frames a
//! second over RTSP), compared with the bound: decoding alone, in a process that drops every frame,
//! plus inference alone. Rows: a key frame a second (key-frame-only decoding), one in ten seconds,
//! and the latter with B-frames; with a detection model and with one that also estimates density.
//! The simulator runs in another process. The second table has the cost of one picture from the
//! decoded frame to its events, for few people and for a packed crowd. The third has the cost of
//! zones. `GATEHOUSE_BENCH_SECONDS` sets the time per row.

#![allow(clippy::expect_used, reason = "a bench without its models has nothing to measure")]
#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]

#[path = "measure/mod.rs"]
mod measure;

use std::time::{Duration, Instant};

use gatehouse_core::picture_check::PictureVerdict;
use gatehouse_core::time::{CaptureTime, ClockSource, Monotonic, WallTime};
use gatehouse_core::zone::Zone;
use gatehouse_core::{CameraId, Event, ZoneId};
use gatehouse_crowd::{Crowd, CrowdModel, CrowdOptions, CrowdPicture, CrowdReader, LEAST_SCORE};
use gatehouse_people::PeopleScene;
use gatehouse_picture::{NormalisedPolygon, Point};
use gatehouse_runtime::{PhotoLimits, SessionOptions, read_photo};
use gatehouse_sim::{MountConfig, Scene, Sim, SimConfig};
use gatehouse_testing::node::{Node, Program, SiteFolder, media};
use measure::{DETAIL_PX, cpu_time_ms, decode_alone, decode_if_asked, people_alone, processors, registry};

const PROGRAM: Program = Program(env!("CARGO_BIN_EXE_gatehouse"));
const SECONDS: u64 = 30;
/// Key-frame interval in seconds, and number of non-reference B-frames between two other frames.
const STREAMS: [(f64, u32); 3] = [(1.0, 0), (10.0, 0), (10.0, 1)];
const MODELS: [&str; 2] = ["nanodet", "crowd"];

fn main() {
    if decode_if_asked() {
        return;
    }
    let seconds = std::env::var("GATEHOUSE_BENCH_SECONDS").ok().and_then(|n| n.parse().ok()).unwrap_or(SECONDS);
    println!(
        "profile: {}; {} processors; {seconds} s a row; processor time in ms a second",
        if cfg!(debug_assertions) { "dev" } else { "release" },
        processors(),
    );
    let inference = MODELS.map(people_alone);
    println!(
        "{:<10} {:>16} {:>12} {:>14} {:>10} {:>8} {:>9}",
        "model", "key frame every", "the node", "decode alone", "inference", "bound", "× bound"
    );
    for (gop_seconds, b_frames) in STREAMS {
        let mount = MountConfig {
            size: [1280, 720],
            gop_seconds,
            b_frames,
            ..MountConfig::new("plaza", Scene::File(media("vtest.avi")))
        };
        let sim = Sim::start(SimConfig { mounts: vec![mount], ..SimConfig::default() }).expect("the simulator starts");
        let time = Duration::from_secs(seconds);
        let decoding = decode_alone(&[sim.url("plaza")], time, Some(Duration::from_secs(1)));
        for (model, inference) in MODELS.iter().zip(inference) {
            let node = node(&sim.url("plaza"), model, time);
            let bound = decoding + inference;
            println!(
                "{model:<10} {:>16} {node:>12.1} {decoding:>14.1} {inference:>10.1} {bound:>8.1} {:>9.2}",
                format!("{gop_seconds} s{}", if b_frames > 0 { ", B-frames" } else { "" }),
                node / bound
            );
        }
        sim.stop().expect("it stops");
    }
    println!("\none picture at {DETAIL_PX} pixels, from the decoded frame to its events, in ms of processor time");
    println!(
        "{:<16} {:>9} {:>11} {:>8} {:>9} {:>11} {:>8}",
        "model", "sparse", "counting", "people", "dense", "counting", "people"
    );
    for (model, density) in [("nanodet", None), ("crowd", None), ("crowd", Some("csrnet"))] {
        let [sparse, dense] = [SPARSE, DENSE].map(|picture| one_picture(model, density, picture, 0));
        let named = density.map_or_else(|| model.to_owned(), |density| format!("{model} + {density}"));
        match (sparse, dense) {
            (Some(sparse), Some(dense)) => println!(
                "{named:<16} {:>9.1} {:>11.3} {:>8.0} {:>9.1} {:>11.3} {:>8.0}",
                sparse.total_ms, sparse.counting_ms, sparse.people, dense.total_ms, dense.counting_ms, dense.people
            ),
            _ => println!("{named:<16} not set up: make setup WITH=csrnet"),
        }
    }
    println!("\ncounting alone, of one dense picture with `crowd`, by the number of zones");
    for zones in [0, 1, 4, 16, 64] {
        let picture = one_picture("crowd", None, DENSE, zones).expect("run `make setup`");
        println!("  {zones:>3} zones: {:.2} ms", picture.counting_ms);
    }
}

/// Overlapping squares with a fifth of the picture's sides.
fn zones(number: usize) -> Vec<Zone> {
    let zone = |i: usize| {
        let (left, top) = ((i % 8) as f32 * 0.1, (i / 8 % 8) as f32 * 0.1);
        let corner = |x, y| Point { x, y };
        let corners =
            vec![corner(left, top), corner(left + 0.2, top), corner(left + 0.2, top + 0.2), corner(left, top + 0.2)];
        let polygon = NormalisedPolygon::new(corners).expect("a square");
        Zone {
            id: ZoneId::new(&format!("zone-{i}")),
            name: None,
            polygon,
            area_m2: Some(20.0),
            thresholds: None,
            surge: None,
        }
    };
    (0..number).map(zone).collect()
}

/// A plaza with a few people, and a rendered crowd of 481.
const SPARSE: &str = "models/golden/vtest-600.jpg";
const DENSE: &str = "tools/eval/tests/crowd/rendered.jpg";

/// Cost of one picture.
struct OnePicture {
    /// Inference and counting, in ms.
    total_ms: f64,
    /// The part of counting: tracking, fusion, zones and events, in ms.
    counting_ms: f64,
    people: f64,
}

/// `None` if the model was not set up.
fn one_picture(model: &str, density: Option<&str>, picture: &str, zone_number: usize) -> Option<OnePicture> {
    const RUNS: u32 = 8;
    let mut reader = CrowdReader::load(&registry(), model, density, &SessionOptions::default()).ok()?;
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(picture);
    let photo = read_photo(&path, &PhotoLimits::default()).expect("it is in the repository");
    let options = CrowdOptions {
        zones: zones(zone_number),
        excluded: Vec::new(),
        lines: Vec::new(),
        ground: None,
        map_columns: 32,
        map_rows: 18,
        detail_px: DETAIL_PX,
        min_score: 0.5,
        follows: true,
    };
    let mut crowd = Crowd::new(CameraId::new("plaza"), CrowdModel::of(&reader), options);
    let (picture, mut readings) = (photo.as_video(), Vec::new());
    let (mut counting, mut people, mut before) = (Duration::ZERO, 0.0, 0.0);
    for run in 0..=RUNS {
        if run == 1 {
            // The first run is the warm-up.
            (before, counting) = (cpu_time_ms("self"), Duration::ZERO);
        }
        let scene = PeopleScene { picture, longer_side_px: DETAIL_PX, density_side_px: DETAIL_PX, tiles: &[] };
        reader.read(std::iter::once(scene), LEAST_SCORE, &mut readings).expect("it reads");
        let start = Instant::now();
        let after = Duration::from_millis(500) * run;
        let at = WallTime::from_unix_nanos(1_790_000_000_000_000_000) + after;
        let events = crowd.count(&CrowdPicture {
            reading: &readings[0],
            frame: picture.size(),
            capture_time: CaptureTime { at, source: ClockSource::Arrival, error_ms: 0, clock_offset_ms: None },
            arrival: Monotonic::from_start(after),
            verdict: PictureVerdict::Sound,
            moved: false,
        });
        counting += start.elapsed();
        people = events.map_or(people, |events| events.density.count);
    }
    let each = |ms: f64| ms / f64::from(RUNS);
    Some(OnePicture {
        total_ms: each(cpu_time_ms("self") - before),
        counting_ms: each(counting.as_secs_f64() * 1e3),
        people,
    })
}

fn node(url: &str, model: &str, time: Duration) -> f64 {
    let site = SiteFolder::new(
        PROGRAM,
        &format!(
            "[models]\nperson_detector = \"{model}\"\n[[crowd]]\nid = \"plaza\"\nsource = \"{url}\"\nanalyse_fps = 1.0\n"
        ),
    );
    let node = Node::start(&site);
    let counts = |node: &Node, until: Instant| {
        let mut counted = 0;
        while Instant::now() < until {
            node.wait("a count", |_, event| matches!(event, Event::Density(_)).then_some(()));
            counted += 1;
        }
        counted
    };
    // After this time the node decodes key-frame-only if key frames suffice.
    counts(&node, Instant::now() + Duration::from_secs(6));
    let pid = node.pid().to_string();
    let (before, start) = (cpu_time_ms(&pid), Instant::now());
    let counted = counts(&node, start + time);
    let used = (cpu_time_ms(&pid) - before) / start.elapsed().as_secs_f64();
    let rate = f64::from(counted) / start.elapsed().as_secs_f64();
    assert!((0.8..1.2).contains(&rate), "{rate} counts a second instead of one");
    node.stop();
    used
}
