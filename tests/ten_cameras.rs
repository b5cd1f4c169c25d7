//! Ten cameras, five of them at dead addresses: the others keep their rate, and the node does not
//! grow.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

use std::collections::BTreeMap;
use std::net::TcpListener;

use gatehouse_core::Event;
use gatehouse_core::health::{CameraState, HealthEvent};
use gatehouse_sim::{MountConfig, Scene, Sim, SimConfig};
use gatehouse_testing::node::{Node, Program, SiteFolder, footprint};

const PROGRAM: Program = Program(env!("CARGO_BIN_EXE_gatehouse"));

/// Addresses on which nothing listens: the system chose the ports, and they were closed again.
fn dead_addresses(count: usize) -> Vec<String> {
    let listeners: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
    listeners.iter().map(|l| format!("rtsp://{}/cam", l.local_addr().expect("an address"))).collect()
}

#[test]
fn dead_cameras_cost_the_others_nothing() {
    let mount = |i: usize| MountConfig {
        size: [640, 360],
        fps: 10,
        bitrate_kbps: 500,
        max_seconds: 4,
        // Key frames are rarer than the rate, so every frame is decoded.
        gop_seconds: 2.0,
        ..MountConfig::new(format!("cam-{i}"), Scene::Pattern("smpte".into()))
    };
    let mounts = (0..5).map(mount).collect();
    let sim = Sim::start(SimConfig { mounts, ..SimConfig::default() }).expect("the simulator starts");
    let live = (0..5).map(|i| (format!("live-{i}"), sim.url(&format!("cam-{i}"))));
    let dead = dead_addresses(5).into_iter().enumerate().map(|(i, url)| (format!("dead-{i}"), url));
    let cameras: String = live
        .chain(dead)
        .map(|(id, url)| format!("[[crowd]]\nid = \"{id}\"\nsource = \"{url}\"\nanalyse_fps = 1.0\ndetail_px = 320\n"))
        .collect();
    let site = SiteFolder::new(PROGRAM, &cameras);
    let node = Node::start(&site);

    // Periodic reports of all cameras come every 10 s; reports on change come between them. The
    // cameras connect in the first period; the footprint is measured after it and after two more.
    let mut latest: BTreeMap<String, HealthEvent> = BTreeMap::new();
    let mut footprints = Vec::new();
    let mut rates: Vec<(f64, f64)> = Vec::new();
    while footprints.len() < 3 {
        node.wait("the last live camera's report with rates", |_, event| {
            let Event::Health(health) = event else { return None };
            let fresh =
                latest.insert(health.camera.to_string(), health.clone()).map(|h| (h.fps_decoded, h.frames.missed));
            let periodic = fresh != Some((health.fps_decoded, health.frames.missed)) || health.fps_decoded > 0.0;
            (health.camera.as_str() == "live-4" && periodic && health.fps_decoded > 0.0).then_some(())
        });
        footprints.push(footprint(node.pid()));
        if footprints.len() > 1 {
            let live = latest.iter().filter(|(id, _)| id.starts_with("live"));
            rates.extend(live.map(|(_, h)| (h.fps_decoded, h.fps_analysed)));
        }
    }
    println!("(threads, MiB) after each period: {footprints:?}; (decoded, analysed) a second: {rates:?}");

    // With small pictures two cores of a busy machine keep up with five cameras. A dead camera
    // could cost the others the seconds of its timeout, several times in each period.
    assert_eq!(rates.len(), 10);
    for (decoded, analysed) in rates {
        assert!(decoded >= 9.0, "{decoded} of 10 frames decoded a second");
        assert!(analysed >= 0.7, "{analysed} of 1 frame analysed a second");
    }
    for (id, health) in &latest {
        let expected = if id.starts_with("live") { CameraState::Live } else { CameraState::Lost };
        assert_eq!(health.state, expected, "{id}: {:?}", health.reason);
    }
    let ((threads_before, memory_before), (threads, memory)) = (footprints[0], footprints[2]);
    // A dead camera that is just connecting has some more threads of GStreamer.
    assert!(threads <= threads_before + 10, "threads grew from {threads_before} to {threads}");
    assert!(memory <= memory_before + 30, "memory grew from {memory_before} to {memory} MiB");
    node.stop();
}
