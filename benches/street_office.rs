//! A street office: 81 crowd cameras on one small node for ten minutes: `make bench-street`.
//!
//! Each camera sends 1280×720 H.264 at 25 frames a second over RTSP, with a key frame every 2 s,
//! and is analysed once in 2 s. A share of the cameras shows a still street with a sensor's noise;
//! the others show the pedestrians of a real camera without a break. An unchanged picture repeats
//! the last counts, and its event says so. Key frames of the cameras are spread over time, as of
//! cameras that were switched on one by one. The simulator runs on the same processors.
//!
//! Settings: `GATEHOUSE_BENCH_MINUTES`, `GATEHOUSE_BENCH_CAMERAS`, `GATEHOUSE_BENCH_STILL` (still
//! cameras in per cent), `GATEHOUSE_BENCH_KEY_SECONDS` (key-frame interval),
//! `GATEHOUSE_BENCH_DETAIL_PX` and `GATEHOUSE_BENCH_MODEL`.

#![allow(clippy::expect_used, reason = "a bench without its media has nothing to measure")]
#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]

#[path = "measure/mod.rs"]
mod measure;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use gatehouse_core::Event;
use gatehouse_runtime::{PhotoLimits, read_photo};
use gatehouse_sim::{ClipLibrary, MountConfig, Replay, Scene};
use gatehouse_testing::node::{Node, Program, SiteFolder, footprint, media};
use measure::{StealTime, cpu_time_ms, processors};

const PROGRAM: Program = Program(env!("CARGO_BIN_EXE_gatehouse"));
/// Analysis rate of each camera, in frames a second.
const RATE: f64 = 0.5;
/// After this time all cameras have connected, and their first reports have passed.
const STARTED: Duration = Duration::from_secs(40);
/// Reports of 10 s each that are judged together. A camera is analysed thirty times in them, so one
/// frame beyond their end does not decide.
const REPORTS_JUDGED: usize = 6;
/// Least share of its rate at which a camera keeps it.
const KEPT: f64 = 0.95;

