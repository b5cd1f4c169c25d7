//! Capture against real RTSP servers: transports, codecs, logins, clocks, and everything that goes
//! wrong with a camera.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_capture::{Camera, CameraControl, Cameras, StreamOptions, Wanted};
use gatehouse_core::health::{StreamFacts, StreamStatus};
use gatehouse_core::stream::{Decoder, Login, Source, Transport};
use gatehouse_core::time::{Clock, ClockSource, SystemClock};
use gatehouse_core::{CameraId, FateCounters, FrameDemand, ThreadPriority};
use gatehouse_picture::{NormalisedPolygon, Point, Size};
use gatehouse_sim::{
    AuthScheme, CameraClock, Codec, Fault, MountConfig, Password, Scene, SenderReports, Sim, SimConfig,
};
use gatehouse_testing::recorder::{Recorded, RecordedFrame, Recorder};

const STOP: Duration = Duration::from_secs(5);

fn mount(name: &str) -> MountConfig {
    MountConfig {
        size: [320, 180],
        bitrate_kbps: 300,
        max_seconds: 2,
        ..MountConfig::new(name, Scene::Pattern("ball".into()))
    }
}

fn sim(mounts: Vec<MountConfig>) -> Sim {
    Sim::start(SimConfig { mounts, ..SimConfig::default() }).expect("the simulator starts")
}

fn options(address: String) -> StreamOptions {
    StreamOptions {
        wanted: Wanted::All,
        thread_priority: ThreadPriority::Normal,
        decoders: vec![Decoder::Software],
        privacy: Vec::new(),
        with_damaged: true,
        camera: CameraId::new("cam"),
        source: Source::Rtsp(address.into()),
        login: None,
        transport: Transport::Tcp,
        latency: Duration::from_millis(50),
    }
}

/// A running camera with its recorder; stopped at the end of the test, within the deadline.
struct Watched {
    recorder: Recorder,
    cameras: Option<Cameras>,
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
        Self { recorder, cameras: Some(cameras), fates, clock }
    }

    fn camera(&self) -> &CameraControl {
        self.cameras.iter().flat_map(Cameras::controls).next().expect("it runs")
    }

    fn stop(mut self) {
        let cameras = self.cameras.take().expect("stopped once");
        let late = cameras.stop(self.clock.as_ref(), STOP);
        assert!(late.is_empty(), "{late:?}");
    }
}

impl std::ops::Deref for Watched {
    type Target = Recorder;
    fn deref(&self) -> &Recorder {
        &self.recorder
    }
}

#[test]
fn both_codecs_and_transports_give_all_three_times() {
    let sim = sim(vec![mount("h264"), MountConfig { codec: Codec::H265, ..mount("h265") }]);
    for (name, transport) in
        [("h264", Transport::Tcp), ("h264", Transport::Udp), ("h265", Transport::Tcp), ("h265", Transport::Udp)]
    {
        let camera = Watched::start(StreamOptions { transport, ..options(sim.url(name)) });
        let what = format!("{name} over {transport:?}");
        let live = camera.status_where(&what, |s| matches!(s, StreamStatus::Live(_)));
        let StreamStatus::Live(facts) = live else { unreachable!() };
        assert_eq!((facts.codec.as_str(), facts.width, facts.height), (name, 320, 180), "{what}");

        let mut before: Option<RecordedFrame> = None;
        let mut count = 0;
        let last = camera.wait(&what, |heard| {
            let Recorded::Frame(seen) = heard else { return None };
            if let Some(before) = before {
                assert!(seen.times.stream > before.times.stream, "stream time goes on, {what}");
                assert!(seen.times.arrival >= before.times.arrival, "arrival goes on, {what}");
            }
            before = Some(seen);
            count += 1;
            // Two loops of the clip, so that the seam is in it, and a sender report has come.
            (count > 110 && seen.times.capture.source == ClockSource::Rtcp).then_some(seen)
        });
        assert_eq!(last.size, Size { width: 320, height: 180 });
        let capture = last.times.capture;
        assert!(capture.error_ms <= 500, "half a second on the way: {capture:?}");
        let offset = capture.clock_offset_ms.map(i64::abs);
        assert!(offset.is_some_and(|off| off < 500), "the simulator runs on this very clock: {capture:?}");
        camera.stop();
    }
    sim.stop().expect("the simulator stops");
}

