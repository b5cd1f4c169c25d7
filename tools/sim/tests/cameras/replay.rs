//! Cameras that are cheap to simulate send what others do.

use gatehouse_sim::{ClipLibrary, Codec, MountConfig, Replay};
use gstreamer as gst;

use crate::viewer::{Viewer, camera, ntp_now, serve};

#[test]
fn pictures_are_sent_evenly_over_the_seam_with_their_times() {
    for codec in [Codec::H264, Codec::H265] {
        let cameras = Replay::start(&[camera("/ball", codec)], &ClipLibrary::new(None)).unwrap();
        let viewer = Viewer::tcp(&cameras.url("ball"), codec);
        // Two seconds and more, so that the loop's seam lies within.
        let frames = viewer.frames(110);
        assert!(frames.windows(2).all(|pair| pair[0].pts < pair[1].pts), "timestamps only grow");
        for pair in viewer.packets().windows(2) {
            assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1), "{pair:?}");
            let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
            assert!(step == 0 || step == 3600, "{pair:?}");
        }
        let sim = serve(vec![camera("/ball", codec)]);
        let others = Viewer::tcp(&sim.url("ball"), codec).frames(25);
        assert!(frames.iter().zip(&others).all(|(a, b)| a.luma == b.luma), "{codec:?}: another picture");
        sim.stop().unwrap();

        // Sent and decoded a while ago, and queued since.
        let frame = viewer.frame_that("has the camera's time", |frame| frame.ntp.is_some());
        let age = ntp_now().checked_sub(frame.ntp.unwrap()).expect("not from the future");
        assert!(age < gst::ClockTime::from_seconds(10), "{age}");
    }
}

#[test]
fn each_client_gets_the_stream_from_its_start_on_time() {
    let late = MountConfig { key_wait_seconds: 1.5, ..camera("/late", Codec::H264) };
    let cameras = Replay::start(&[camera("/ball", Codec::H264), late], &ClipLibrary::new(None)).unwrap();
    let first = Viewer::tcp(&cameras.url("ball"), Codec::H264);
    let started = first.frame();
    let asked = ntp_now();
    let late = Viewer::tcp(&cameras.url("late"), Codec::H264);
    assert_eq!(late.frame().luma, started.luma);
    assert!(ntp_now() - asked >= gst::ClockTime::from_mseconds(1500));
    // The others go on.
    first.frames(30);
    drop(late);
    first.frames(30);
}

#[test]
fn what_they_lack_is_refused() {
    let cameras = Replay::start(&[camera("/ball", Codec::H264)], &ClipLibrary::new(None)).unwrap();
    let reason = Viewer::tcp(&cameras.url("nobody"), Codec::H264).ends();
    assert!(reason.contains("Not Found") || reason.contains("404"), "{reason}");
    let reason = Viewer::watch(&cameras.url("ball"), Codec::H264, "udp", None).ends();
    assert!(reason.contains("ransport") || reason.contains("461"), "{reason}");
    let viewer = Viewer::tcp(&cameras.url("ball"), Codec::H264);
    viewer.frame();
    drop(cameras);
    viewer.ends();
}