fn main() {
    let number = |name: &str, default| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (cameras, minutes) = (number("GATEHOUSE_BENCH_CAMERAS", 81), number("GATEHOUSE_BENCH_MINUTES", 10));
    let (still, detail_px) = (number("GATEHOUSE_BENCH_STILL", 0), number("GATEHOUSE_BENCH_DETAIL_PX", 416));
    let key_seconds = number("GATEHOUSE_BENCH_KEY_SECONDS", 2);
    let model = std::env::var("GATEHOUSE_BENCH_MODEL").unwrap_or_else(|_| "nanodet-int8".to_owned());
    let folder = tempfile::tempdir().expect("a folder");
    let still_street = folder.path().join("still.y4m");
    // Two key frames with different noise: one repeated picture would be a frozen camera's. The
    // first frames, in which the encoder adapts its quality, are skipped.
    let skip_seconds = 2 * key_seconds as u32;
    write_still_street(&still_street, 4 * key_seconds);
    let still_cameras = cameras * still / 100;
    let mount = |i: usize| {
        let (scene, skip_seconds) =
            if i < still_cameras { (still_street.clone(), skip_seconds) } else { (media("vtest.avi"), 0) };
        MountConfig {
            size: [1280, 720],
            skip_seconds,
            gop_seconds: key_seconds as f64,
            key_wait_seconds: measure::key_wait_seconds(i, key_seconds as f64),
            ..MountConfig::new(format!("cam-{i}"), Scene::File(scene))
        }
    };
    let mounts: Vec<_> = (0..cameras).map(mount).collect();
    let sim = Replay::start(&mounts, &ClipLibrary::default()).expect("the simulator starts");
    let tables = (0..cameras).map(|i| {
        format!(
            "[[crowd]]\nid = \"cam-{i}\"\nsource = \"{}\"\nanalyse_fps = {RATE}\ndetail_px = {detail_px}\npreview = false\n",
            sim.url(&format!("cam-{i}"))
        )
    });
    let site =
        SiteFolder::new(PROGRAM, &format!("[models]\nperson_detector = \"{model}\"\n{}", tables.collect::<String>()));
    println!(
        "{cameras} cameras, {still_cameras} of them still; {model} at {detail_px} pixels; a key frame in {key_seconds} s; {minutes} minutes; {} processors",
        processors()
    );
    let node = Node::start(&site);
    let (pid, start) = (node.pid().to_string(), Instant::now());
    let stolen = StealTime::since_now();
    let report = |latest: &mut BTreeMap<String, [f64; 2]>| {
        node.wait("a report", |_, event| match event {
            Event::Health(health) => {
                latest.insert(health.camera.to_string(), [health.fps_analysed, health.fps_unchanged]);
                None
            }
            Event::Load(load) => Some(load.clone()),
            _ => None,
        })
    };
    println!(
        "{:>8} {:>11} {:>10} {:>10} {:>10} {:>9} {:>7}",
        "minute", "worst rate", "analysed", "unchanged", "node ms/s", "p99 ms", "MiB"
    );
    let mut latest = BTreeMap::new();
    while start.elapsed() < STARTED {
        report(&mut latest);
    }
    let (since, node_before, sim_before) = (Instant::now(), cpu_time_ms(&pid), cpu_time_ms("self"));
    let (mut missed, mut looked_at) = (0, 0.0);
    for minute in 1..=minutes {
        // Per camera: mean rate of analysed frames, and of unchanged frames.
        let mut means: BTreeMap<String, [f64; 2]> = BTreeMap::new();
        let (mut cpu_ms, mut p99) = (0.0, 0f64);
        for _ in 0..REPORTS_JUDGED {
            let load = report(&mut latest);
            for (camera, rates) in &latest {
                let mean = means.entry(camera.clone()).or_default();
                mean.iter_mut().zip(rates).for_each(|(mean, rate)| *mean += rate / REPORTS_JUDGED as f64);
            }
            cpu_ms += 1000.0 * load.cpu_usage * f64::from(load.processors) / REPORTS_JUDGED as f64;
            p99 = p99.max(load.crowds.as_ref().map_or(0.0, |crowds| crowds.latency_ms.total.p99));
        }
        let shares = means.values().map(|[analysed, unchanged]| (analysed + unchanged) / RATE);
        missed += shares.clone().filter(|share| *share < KEPT).count() + (cameras - means.len());
        let [analysed, unchanged] = [0, 1].map(|of| means.values().map(|mean| mean[of]).sum::<f64>());
        looked_at += (analysed + unchanged) / minutes as f64;
        println!(
            "{minute:>8} {:>9.0} % {analysed:>8.1}/s {unchanged:>8.1}/s {cpu_ms:>10.0} {p99:>9.0} {:>7}",
            100.0 * shares.fold(f64::INFINITY, f64::min),
            footprint(node.pid()).1,
        );
    }
    let seconds = since.elapsed().as_secs_f64();
    let (threads, memory) = footprint(node.pid());
    println!(
        "\n{cameras} cameras, {minutes} minutes: {looked_at:.1} of {:.1} pictures a second were analysed; a camera missed its rate in a \
         minute {missed} times; the node took {:.0} ms of processor time a second, the simulator {:.0}; {memory} MiB, {threads} threads",
        RATE * cameras as f64,
        (cpu_time_ms(&pid) - node_before) / seconds,
        (cpu_time_ms("self") - sim_before) / seconds,
    );
    if let Some(share) = stolen.percent() {
        println!("{share:.1} % of the processors' time went to other machines on this host");
    }
    node.stop();
}

/// Writes a video in which nothing moves, with a sensor's noise.
fn write_still_street(path: &Path, seconds: usize) {
    let photo = read_photo(&media("t1.jpg"), &PhotoLimits::default()).expect("run `make setup`");
    let picture = photo.as_video();
    let size = picture.size();
    let mut out = std::io::BufWriter::new(std::fs::File::create(path).expect("it can be made"));
    writeln!(out, "YUV4MPEG2 W{} H{} F25:1 Ip A1:1 C420", size.width, size.height).expect("written");
    let mut random = 1u32;
    let mut noise = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 24) as u8 % 7
    };
    for _ in 0..25 * seconds {
        writeln!(out, "FRAME").expect("written");
        let luma = picture.luma();
        for row in 0..luma.rows {
            let noisy: Vec<u8> = luma.row(row).iter().map(|v| v.saturating_add(noise())).collect();
            out.write_all(&noisy).expect("written");
        }
        for plane in picture.chroma() {
            (0..plane.rows).for_each(|row| out.write_all(plane.row(row)).expect("written"));
        }
    }
    out.flush().expect("written");
}
