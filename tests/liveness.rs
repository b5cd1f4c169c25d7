//! Cameras with the habits that are met in the field, over real RTSP: none of them is stalled or
//! reconnected, and what is dead is said to be.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

use std::sync::Arc;
use std::time::Duration;

use gatehouse_capture::{Camera, Cameras, StreamOptions, Wanted};
use gatehouse_core::health::{Frozen, StreamStatus, Waiting};
use gatehouse_core::stream::{Decoder, Source, Transport};
use gatehouse_core::time::{Clock, ClockSource, SystemClock};
use gatehouse_core::{CameraId, FateCounters, ThreadPriority};
use gatehouse_sim::{Codec, MountConfig, Scene, Sensor, Sim, SimConfig, Still};
use gatehouse_testing::recorder::{Recorded, RecordedFrame, Recorder};

const STOP: Duration = Duration::from_secs(5);

fn mount(name: &str) -> MountConfig {
    let pattern = Scene::Pattern("ball".into());
    MountConfig { size: [320, 180], bitrate_kbps: 300, max_seconds: 10, ..MountConfig::new(name, pattern) }
}

/// A camera with its recorder, and the simulator that it is connected to.
struct Watched {
    recorder: Recorder,
    cameras: Cameras,
    fates: Arc<FateCounters>,
    clock: Arc<SystemClock>,
    sim: Sim,
}

impl Watched {
    fn start(mount: MountConfig, wanted: Wanted) -> Self {
        let name = mount.name().to_owned();
        let sim = Sim::start(SimConfig { mounts: vec![mount], ..SimConfig::default() }).expect("the simulator starts");
        let options = StreamOptions {
            with_damaged: true,
            wanted,
            thread_priority: ThreadPriority::Normal,
            decoders: vec![Decoder::Software],
            privacy: Vec::new(),
            camera: CameraId::new("cam"),
            source: Source::Rtsp(sim.url(&name).into()),
            login: None,
            transport: Transport::Tcp,
            latency: Duration::from_millis(50),
        };
        let (recorder, clock) = (Recorder::default(), Arc::new(SystemClock::new()));
        let fates = Arc::new(FateCounters::default());
        let camera = Camera::start(options, clock.clone(), recorder.frames(), recorder.status(), Arc::clone(&fates));
        let mut cameras = Cameras::default();
        cameras.push(camera.expect("the camera starts"));
        Self { recorder, cameras, fates, clock, sim }
    }

    /// Waits for frames, as many as `wanted` says with the time since the first one, and panics at
    /// every status but those before the first frame and `Live`.
    fn frames_without_trouble(&self, what: &str, mut wanted: impl FnMut(usize, f64) -> bool) -> Vec<RecordedFrame> {
        let (mut frames, mut first) = (Vec::new(), None);
        self.recorder.wait(what, |heard| {
            match heard {
                Recorded::Frame(frame) => frames.push(frame),
                Recorded::Status(StreamStatus::Live(_) | StreamStatus::Connecting) => {}
                Recorded::Status(status) if !frames.is_empty() => panic!("{what}: {status:?}"),
                Recorded::Status(StreamStatus::Lost { reason, .. }) => panic!("{what}: {reason}"),
                Recorded::Status(_) => {}
            }
            let now = self.clock.monotonic();
            let since = now.since(*first.get_or_insert(now)).as_secs_f64();
            wanted(frames.len(), since).then_some(())
        });
        frames
    }

    fn stop(self) {
        let late = self.cameras.stop(self.clock.as_ref(), STOP);
        assert!(late.is_empty(), "{late:?}");
        self.sim.stop().expect("the simulator stops");
    }
}

