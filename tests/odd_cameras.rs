//! Capture from cameras that speak RTSP and RTP in their own way.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_capture::{Camera, Cameras, StreamOptions, Wanted};
use gatehouse_core::health::{StreamFacts, StreamStatus};
use gatehouse_core::stream::{Decoder, Login, Source, Transport};
use gatehouse_core::time::{ClockSource, SystemClock};
use gatehouse_core::{CameraId, FateCounters, ThreadPriority};
use gatehouse_sim::{Algorithm, ClipLibrary, Codec, MountConfig, Oddity, Replay, Scene};
use gatehouse_testing::recorder::{Recorded, RecordedFrame, Recorder};

const STOP: Duration = Duration::from_secs(5);
/// Pictures a second.
const FPS: u32 = 25;

fn replay(codec: Codec, oddities: &[Oddity]) -> Replay {
    let mount = MountConfig {
        size: [320, 180],
        bitrate_kbps: 1500,
        max_seconds: 2,
        gop_seconds: 0.4,
        codec,
        oddities: oddities.to_vec(),
        ..MountConfig::new("cam", Scene::Pattern("snow".into()))
    };
    Replay::start(&[mount], &ClipLibrary::default()).expect("the camera starts")
}

fn options(address: String) -> StreamOptions {
    StreamOptions {
        wanted: Wanted::All,
        thread_priority: ThreadPriority::Normal,
        decoders: vec![Decoder::Software],
        with_damaged: true,
        privacy: Vec::new(),
        camera: CameraId::new("cam"),
        source: Source::Rtsp(address.into()),
        login: None,
        transport: Transport::Tcp,
        latency: Duration::from_millis(100),
    }
}

/// A running camera with its recorder.
struct Watched {
    recorder: Recorder,
    cameras: Cameras,
    fates: Arc<FateCounters>,
    clock: Arc<SystemClock>,
}

impl Watched {
    fn start(options: StreamOptions) -> Self {
        let (recorder, clock) = (Recorder::default(), Arc::new(SystemClock::new()));
        let fates = Arc::new(FateCounters::default());
        let camera = Camera::start(options, clock.clone(), recorder.frames(), recorder.status(), Arc::clone(&fates));
        let mut cameras = Cameras::default();
        cameras.push(camera.expect("the camera starts"));
        Self { recorder, cameras, fates, clock }
    }

    /// The next frames. Fails if the connection is lost.
    fn frames(&self, what: &str, count: usize) -> Vec<RecordedFrame> {
        let mut frames = Vec::new();
        self.recorder.wait(what, |heard| {
            match heard {
                Recorded::Status(StreamStatus::Lost { reason, .. } | StreamStatus::Refused { reason, .. }) => {
                    panic!("{what}: {reason}")
                }
                Recorded::Frame(frame) => frames.push(frame),
                Recorded::Status(_) => {}
            }
            (frames.len() == count).then_some(())
        });
        frames
    }

    fn live(&self, what: &str) -> StreamFacts {
        match self.recorder.status_where(what, |status| !matches!(status, StreamStatus::Connecting)) {
            StreamStatus::Live(facts) => facts,
            other => panic!("{what}: {other:?}"),
        }
    }

    fn lost(&self, what: &str) -> String {
        match self.recorder.status_where(what, |status| !matches!(status, StreamStatus::Connecting)) {
            StreamStatus::Lost { reason, .. } => reason,
            other => panic!("{what}: {other:?}"),
        }
    }

    fn stop(self) {
        let late = self.cameras.stop(self.clock.as_ref(), STOP);
        assert!(late.is_empty(), "{late:?}");
    }
}

/// The gaps between frames in seconds of stream time.
fn gaps(frames: &[RecordedFrame]) -> Vec<f64> {
    frames.windows(2).map(|pair| pair[1].times.stream.0.as_secs_f64() - pair[0].times.stream.0.as_secs_f64()).collect()
}

#[test]
fn every_picture_of_an_odd_camera_comes_once_and_in_its_time() {
    let several = [Oddity::SecondSource, Oddity::Twice, Oddity::Noise, Oddity::Asks, Oddity::SeiMarker];
    let mut cases = Vec::new();
    for oddities in [
        vec![Oddity::WrongRtpInfo],
        vec![Oddity::Twice, Oddity::Reordered],
        vec![Oddity::SecondSource],
        vec![Oddity::Noise],
        vec![Oddity::Asks],
        vec![Oddity::SeveralTracks],
        vec![Oddity::SeiMarker],
        vec![Oddity::NoMarker],
        vec![Oddity::NoOptions],
        vec![Oddity::Lowercase],
        vec![Oddity::NewSequence(20)],
        several.to_vec(),
    ] {
        cases.extend([Codec::H264, Codec::H265].map(|codec| (codec, oddities.clone())));
    }
    std::thread::scope(|scope| {
        for (codec, oddities) in &cases {
            scope.spawn(move || comes_whole(*codec, oddities));
        }
    });
}

fn comes_whole(codec: Codec, oddities: &[Oddity]) {
    let what = format!("{codec:?} {oddities:?}");
    let camera = replay(codec, oddities);
    let watched = Watched::start(options(camera.url("cam")));
    let frames = watched.frames(&what, 60);
    let gaps = gaps(&frames);
    assert!(gaps.iter().all(|gap| (gap - 1.0 / f64::from(FPS)).abs() < 0.001), "{what}: {gaps:?}");
    assert_eq!(watched.fates.packets().lost, 0, "{what}");
    assert!(frames.iter().all(|frame| !frame.is_damaged), "{what}");
    let by_camera = frames.iter().filter(|frame| frame.times.capture.source == ClockSource::Rtcp).count();
    assert!(by_camera > 50, "{what}: {by_camera} frames have the camera's time");
    watched.stop();
}

