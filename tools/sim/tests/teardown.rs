//! A stopped simulator leaves nothing behind. Alone in its process, since it counts threads and
//! open files.

#![allow(clippy::unwrap_used, reason = "a test's helper may panic")]

mod threads;

use std::{fs, time::Duration};

use gatehouse_sim::{ClipLibrary, MountConfig, Scene, Sim, SimConfig};
use gstreamer::{self as gst, prelude::*};

use crate::threads::{threads, threads_that_stay};

const PATIENCE: Duration = Duration::from_secs(30);

fn entries(folder: &str) -> usize {
    fs::read_dir(folder).unwrap().count()
}

/// Starts a simulator with three cameras and a client each, over TCP, UDP and one that only
/// describes; then stops it under their feet.
fn live_and_die(library: &ClipLibrary) {
    let mounts = ["a", "b", "c"].map(|path| MountConfig {
        size: [160, 120],
        max_seconds: 1,
        bitrate_kbps: 200,
        ..MountConfig::new(path, Scene::Pattern("ball".to_owned()))
    });
    let sim = Sim::start_with(SimConfig { mounts: mounts.into(), ..SimConfig::default() }, library).unwrap();
    let clients: Vec<gst::Element> = [("a", "tcp"), ("b", "udp"), ("c", "tcp")]
        .map(|(mount, transport)| {
            let url = sim.url(mount);
            gst::parse::launch(&format!("rtspsrc location={url} protocols={transport} ! fakesink")).unwrap()
        })
        .into();
    for (client, state) in clients.iter().zip([gst::State::Playing, gst::State::Playing, gst::State::Paused]) {
        client.set_state(state).unwrap();
    }
    for (mount, plays) in [("a", 1), ("b", 1), ("c", 0)] {
        sim.wait_for(mount, PATIENCE, |stats| (stats.streams, stats.plays >= plays) == (1, true)).unwrap();
    }
    assert!(!threads("sim-").is_empty());
    // Fails where a client, a stream or a pipeline of the server outlives it.
    sim.stop().unwrap();
    assert_eq!(threads_that_stay("sim-"), [""; 0]);
    for client in clients {
        client.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn nothing_is_left() {
    gst::init().unwrap();
    let library = ClipLibrary::new(None);
    // GLib and GStreamer keep idle threads of their own, which the first rounds start.
    for _ in 0..3 {
        live_and_die(&library);
    }
    let (threads_before, files) = (entries("/proc/self/task"), entries("/proc/self/fd"));
    for _ in 0..5 {
        live_and_die(&library);
    }
    // One thread or socket left per camera would be 15 more by now.
    let (threads_after, files_after) = (entries("/proc/self/task"), entries("/proc/self/fd"));
    assert!(threads_after < threads_before + 5, "{threads_before} threads became {threads_after}");
    assert!(files_after < files + 5, "{files} open files became {files_after}");
}