#[test]
fn privacy_zones_are_black_in_every_frame() {
    let white =
        MountConfig { size: [320, 180], max_seconds: 2, ..MountConfig::new("cam", Scene::Pattern("white".into())) };
    let sim = sim(vec![white]);
    let at = |x, y| Point { x, y };
    let left =
        NormalisedPolygon::new(vec![at(0.0, 0.0), at(0.5, 0.0), at(0.5, 1.0), at(0.0, 1.0)]).expect("a rectangle");
    let camera = Watched::start(StreamOptions { privacy: vec![left], ..options(sim.url("cam")) });
    let mut count = 0;
    // More than a clip, so that pictures that the next one is predicted from are among them.
    camera.wait("three seconds of frames", |heard| {
        let Recorded::Frame(RecordedFrame { halves: [left, right], .. }) = heard else { return None };
        assert_eq!(left, [16, 16]);
        assert!(right[0] > 200, "the black is not dragged along by prediction: {right:?}");
        count += 1;
        (count == 75).then_some(())
    });
    camera.stop();
    sim.stop().expect("the simulator stops");
}

#[test]
fn key_frames_alone_are_decoded_if_frequent_enough() {
    let sim = sim(vec![mount("h264"), MountConfig { codec: Codec::H265, ..mount("h265") }]);
    for name in ["h264", "h265"] {
        let wanted = Wanted::OneIn(Duration::from_secs(1));
        let camera = Watched::start(StreamOptions { wanted, ..options(sim.url(name)) });
        let mut gaps = Gaps::default();
        camera.wait("four frames a second apart", |heard| gaps.hear(&heard).filter(|_| gaps.last_are(4, 1.0)));
        assert!(gaps.0.len() < 10, "{name}: nothing else is decoded, but {:?}", gaps.0);
        assert!(!camera.camera().decodes_whole_stream() && !camera.camera().is_shed());
        let fates = camera.fates.snapshot();
        let dropped = fates.dropped.between_key_frames + fates.dropped.not_due;
        assert_eq!(camera.fates.packets().lost, 0, "{name}: packets that are dropped on purpose are not lost");
        assert!(fates.received >= 75 && dropped > fates.received / 2 && fates.analysed > 3, "{name}: {fates:?}");
        camera.stop();
    }
    sim.stop().expect("the simulator stops");
}

#[test]
fn load_shedding_ends_and_resumes_decoding_of_a_whole_stream() {
    let sim = sim(vec![mount("cam")]);
    let wanted = Wanted::OneIn(Duration::from_millis(500));
    let camera = Watched::start(StreamOptions { wanted, ..options(sim.url("cam")) });
    let mut gaps = Gaps::default();
    for (shedding, seconds) in [(false, 0.04), (true, 1.0), (false, 0.04)] {
        camera.camera().set_shedding(shedding);
        camera.wait("frames so far apart", |heard| gaps.hear(&heard).filter(|_| gaps.last_are(5, seconds)));
        assert_eq!((camera.camera().decodes_whole_stream(), camera.camera().is_shed()), (!shedding, shedding));
    }
    camera.stop();
    sim.stop().expect("the simulator stops");
}

#[test]
fn a_demanded_stream_with_b_frames_is_decoded_whole() {
    let with_b_frames = |name, codec| MountConfig { codec, b_frames: 1, ..mount(name) };
    let sim = sim(vec![with_b_frames("h264", Codec::H264), with_b_frames("h265", Codec::H265)]);
    for name in ["h264", "h265"] {
        let wanted = Wanted::AsDemanded(Duration::from_millis(100));
        let camera = Watched::start(StreamOptions { wanted, ..options(sim.url(name)) });
        let mut gaps = Gaps::default();
        for demand in [FrameDemand::AtRate, FrameDemand::All] {
            camera.recorder.demand(demand);
            camera.wait("frames 40 ms apart", |heard| gaps.hear(&heard).filter(|_| gaps.last_are(20, 0.04)));
        }
        camera.stop();
    }
    sim.stop().expect("the simulator stops");
}

