//! Growth of a node with each camera, and within a day: `make bench-growth`.
//!
//! The first part runs nodes with 1 to 100 crowd cameras (1280×720 at 25 frames a second over RTSP,
//! one frame in ten seconds analysed). It prints start-up time, time until each camera was counted,
//! memory and threads. The second part sends a day's frames of a crowd camera at one frame a
//! second, and gates' frames, through one node as fast as possible: memory must stay as after the
//! first tenth. `GATEHOUSE_BENCH_FRAMES` and `GATEHOUSE_BENCH_CAMERAS` set the numbers.

#![allow(clippy::expect_used, reason = "a bench without its media has nothing to measure")]
#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]

use std::collections::BTreeSet;
use std::time::Instant;

use gatehouse_core::Event;
use gatehouse_sim::{ClipLibrary, MountConfig, Replay, Scene};
use gatehouse_testing::node::{Node, Program, SiteFolder, footprint, media};

const PROGRAM: Program = Program(env!("CARGO_BIN_EXE_gatehouse"));
/// One frame a second for a day.
const A_DAY: u64 = 86_400;
/// Number of small cameras of each role that send a day's frames.
const SMALL_CAMERAS: usize = 10;

fn main() {
    let number = |name: &str, default| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let most = number("GATEHOUSE_BENCH_CAMERAS", 100);
    let mount = |i: usize| MountConfig {
        size: [1280, 720],
        gop_seconds: 2.0,
        ..MountConfig::new(format!("cam-{i}"), Scene::File(media("vtest.avi")))
    };
    let mounts: Vec<_> = (0..most as usize).map(mount).collect();
    let sim = Replay::start(&mounts, &ClipLibrary::default()).expect("the simulator starts");
    println!("{:>8} {:>10} {:>14} {:>8} {:>8}", "cameras", "start s", "all counted s", "MiB", "threads");
    for cameras in [1, 25, 50, most].into_iter().filter(|cameras| *cameras <= most) {
        with_cameras(&sim, cameras as usize);
    }
    drop(sim);
    a_day(number("GATEHOUSE_BENCH_FRAMES", A_DAY));
}

fn with_cameras(sim: &Replay, cameras: usize) {
    let tables: String = (0..cameras)
        .map(|i| {
            format!("[[crowd]]\nid = \"cam-{i}\"\nsource = \"{}\"\nanalyse_fps = 0.1\n", sim.url(&format!("cam-{i}")))
        })
        .collect();
    let site = SiteFolder::new(PROGRAM, &format!("[models]\nperson_detector = \"nanodet-int8\"\n{tables}"));
    let start = Instant::now();
    let node = Node::start(&site);
    let started = start.elapsed();
    let mut counted = BTreeSet::new();
    node.wait("a count of each camera", |_, event| {
        if let Event::Density(density) = event {
            counted.insert(density.camera.to_string());
        }
        (counted.len() == cameras).then_some(())
    });
    let all = start.elapsed();
    let (threads, memory) = footprint(node.pid());
    println!("{cameras:>8} {:>10.1} {:>14.1} {memory:>8} {threads:>8}", started.as_secs_f64(), all.as_secs_f64());
    node.stop();
}

fn a_day(frames: u64) {
    // Crowd cameras send key frames only, so a node that cannot keep up decodes only the frames
    // that it analyses.
    let mount = |i: usize| MountConfig {
        size: [320, 180],
        gop_seconds: if i < SMALL_CAMERAS { 0.04 } else { 2.0 },
        ..MountConfig::new(format!("cam-{i}"), Scene::File(media("vtest.avi")))
    };
    let mounts: Vec<_> = (0..2 * SMALL_CAMERAS).map(mount).collect();
    let sim = Replay::start(&mounts, &ClipLibrary::default()).expect("the simulator starts");
    let tables: String = (0..SMALL_CAMERAS)
        .map(|i| {
            let [crowd, gate] = [i, SMALL_CAMERAS + i].map(|i| sim.url(&format!("cam-{i}")));
            format!(
                "[[crowd]]\nid = \"crowd-{i}\"\nsource = \"{crowd}\"\nanalyse_fps = 25.0\ndetail_px = 256\nskip_unchanged = false\n\
                 [[gate]]\nid = \"gate-{i}\"\nsource = \"{gate}\"\nanalyse_fps = 10.0\nliveness = \"required\"\n"
            )
        })
        .collect();
    let site = SiteFolder::new(PROGRAM, &format!("[models]\nperson_detector = \"nanodet-int8\"\n{tables}"));
    let (node, start) = (Node::start(&site), Instant::now());
    println!("\n{frames} frames of {SMALL_CAMERAS} crowd cameras, with {SMALL_CAMERAS} gates, in one node");
    println!("{:>8} {:>12} {:>12} {:>8} {:>8}", "second", "crowds'", "gates'", "MiB", "threads");
    let (mut crowds, mut gates, mut settled, mut next) = (0, 0, None, 0);
    while crowds < frames {
        let load = node.wait("a report", |_, event| match event {
            Event::Load(load) => Some(load.clone()),
            _ => None,
        });
        crowds += load.crowds.as_ref().map_or(0, |crowds| crowds.frames);
        gates += load.gates.as_ref().map_or(0, |gates| gates.frames);
        if crowds >= next {
            next += frames / 10;
            let (threads, memory) = footprint(node.pid());
            println!("{:>8.0} {crowds:>12} {gates:>12} {memory:>8} {threads:>8}", start.elapsed().as_secs_f64());
            if crowds >= frames / 10 {
                settled.get_or_insert(memory);
            }
        }
    }
    let (_, memory) = footprint(node.pid());
    println!("memory after a tenth {} MiB, at the end {memory} MiB", settled.unwrap_or_default());
    node.stop();
}
