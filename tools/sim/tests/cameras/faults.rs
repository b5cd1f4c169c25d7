//! Every fault, as the client sees it.

use std::time::Duration;

use gatehouse_sim::{Codec, Command, Fault, SimError};

use crate::viewer::{Frame, PATIENCE, Viewer, camera, serve};

/// Longer than any pause of a healthy stream, and than the client's jitter buffer.
const QUIET: Duration = Duration::from_secs(2);

fn moves(viewer: &Viewer) -> bool {
    let frames = viewer.frames(20);
    frames.windows(2).filter(|pair| pair[0].luma != pair[1].luma).count() > 15
}

#[test]
fn black_and_back() {
    for codec in [Codec::H264, Codec::H265] {
        let sim = serve(vec![camera("/ball", codec)]);
        let viewer = Viewer::tcp(&sim.url("ball"), codec);
        assert!(viewer.frame().mean_luma() > 16.5);
        sim.inject("ball", Fault::Black).unwrap();
        viewer.frame_that("is black", |frame| frame.mean_luma() < 16.5);
        assert!(viewer.frames(60).iter().all(|frame| frame.mean_luma() <= 20.0));
        sim.clear("ball").unwrap();
        viewer.frame_that("is not black", |frame| frame.mean_luma() > 16.5);
        assert!(moves(&viewer));
        drop(viewer);
        sim.stop().unwrap();
    }
}

#[test]
fn a_frozen_camera_sends_fresh_frames_of_the_same_picture() {
    for codec in [Codec::H264, Codec::H265] {
        let sim = serve(vec![camera("/ball", codec)]);
        let viewer = Viewer::tcp(&sim.url("ball"), codec);
        assert!(moves(&viewer));
        sim.inject("ball", Fault::Freeze).unwrap();
        let mut last = viewer.frame();
        viewer_until_same(&viewer, &mut last);
        let frozen = viewer.frames(40);
        assert!(frozen.iter().all(|frame| frame.luma == last.luma), "bit for bit the same");
        assert!(frozen.windows(2).all(|pair| pair[0].pts < pair[1].pts), "but later");
        // Who comes now sees the same.
        assert_eq!(Viewer::tcp(&sim.url("ball"), codec).frame().luma, last.luma);
        sim.clear("ball").unwrap();
        viewer.frame_that("moves again", |frame| frame.luma != last.luma);
        assert!(moves(&viewer));
        drop(viewer);
        sim.stop().unwrap();
    }
}

fn viewer_until_same(viewer: &Viewer, last: &mut Frame) {
    for _ in 0..200 {
        let frame = viewer.frame();
        let same = frame.luma == last.luma;
        *last = frame;
        if same {
            return;
        }
    }
    panic!("the picture keeps moving");
}

#[test]
fn the_resolution_changes_in_mid_stream() {
    for (codec, transport) in [(Codec::H264, "tcp"), (Codec::H265, "udp")] {
        let sim = serve(vec![camera("/ball", codec)]);
        let viewer = Viewer::watch(&sim.url("ball"), codec, transport, None);
        viewer.frame();
        sim.inject("ball", Fault::Resolution { width: 192, height: 160 }).unwrap();
        viewer.frame_that("is smaller", |frame| (frame.width, frame.height) == (192, 160));
        assert!(viewer.frames(20).iter().all(|frame| (frame.width, frame.height) == (192, 160)));
        sim.clear("ball").unwrap();
        viewer.frame_that("has its old size", |frame| (frame.width, frame.height) == (320, 240));
        let stats = sim.stats("ball").unwrap();
        assert_eq!((stats.connections, stats.plays), (1, 1), "in the same session");
        // One RTP stream without a gap, on one clock.
        let packets = viewer.packets();
        assert!(packets.windows(2).all(|pair| pair[1].sequence == pair[0].sequence.wrapping_add(1)));
        assert!(packets.windows(2).all(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp) <= 3600));
        drop(viewer);
        sim.stop().unwrap();
    }
}

#[test]
fn a_silent_camera_keeps_its_connection() {
    let sim = serve(vec![camera("/ball", Codec::H264), camera("/other", Codec::H264)]);
    let viewer = Viewer::tcp(&sim.url("ball"), Codec::H264);
    let other = Viewer::tcp(&sim.url("other"), Codec::H264);
    viewer.frame();
    sim.inject("ball", Fault::Silence).unwrap();
    viewer.falls_silent(QUIET);
    let before = viewer.received_bytes();
    // A client that comes now is let in, and gets nothing either.
    let late = Viewer::tcp(&sim.url("ball"), Codec::H264);
    sim.wait_for("ball", PATIENCE, |stats| stats.plays == 2).unwrap();
    late.falls_silent(QUIET);
    assert_eq!((viewer.received_bytes(), late.received_bytes()), (before, 0));
    assert_eq!(sim.stats("ball").unwrap().clients, 2);
    assert!(moves(&other), "the other camera is well");
    sim.clear("ball").unwrap();
    viewer.frame();
    late.frame();
    drop((viewer, late, other));
    sim.stop().unwrap();
}