#[test]
fn a_resting_stream_wakes_at_once() {
    let sim = sim(vec![MountConfig { gop_seconds: 2.0, ..mount("cam") }]);
    let wanted = Wanted::AsDemanded(Duration::from_millis(100));
    let camera = Watched::start(StreamOptions { wanted, ..options(sim.url("cam")) });
    let mut gaps = Gaps::default();
    for round in ["first", "second"] {
        camera.recorder.demand(FrameDemand::KeyFrames);
        camera.wait(round, |heard| {
            assert!(!matches!(heard, Recorded::Status(StreamStatus::Stalled(_))), "nobody wants more");
            gaps.hear(&heard).filter(|_| gaps.last_are(2, 2.0))
        });
        camera.recorder.demand_after(20, FrameDemand::AtRate);
        camera.wait(round, |heard| gaps.hear(&heard).filter(|_| gaps.last_are(4, 0.04)));
        let woken = gaps.0[gaps.0.len() - 5];
        assert!((0.5..1.5).contains(&woken), "the next frame is decoded, and not the next key frame: {woken} s");
    }
    camera.stop();
    sim.stop().expect("the simulator stops");
}

/// The gaps between decoded frames, in seconds of stream time.
#[derive(Default)]
struct Gaps(Vec<f64>, Option<Duration>);

impl Gaps {
    fn hear(&mut self, heard: &Recorded) -> Option<()> {
        let Recorded::Frame(seen) = heard else { return None };
        let at = seen.times.stream.0;
        self.0.extend(self.1.replace(at).map(|before| (at - before).as_secs_f64()));
        Some(())
    }

    /// True if the mean of the last `count` gaps is this long, within a tenth.
    fn last_are(&self, count: usize, seconds: f64) -> bool {
        let last = self.0.iter().rev().take(count);
        self.0.len() >= count && (0.9..1.1).contains(&(last.sum::<f64>() / count as f64 / seconds))
    }
}

#[test]
fn the_first_decoder_that_is_here_decodes_and_says_so() {
    let sim = sim(vec![mount("cam")]);
    let hardware = vec![Decoder::Nvdec, Decoder::VaApi];
    let wanted: Vec<_> = hardware.iter().copied().chain([Decoder::Software]).collect();
    let camera = Watched::start(StreamOptions { decoders: wanted, ..options(sim.url("cam")) });
    let live = camera.status_where("a decoder", |s| matches!(s, StreamStatus::Live(_)));
    let StreamStatus::Live(StreamFacts { decoder: Some(decoder), .. }) = live else { panic!("{live:?}") };
    camera.stop();

    let camera = Watched::start(StreamOptions { decoders: hardware, ..options(sim.url("cam")) });
    if decoder == "software" {
        let lost = camera.status_where("the reason", |s| matches!(s, StreamStatus::Lost { .. }));
        let StreamStatus::Lost { reason, .. } = lost else { unreachable!() };
        let wanted = "the stream can't be decoded: no decoder for H264: nvdec isn't on this machine (no `nvh264dec`), vaapi \
                      isn't on this machine (no `vah264dec`)";
        assert_eq!(reason, wanted);
    } else {
        camera.frame("a frame from hardware", |_| true);
    }
    camera.stop();
    sim.stop().expect("the simulator stops");
}

/// Waits for a frame whose camera's clock is this far off, in ms. Checks each frame until then: its
/// capture time is near its arrival, whatever the camera's clock shows.
fn wait_for_offset(camera: &Watched, what: &str, off_ms: i64) -> RecordedFrame {
    camera.wait(what, |heard| {
        let Recorded::Frame(seen) = heard else { return None };
        let capture = seen.times.capture;
        let since_arrival = camera.clock.monotonic().since(seen.times.arrival);
        let age = camera.clock.wall().distance(capture.at + since_arrival);
        assert!(age < Duration::from_millis(1500), "{what}: {age:?} from its arrival: {capture:?}");
        let is_near = |offset: i64| (offset - off_ms).abs() <= 1000;
        capture.clock_offset_ms.is_some_and(is_near).then_some(seen)
    })
}

