//! Thread priorities of cameras: in a process of its own, because it counts the process's threads.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

use std::sync::Arc;
use std::time::Duration;

use gatehouse_capture::{Camera, Cameras, StreamOptions, Wanted};
use gatehouse_core::stream::{Decoder, Source, Transport};
use gatehouse_core::time::SystemClock;
use gatehouse_core::{CameraId, ThreadPriority};
use gatehouse_sim::{MountConfig, Scene, Sim, SimConfig};
use gatehouse_testing::recorder::{NormalThreadSchedulePolicy, Recorder, ThreadSchedulePolicy};

/// Starts a camera, gives what it delivers to `watch`, and stops it.
fn with_camera(address: String, thread_priority: ThreadPriority, transport: Transport, watch: impl FnOnce(&Recorder)) {
    let options = StreamOptions {
        wanted: Wanted::All,
        thread_priority,
        decoders: vec![Decoder::Software],
        privacy: Vec::new(),
        with_damaged: true,
        camera: CameraId::new("cam"),
        source: Source::Rtsp(address.into()),
        login: None,
        transport,
        latency: Duration::from_millis(50),
    };
    let (recorder, clock) = (Recorder::default(), Arc::new(SystemClock::new()));
    let mut cameras = Cameras::default();
    let camera = Camera::start(options, clock.clone(), recorder.frames(), recorder.status(), Arc::default());
    cameras.push(camera.expect("the camera starts"));
    watch(&recorder);
    assert_eq!(cameras.stop(clock.as_ref(), Duration::from_secs(5)).len(), 0);
}

/// The number of threads of idle priority that read and decode a camera.
fn idle_threads() -> usize {
    const READ_AND_DECODE: &str = "rtsp-cam";
    const SCHED_IDLE: &str = "5";
    let stats = std::fs::read_dir("/proc/self/task").expect("a process has threads").flatten();
    let stats = stats.filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
    let is_idle = |stat: &String| {
        let (name, rest) =
            stat.split_once('(').and_then(|(_, stat)| stat.rsplit_once(") ")).expect("a name in brackets");
        name == READ_AND_DECODE && rest.split(' ').nth(38) == Some(SCHED_IDLE)
    };
    stats.filter(is_idle).count()
}

#[test]
fn a_lowered_thread_never_serves_a_camera_of_normal_priority() {
    use NormalThreadSchedulePolicy::{Idle, Other};
    let mount = MountConfig {
        size: [320, 180],
        bitrate_kbps: 300,
        max_seconds: 2,
        ..MountConfig::new("cam", Scene::Pattern("ball".into()))
    };
    let sim = Sim::start(SimConfig { mounts: vec![mount], ..SimConfig::default() }).expect("the simulator starts");
    for transport in [Transport::Tcp, Transport::Udp, Transport::Tcp] {
        with_camera(sim.url("cam"), ThreadPriority::Idle, transport, |camera| {
            let frame = camera.frame("a frame", |_| true);
            assert_eq!(frame.policy, ThreadSchedulePolicy::Normal(Idle));
            assert_eq!(idle_threads(), 1, "one thread reads and decodes");
        });
        with_camera(sim.url("cam"), ThreadPriority::Normal, transport, |camera| {
            let frame = camera.frame("a frame that no lowered thread brought", |_| idle_threads() == 0);
            assert_eq!(frame.policy, ThreadSchedulePolicy::Normal(Other));
        });
    }
    sim.stop().expect("the simulator stops");
}