#[test]
fn a_drop_disconnects_once() {
    for transport in ["tcp", "udp"] {
        let sim = serve(vec![camera("/ball", Codec::H264), camera("/other", Codec::H264)]);
        let viewer = Viewer::watch(&sim.url("ball"), Codec::H264, transport, None);
        let other = Viewer::watch(&sim.url("other"), Codec::H264, transport, None);
        viewer.frame();
        other.frame();
        sim.inject("ball", Fault::Drop).unwrap();
        let stats = sim.wait_for("ball", PATIENCE, |stats| (stats.clients, stats.streams) == (0, 0)).unwrap();
        if transport == "tcp" {
            viewer.ends();
        } else {
            viewer.falls_silent(QUIET);
        }
        assert_eq!(stats.connections, 1);
        Viewer::watch(&sim.url("ball"), Codec::H264, transport, None).frame();
        assert_eq!(sim.stats("other").unwrap().connections, 1, "the other camera's client stayed");
        other.frames(10);
        drop((viewer, other));
        sim.stop().unwrap();
    }
}

#[test]
fn a_refusing_camera_turns_everybody_away_until_cleared() {
    let sim = serve(vec![camera("/ball", Codec::H264)]);
    let viewer = Viewer::tcp(&sim.url("ball"), Codec::H264);
    viewer.frame();
    sim.inject("ball", Fault::Refuse).unwrap();
    viewer.ends();
    let reason = Viewer::tcp(&sim.url("ball"), Codec::H264).ends();
    assert!(reason.contains("503") || reason.contains("Service Unavailable"), "{reason}");
    let stats = sim.stats("ball").unwrap();
    assert!(stats.refused >= 1 && stats.connections == 1, "{stats}");
    sim.clear("ball").unwrap();
    Viewer::tcp(&sim.url("ball"), Codec::H264).frame();
    drop(viewer);
    sim.stop().unwrap();
}

#[test]
fn the_whole_server_dies_and_comes_back_on_its_port() {
    let sim = serve(vec![camera("/ball", Codec::H264)]);
    let address = sim.address();
    let viewer = Viewer::tcp(&sim.url("ball"), Codec::H264);
    viewer.frame();
    sim.stop_server().unwrap();
    viewer.ends();
    let refused = std::net::TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    sim.restart_server().unwrap();
    assert_eq!(sim.address(), address);
    assert!(matches!(sim.restart_server(), Err(SimError::AlreadyRunning(_))));
    Viewer::tcp(&sim.url("ball"), Codec::H264).frame();
    drop(viewer);
    sim.stop().unwrap();
}

#[test]
fn a_new_fault_replaces_the_old_one() {
    let sim = serve(vec![camera("/ball", Codec::H264)]);
    let viewer = Viewer::tcp(&sim.url("ball"), Codec::H264);
    viewer.frame();
    sim.inject("ball", Fault::Silence).unwrap();
    viewer.falls_silent(QUIET);
    let answer = sim.execute(&Command::parse("fault /ball black").unwrap()).unwrap();
    assert_eq!(answer, "/ball: black");
    viewer.frame_that("is black", |frame| frame.mean_luma() < 16.5);
    sim.execute(&Command::parse("clear ball").unwrap()).unwrap();
    viewer.frame_that("is not black", |frame| frame.mean_luma() > 16.5);
    let stats = sim.execute(&Command::Stats).unwrap();
    assert!(stats.starts_with(&format!("{} clients=1 ", sim.url("ball"))), "{stats}");
    drop(viewer);
    sim.stop().unwrap();
}

#[test]
fn scripted_faults_come_and_go_by_themselves() {
    let mut mount = camera("/ball", Codec::H264);
    mount.faults = vec![gatehouse_sim::ScriptedFault { at_seconds: 2.0, for_seconds: 2.0, kind: Fault::Black }];
    let sim = serve(vec![mount]);
    let viewer = Viewer::tcp(&sim.url("ball"), Codec::H264);
    assert!(viewer.frame().mean_luma() > 16.5);
    viewer.frame_that("is black", |frame| frame.mean_luma() < 16.5);
    viewer.frame_that("is not black", |frame| frame.mean_luma() > 16.5);
    drop(viewer);
    sim.stop().unwrap();
}