#[test]
fn a_wrong_camera_clock_is_measured_and_not_believed() {
    let years_30_s = 30.0 * 365.25 * 86_400.0;
    let clock = |offset_seconds| CameraClock { offset_seconds, ..CameraClock::default() };
    let offsets_s = [2.0, -5.0, 10.0, 3600.0, -years_30_s];
    let cameras = offsets_s.map(|off| MountConfig { clock: clock(off), ..mount(&format!("off-{off}")) });
    let sim = sim(cameras.to_vec());
    let watched = offsets_s.map(|off| (off, Watched::start(options(sim.url(&format!("off-{off}"))))));
    for (off, camera) in &watched {
        let frame = wait_for_offset(camera, &format!("{off} s"), (off * 1000.0) as i64);
        assert_eq!((frame.times.capture.source, frame.times.capture.error_ms >= 500), (ClockSource::Rtcp, true));
        let offset = camera.camera().clock_offset().expect("measured");
        assert!((offset.ms as f64 - off * 1000.0).abs() <= f64::from(offset.error_ms), "{offset:?} of {off} s");
    }
    // Set while the streams run: right, back by little and by much, and forward.
    for ((off, camera), new) in watched.iter().zip([0.0, -7.0, -3600.0, 86_400.0]) {
        sim.set_clock(&format!("off-{off}"), clock(new)).expect("there is such a mount");
        wait_for_offset(camera, &format!("{off} s, then {new} s"), (new * 1000.0) as i64);
    }
    let (off, camera) = &watched[4];
    sim.set_clock(&format!("off-{off}"), CameraClock { garbage: true, ..clock(0.0) }).expect("there is such a mount");
    camera.frame("a frame whose camera's clock is ignored", |seen| seen.times.capture.source == ClockSource::Arrival);
    assert_eq!(camera.camera().clock_offset(), None);
    watched.into_iter().for_each(|(_, camera)| camera.stop());
    sim.stop().expect("the simulator stops");
}

#[test]
fn without_sender_reports_the_capture_time_is_the_arrival() {
    let sim = sim(vec![MountConfig { sender_reports: SenderReports::Missing, ..mount("cam") }]);
    let camera = Watched::start(options(sim.url("cam")));
    let mut count = 0;
    camera.wait("three seconds of frames", |heard| {
        let Recorded::Frame(seen) = heard else { return None };
        assert_eq!(seen.times.capture.source, ClockSource::Arrival);
        assert_eq!(seen.times.capture.error_ms, 550, "half a second and the jitter buffer");
        count += 1;
        (count == 75).then_some(())
    });
    camera.stop();
}

fn login(user: &str, password: &str) -> Option<Login> {
    Some(Login { user: user.to_owned().into(), password: password.to_owned().into() })
}

fn locked(scheme: AuthScheme) -> MountConfig {
    let auth = gatehouse_sim::Login { scheme, user: "admin".into(), password: Password::new("right horse") };
    MountConfig { auth: Some(auth), ..mount("cam") }
}

#[test]
fn basic_and_digest_logins_open_a_camera() {
    for scheme in [AuthScheme::Basic, AuthScheme::Digest] {
        let sim = sim(vec![locked(scheme)]);
        let camera = Watched::start(StreamOptions { login: login("admin", "right horse"), ..options(sim.url("cam")) });
        camera.frame("a frame behind a login", |_| true);
        camera.stop();
    }
}

#[test]
fn a_wrong_password_is_reported_once_and_not_hammered() {
    for scheme in [AuthScheme::Digest, AuthScheme::Basic] {
        let sim = sim(vec![locked(scheme)]);
        let given = login("admin", "wrong pony");
        let camera = Watched::start(StreamOptions { login: given, ..options(sim.url("cam")) });
        let refused = camera.status_where("a refusal", |s| !matches!(s, StreamStatus::Connecting));
        let StreamStatus::Refused { reason, retry_in } = refused else { panic!("{refused:?}") };
        assert!(reason.contains("check the user and password") && !reason.contains("pony"), "{reason}");
        assert!(retry_in >= Duration::from_secs(60), "the next try is in {retry_in:?}");
        let stats = sim.stats("cam").expect("a mount");
        assert!(stats.rejected_logins == 1 && stats.connections == 1, "{stats}");
        camera.stop();
    }
}

#[test]
fn a_camera_that_needs_a_login_and_has_none_is_no_refused_login() {
    let sim = sim(vec![locked(AuthScheme::Digest)]);
    let camera = Watched::start(options(sim.url("cam")));
    let lost = camera.status_where("the reason", |s| !matches!(s, StreamStatus::Connecting));
    let StreamStatus::Lost { reason, .. } = lost else { panic!("{lost:?}") };
    assert_eq!(reason, "the camera needs a login (401), and none is set: add `login` to the camera");
    camera.stop();
}