#[test]
fn changes_of_source_and_time_end_no_connection() {
    for oddity in [Oddity::NewSource(30), Oddity::TimestampJump(30), Oddity::StoppedTimestamps] {
        for transport in [Transport::Tcp, Transport::Udp] {
            let what = format!("{oddity:?} over {transport}");
            let camera = replay(Codec::H264, std::slice::from_ref(&oddity));
            let watched = Watched::start(StreamOptions { transport, ..options(camera.url("cam")) });
            let frames = watched.frames(&what, 90);
            let gaps = gaps(&frames);
            assert!(gaps.iter().all(|gap| (0.0..1.0).contains(gap)), "{what}: {gaps:?}");
            assert_eq!(watched.fates.packets().lost, 0, "{what}: nothing is lost");
            watched.stop();
        }
    }
}

#[test]
fn the_transport_that_the_camera_has_is_used_and_stated() {
    for (wanted, oddity, used) in [
        (Transport::Tcp, Oddity::UdpOnly, "udp"),
        (Transport::Udp, Oddity::TcpOnly, "tcp"),
        (Transport::Udp, Oddity::Twice, "udp"),
        (Transport::Udp, Oddity::Reordered, "udp"),
    ] {
        let camera = replay(Codec::H264, std::slice::from_ref(&oddity));
        let watched = Watched::start(StreamOptions { transport: wanted, ..options(camera.url("cam")) });
        let what = format!("{oddity:?}");
        assert_eq!(watched.live(&what).transport.as_deref(), Some(used), "{what}");
        watched.frames(&what, 30);
        assert_eq!(watched.fates.packets().lost, 0, "{what}");
        watched.stop();
    }
}

#[test]
fn logins_by_digest_of_every_kind_are_accepted_once() {
    use Algorithm::{Md5, Sha256, Sha512_256};
    let login = |password: &str| Some(Login { user: "admin".to_owned().into(), password: password.to_owned().into() });
    for algorithms in [vec![Md5], vec![Sha256], vec![Sha512_256], vec![Md5, Sha256], vec![Sha256, Md5, Sha512_256]] {
        for redirected in [false, true] {
            let what = format!("{algorithms:?}, redirected: {redirected}");
            let mut oddities = vec![Oddity::Digest(algorithms.clone())];
            oddities.extend(redirected.then_some(Oddity::Redirect));
            let camera = replay(Codec::H264, &oddities);
            let watched = Watched::start(StreamOptions { login: login("pw"), ..options(camera.url("cam")) });
            watched.frames(&what, 5);
            watched.stop();
        }
    }
    let camera = replay(Codec::H264, &[Oddity::Digest(vec![Md5, Sha256])]);
    let watched = Watched::start(StreamOptions { login: login("wrong"), ..options(camera.url("cam")) });
    let refused = watched.recorder.status_where("a refusal", |status| !matches!(status, StreamStatus::Connecting));
    assert!(matches!(refused, StreamStatus::Refused { .. }), "{refused:?}");
    watched.stop();
}

#[test]
fn a_session_is_kept_alive_over_either_transport() {
    for transport in [Transport::Tcp, Transport::Udp] {
        let camera = replay(Codec::H264, &[Oddity::KeepAlive(2)]);
        let watched = Watched::start(StreamOptions { transport, ..options(camera.url("cam")) });
        // Three times as long as the camera waits for a request.
        watched.frames(&format!("{transport}"), 6 * FPS as usize);
        watched.stop();
    }
}

#[test]
fn a_stream_that_is_not_there_is_named() {
    let camera = replay(Codec::H264, &[Oddity::NoOptions]);
    let watched = Watched::start(options(camera.url("elsewhere")));
    assert_eq!(watched.lost("the reason"), "the camera knows no such stream (404): check the path in the address");
    watched.stop();
}

#[test]
fn lost_packets_are_counted_and_damaged_pictures_are_marked() {
    for transport in [Transport::Tcp, Transport::Udp] {
        let camera = replay(Codec::H264, &[Oddity::Loss(10)]);
        let with_damaged = Watched::start(StreamOptions { transport, ..options(camera.url("cam")) });
        let frames = with_damaged.frames("frames with losses", 150);
        let damaged = frames.iter().filter(|frame| frame.is_damaged).count();
        let packets = with_damaged.fates.packets();
        let share = packets.lost as f64 / (packets.lost + packets.received) as f64;
        assert!((0.002..0.03).contains(&share), "{packets:?}");
        assert!(damaged > 0 && damaged < frames.len(), "{damaged} of {}", frames.len());
        // A damaged picture is followed by damaged ones up to a key frame, every tenth one.
        let clean: BTreeSet<_> = frames
            .windows(2)
            .filter(|pair| pair[0].is_damaged && !pair[1].is_damaged)
            .map(|pair| (pair[1].times.stream.0.as_secs_f64() * f64::from(FPS)).round() as u64 % 10)
            .collect();
        assert_eq!(clean.len(), 1, "only key frames are clean again: {clean:?}");
        with_damaged.stop();

        let without = Watched::start(StreamOptions { transport, with_damaged: false, ..options(camera.url("cam")) });
        assert!(without.frames("clean frames", 60).iter().all(|frame| !frame.is_damaged));
        assert!(without.fates.snapshot().dropped.damaged > 0, "{:?}", without.fates.snapshot());
        without.stop();
    }
}
