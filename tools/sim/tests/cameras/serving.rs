//! Codecs, transports, timestamps and sender reports.

use std::time::Duration;

use gatehouse_sim::{Codec, MountConfig, Scene, SenderReports, Sim, SimConfig, SimError};
use gstreamer::{self as gst, prelude::*};

use crate::threads::threads_that_stay;
use crate::viewer::{PATIENCE, Viewer, camera, ntp_now, serve};

/// Watches two seconds and more, so that the loop's seam lies within.
fn pictures_come_evenly_over_the_seam(codec: Codec, transport: &str) {
    let sim = serve(vec![camera("/ball", codec)]);
    let viewer = Viewer::watch(&sim.url("ball"), codec, transport, None);
    let frames = viewer.frames(110);
    assert!(frames.iter().all(|frame| (frame.width, frame.height) == (320, 240)));
    assert!(frames.windows(2).all(|pair| pair[0].pts < pair[1].pts), "timestamps only grow");
    assert!(frames.windows(2).any(|pair| pair[0].luma != pair[1].luma), "the ball moves");

    // In the RTP packets themselves the time is exact: 90 kHz at 25 frames per second, over the
    // seam as well.
    let packets = viewer.packets();
    for pair in packets.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1), "{pair:?}");
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!(step == 0 || step == 3600, "{pair:?}");
    }
    let stats = sim.stats("ball").unwrap();
    assert_eq!((stats.clients, stats.describes, stats.plays, stats.streams), (1, 1, 1, 1), "{stats}");
    drop(viewer);
    sim.stop().unwrap();
}

#[test]
fn h264_over_tcp() {
    pictures_come_evenly_over_the_seam(Codec::H264, "tcp");
}

#[test]
fn h264_over_udp() {
    pictures_come_evenly_over_the_seam(Codec::H264, "udp");
}

#[test]
fn h265_over_tcp() {
    pictures_come_evenly_over_the_seam(Codec::H265, "tcp");
}

#[test]
fn h265_over_udp() {
    pictures_come_evenly_over_the_seam(Codec::H265, "udp");
}

#[test]
fn clients_share_one_stream_and_the_last_one_ends_it() {
    let sim = serve(vec![camera("/ball", Codec::H264)]);
    let first = Viewer::tcp(&sim.url("ball"), Codec::H264);
    first.frame();
    let second = Viewer::tcp(&sim.url("ball"), Codec::H264);
    second.frame();
    let stats = sim.stats("ball").unwrap();
    assert_eq!((stats.clients, stats.plays, stats.streams), (2, 2, 1), "{stats}");
    drop(first);
    sim.wait_for("ball", PATIENCE, |stats| stats.clients == 1).unwrap();
    second.frames(30);
    drop(second);
    sim.wait_for("ball", PATIENCE, |stats| (stats.clients, stats.streams) == (0, 0)).unwrap();
    sim.stop().unwrap();
}

#[test]
fn nothing_piles_up_for_a_client_that_does_not_play() {
    let sim = serve(vec![camera("/ball", Codec::H264)]);
    let client = gst::parse::launch(&format!("rtspsrc location={} protocols=tcp ! fakesink", sim.url("ball"))).unwrap();
    client.set_state(gst::State::Paused).unwrap();
    sim.wait_for("ball", PATIENCE, |stats| stats.pictures >= 25).unwrap();
    // The server holds about a second and waits; it would have sent twice as much by then.
    let waited = sim.wait_for("ball", Duration::from_secs(2), |stats| stats.pictures > 40);
    assert!(matches!(waited, Err(SimError::Timeout { .. })), "{waited:?}");
    client.set_state(gst::State::Playing).unwrap();
    sim.wait_for("ball", PATIENCE, |stats| stats.pictures > 80).unwrap();
    client.set_state(gst::State::Null).unwrap();
    sim.stop().unwrap();
}

#[test]
fn several_mounts_share_one_port() {
    let dark = MountConfig { scene: Scene::Black, ..camera("/yard/dark", Codec::H264) };
    let sim = serve(vec![camera("/yard", Codec::H265), dark]);
    let ball = Viewer::tcp(&sim.url("/yard"), Codec::H265);
    let dark = Viewer::tcp(&sim.url("/yard/dark"), Codec::H264);
    assert!(ball.frame().mean_luma() > 16.5);
    assert!(dark.frame().mean_luma() < 16.5);
    let nothing = Viewer::tcp(&sim.url("/roof"), Codec::H264);
    let reason = nothing.ends();
    assert!(reason.contains("404") || reason.contains("Not found"), "{reason}");
    drop((ball, dark, nothing));
    sim.stop().unwrap();
}

#[test]
fn who_joins_between_two_key_frames_waits_for_one() {
    let wait = Duration::from_millis(1500);
    let between = MountConfig { key_wait_seconds: wait.as_secs_f64(), ..camera("/between", Codec::H264) };
    let sim = serve(vec![between]);
    let joins = ntp_now();
    let viewer = Viewer::tcp(&sim.url("between"), Codec::H264);
    let first = viewer.frame();
    assert!(Duration::from(ntp_now() - joins) >= wait, "the first picture comes late");
    let later = viewer.frames(25);
    let took = Duration::from(later[24].pts - first.pts);
    assert!(took.abs_diff(Duration::from_secs(1)) < Duration::from_millis(50), "and the others in real time: {took:?}");
    drop(viewer);
    sim.stop().unwrap();
}

#[test]
fn sender_reports_carry_wall_clock_time() {
    let sim = serve(vec![camera("/ball", Codec::H264)]);
    let viewer = Viewer::tcp(&sim.url("ball"), Codec::H264);
    let ntp = viewer.frame_that("carries camera time", |frame| frame.ntp.is_some()).ntp.unwrap();
    let age = ntp_now().absdiff(ntp);
    assert!(Duration::from(age) < Duration::from_secs(2), "camera time is {age} off");
    drop(viewer);
    sim.stop().unwrap();
}

#[test]
fn sender_reports_can_be_missing_and_late() {
    let missing = MountConfig { sender_reports: SenderReports::Missing, ..camera("/missing", Codec::H264) };
    let late =
        MountConfig { sender_reports: SenderReports::Late(Duration::from_secs(7)), ..camera("/late", Codec::H264) };
    let sim = serve(vec![missing, late]);
    let missing = Viewer::tcp(&sim.url("missing"), Codec::H264);
    let late = Viewer::tcp(&sim.url("late"), Codec::H264);
    // Both streams began at about the same time, and their pictures come in real time.
    let first = late.frame().pts;
    let told = late.frame_that("carries camera time", |frame| frame.ntp.is_some());
    assert!(told.pts - first > gst::ClockTime::from_seconds(6), "after {}", told.pts - first);
    assert!(missing.frames(200).iter().all(|frame| frame.ntp.is_none()));
    sim.set_sender_reports("missing", SenderReports::Normal).unwrap();
    missing.frame_that("carries camera time", |frame| frame.ntp.is_some());
    drop((missing, late));
    sim.stop().unwrap();
}

#[test]
fn a_simulator_that_cannot_start_leaves_no_thread() {
    let good = camera("/half-way", Codec::H264);
    let bad = MountConfig::new("/bad", Scene::File("no/such/file.avi".into()));
    let error = Sim::start(SimConfig { mounts: vec![good, bad], ..SimConfig::default() }).err().unwrap();
    assert!(error.to_string().starts_with("mount bad: no/such/file.avi"), "{error}");
    assert_eq!(threads_that_stay("sim-half-way"), [""; 0]);
}