#[test]
fn a_camera_that_dies_is_lost_and_comes_back_by_itself() {
    let sim = sim(vec![mount("cam")]);
    let camera = Watched::start(options(sim.url("cam")));
    camera.frame("a first frame", |_| true);
    sim.stop_server().expect("the server stops");
    let lost = camera.status_where("the loss", |s| matches!(s, StreamStatus::Lost { .. }));
    let StreamStatus::Lost { reason, retry_in } = lost else { unreachable!() };
    assert!(!reason.is_empty() && retry_in <= Duration::from_millis(500), "{reason}, again in {retry_in:?}");
    camera.status_where("a try that fails", |s| matches!(s, StreamStatus::Lost { .. }));
    sim.restart_server().expect("the server starts again on its port");
    camera.status_where("the return", |s| matches!(s, StreamStatus::Live(_)));
    camera.frame("a frame after the return", |_| true);
    camera.stop();
}

#[test]
fn a_resolution_change_in_mid_stream_keeps_the_connection() {
    let sim = sim(vec![mount("cam")]);
    let camera = Watched::start(options(sim.url("cam")));
    camera.frame("a small frame", |f| f.size.width == 320);
    sim.inject("cam", Fault::Resolution { width: 640, height: 360 }).expect("a mount");
    let first_big = camera.wait("a big frame", |heard| match heard {
        Recorded::Status(StreamStatus::Lost { reason, .. }) => panic!("the connection was lost: {reason}"),
        Recorded::Frame(seen) if seen.size.width == 640 => Some(seen),
        _ => None,
    });
    assert_eq!(first_big.size, Size { width: 640, height: 360 });
    sim.clear("cam").expect("a mount");
    camera.frame("a small frame again", |f| f.size.width == 320);
    assert_eq!(sim.stats("cam").expect("a mount").plays, 1, "it was one connection all along");
    camera.stop();
}

#[test]
fn a_silent_camera_is_stalled_and_then_reconnected() {
    let sim = sim(vec![mount("cam")]);
    let camera = Watched::start(options(sim.url("cam")));
    let mut frames = 0;
    camera.wait("some frames, so that its rate is known", |heard| {
        frames += usize::from(matches!(heard, Recorded::Frame(_)));
        (frames == 10).then_some(())
    });
    sim.inject("cam", Fault::Silence).expect("a mount");
    camera.status_where("the stall", |s| matches!(s, StreamStatus::Stalled(_)));
    camera.status_where("the end of patience", |s| matches!(s, StreamStatus::Lost { .. }));
    sim.clear("cam").expect("a mount");
    camera.status_where("the return", |s| matches!(s, StreamStatus::Live(_)));
    camera.stop();
}

#[test]
fn a_black_picture_arrives_black() {
    let sim = sim(vec![mount("cam")]);
    let camera = Watched::start(options(sim.url("cam")));
    let bright = camera.frame("a first frame", |_| true);
    assert!(bright.mean_luma > 17.0, "the ball is white on black");
    sim.inject("cam", Fault::Black).expect("a mount");
    camera.frame("a black frame", |f| f.mean_luma <= 16.5);
    camera.stop();
}

#[test]
fn a_camera_that_never_answers_stops_within_the_deadline() {
    // The kernel accepts the connection; nobody ever reads from it.
    let deaf = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("rtsp://{}/cam", deaf.local_addr().expect("an address"));
    let camera = Watched::start(options(address));
    let _connection = deaf.accept().expect("the camera connects");
    camera.stop();
}

#[test]
fn files_and_test_patterns_are_sources_too() {
    let pattern = Watched::start(StreamOptions { source: Source::Test("smpte".into()), ..options(String::new()) });
    let frame = pattern.frame("a test picture", |_| true);
    assert_eq!(frame.size, Size { width: 1280, height: 720 });
    pattern.stop();

    let nowhere =
        Watched::start(StreamOptions { source: Source::File("/nowhere.mp4".into()), ..options(String::new()) });
    let lost = nowhere.status_where("the reason", |s| matches!(s, StreamStatus::Lost { .. }));
    let StreamStatus::Lost { reason, .. } = lost else { unreachable!() };
    assert!(reason == "there is no such file", "{reason}");
    nowhere.stop();
}
