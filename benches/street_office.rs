//! A street office: 81 crowd cameras on one small node, for ten minutes, and what that takes: `make bench-street`.
//!
//! Each camera sends 1280×720 H.264 at 25 frames a second over real RTSP, a key frame every 2 s, and is to be looked at once in 2 s.
//! In most of an office's pictures nothing moves most of the time; here a share of them is still, but for a sensor's noise, and the
//! others the pedestrians of a real camera without a break. An unchanged picture is counted as the one before, and its event says so. The
//! cameras' key frames come one after the other, as those of cameras do that weren't switched on at once.
//!
//! `GATEHOUSE_BENCH_MINUTES`, `GATEHOUSE_BENCH_CAMERAS`, `GATEHOUSE_BENCH_STILL` (the share of cameras in whose picture nothing moves, in
//! per cent), `GATEHOUSE_BENCH_KEY_SECONDS` (from one key frame to the next), `GATEHOUSE_BENCH_DETAIL_PX` and `GATEHOUSE_BENCH_MODEL`
//! change it. The simulator sends on the same processors.

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
use measure::{Stolen, processors, used_ms};

const PROGRAM: Program = Program(env!("CARGO_BIN_EXE_gatehouse"));
/// Frames of each camera a second.
const RATE: f64 = 0.5;
/// By then all cameras have connected, and their first reports are over.
const STARTED: Duration = Duration::from_secs(40);
/// A node reports its cameras every 10 s. In so many reports a camera at this rate is looked at thirty times, so that the one frame that
/// may fall beyond their ends doesn't decide.
const REPORTS_JUDGED: usize = 6;
/// A camera keeps its rate if so much of it is looked at.
const KEPT: f64 = 0.95;

fn main() {
    let number = |name: &str, default| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (cameras, minutes) = (number("GATEHOUSE_BENCH_CAMERAS", 81), number("GATEHOUSE_BENCH_MINUTES", 10));
    let (still, detail_px) = (number("GATEHOUSE_BENCH_STILL", 0), number("GATEHOUSE_BENCH_DETAIL_PX", 416));
    let key_seconds = number("GATEHOUSE_BENCH_KEY_SECONDS", 2);
    let model = std::env::var("GATEHOUSE_BENCH_MODEL").unwrap_or_else(|_| "nanodet-int8".to_owned());
    let folder = tempfile::tempdir().expect("a folder");
    let still_street = folder.path().join("still.y4m");
    // Two key frames that differ in their noise, for one picture again and again would be a frozen camera's, behind those in which the
    // encoder finds its quality.
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
    let stolen = Stolen::since_now();
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
        "minute", "worst rate", "looked at", "unchanged", "node ms/s", "p99 ms", "MiB"
    );
    let mut latest = BTreeMap::new();
    while start.elapsed() < STARTED {
        report(&mut latest);
    }
    let (since, node_before, sim_before) = (Instant::now(), used_ms(&pid), used_ms("self"));
    let (mut missed, mut looked_at) = (0, 0.0);
    for minute in 1..=minutes {
        // For each camera, how often it was looked at a second, on average, and was as before.
        let mut means: BTreeMap<String, [f64; 2]> = BTreeMap::new();
        let (mut busy_ms, mut p99) = (0.0, 0f64);
        for _ in 0..REPORTS_JUDGED {
            let load = report(&mut latest);
            for (camera, rates) in &latest {
                let mean = means.entry(camera.clone()).or_default();
                mean.iter_mut().zip(rates).for_each(|(mean, rate)| *mean += rate / REPORTS_JUDGED as f64);
            }
            busy_ms += 1000.0 * load.cpu_usage * f64::from(load.processors) / REPORTS_JUDGED as f64;
            p99 = p99.max(load.crowds.as_ref().map_or(0.0, |crowds| crowds.latency_ms.total.p99));
        }
        let shares = means.values().map(|[analysed, unchanged]| (analysed + unchanged) / RATE);
        missed += shares.clone().filter(|share| *share < KEPT).count() + (cameras - means.len());
        let [analysed, unchanged] = [0, 1].map(|of| means.values().map(|mean| mean[of]).sum::<f64>());
        looked_at += (analysed + unchanged) / minutes as f64;
        println!(
            "{minute:>8} {:>9.0} % {analysed:>8.1}/s {unchanged:>8.1}/s {busy_ms:>10.0} {p99:>9.0} {:>7}",
            100.0 * shares.fold(f64::INFINITY, f64::min),
            footprint(node.pid()).1,
        );
    }
    let seconds = since.elapsed().as_secs_f64();
    let (threads, memory) = footprint(node.pid());
    println!(
        "\n{cameras} cameras, {minutes} minutes: {looked_at:.1} pictures a second were looked at of {:.1}; a camera missed its rate in a \
         minute {missed} times; the node took {:.0} ms of processor time a second, the simulator {:.0}; {memory} MiB, {threads} threads",
        RATE * cameras as f64,
        (used_ms(&pid) - node_before) / seconds,
        (used_ms("self") - sim_before) / seconds,
    );
    if let Some(share) = stolen.percent() {
        println!("{share:.1} % of the processors' time was taken by other machines on this host");
    }
    node.stop();
}

/// So many seconds in which nothing moves, in a sensor's noise.
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