#[test]
fn a_key_frame_alone_is_shown_at_once_despite_b_frames() {
    for codec in [Codec::H264, Codec::H265] {
        let mount = MountConfig { codec, b_frames: 2, gop_seconds: 2.0, ..mount("cam") };
        let camera = Watched::start(mount, Wanted::OneIn(Duration::from_secs(2)));
        let mut shown = 0;
        camera.recorder.wait("four key frames with the camera's own time", |heard| {
            let Recorded::Frame(frame) = heard else { return None };
            if frame.times.capture.source == ClockSource::Rtcp {
                // The clip's pictures are shown three pictures after they are sent: 120 ms.
                let late = camera.clock.wall().distance(frame.times.capture.at);
                assert!(late < Duration::from_millis(700), "{codec:?}: {late:?} late");
                shown += 1;
            }
            (shown == 4).then_some(())
        });
        let fates = camera.fates.snapshot();
        assert!(fates.decoded * 10 < fates.received, "{codec:?}: key frames alone are decoded: {fates:?}");
        camera.stop();
    }
}

#[test]
fn a_stream_is_joined_between_rare_key_frames() {
    // A key frame every 10 s; the viewer joins 4 s behind one.
    let mount = MountConfig { gop_seconds: 10.0, join_seconds: 4.0, fps: 10, ..mount("cam") };
    let camera = Watched::start(mount, Wanted::OneIn(Duration::from_millis(500)));
    let waiting = camera.recorder.status_where("the wait", |status| !matches!(status, StreamStatus::Connecting));
    let StreamStatus::Waiting(Waiting::KeyFrame { since_last: None, .. }) = waiting else { panic!("{waiting:?}") };
    camera.frames_without_trouble("the whole stream behind the key frame", |frames, _| frames >= 25);
    assert_eq!(camera.sim.stats("cam").expect("a mount").plays, 1, "in one connection");
    camera.stop();
}

#[test]
fn slow_cameras_and_bursts_are_live() {
    let slow = MountConfig { frame_seconds: 4.0, fps: 10, ..mount("slow") };
    let bursts = MountConfig { burst_seconds: 5.0, fps: 10, ..mount("bursts") };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let camera = Watched::start(slow, Wanted::OneIn(Duration::from_millis(500)));
            camera.frames_without_trouble("a frame every 4 s", |frames, _| frames >= 5);
            camera.stop();
        });
        scope.spawn(|| {
            let camera = Watched::start(bursts, Wanted::OneIn(Duration::from_millis(500)));
            camera.frames_without_trouble("bursts every 5 s", |frames, since| frames >= 4 && since >= 14.0);
            camera.stop();
        });
    });
}

#[test]
fn a_gradual_refresh_is_live_without_key_frames() {
    let mount = MountConfig { intra_refresh: true, gop_seconds: 2.0, join_seconds: 1.0, ..mount("cam") };
    let camera = Watched::start(mount, Wanted::OneIn(Duration::from_millis(500)));
    let frames = camera.frames_without_trouble("pictures behind the refresh", |frames, _| frames >= 50);
    let fates = camera.fates.snapshot();
    assert!(fates.dropped.corrupted > 0, "{fates:?}");
    assert!(frames.iter().all(|frame| frame.mean_luma < 60.0), "the ball is small, and nothing else is bright");
    camera.stop();
}

#[test]
fn a_frozen_picture_under_a_clock_is_no_still_scene() {
    // With this quantizer the encoder skips nearly all of a still scene's noise.
    let still = |name, sensor| MountConfig {
        size: [320, 180],
        fps: 10,
        gop_seconds: 4.0,
        quantizer: 36,
        max_seconds: 40,
        ..MountConfig::new(name, Scene::Still(Still { sensor, clock: true }))
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let camera = Watched::start(still("live", Sensor::Live), Wanted::All);
            let frames = camera.frames_without_trouble("a still scene", |_, since| since >= 28.0);
            assert!(frames.iter().all(|frame| frame.frozen.is_none()));
            camera.stop();
        });
        scope.spawn(|| {
            let camera = Watched::start(still("dead", Sensor::Frozen), Wanted::All);
            let frozen = camera.recorder.frame("a frozen picture", |frame| frame.frozen.is_some()).frozen;
            let Some(Frozen::OnlyClock { lasts }) = frozen else { panic!("{frozen:?}") };
            assert!(lasts >= Duration::from_secs(24), "{lasts:?}");
            camera.stop();
        });
    });
}
