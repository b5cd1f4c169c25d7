//! Whose threads give way to whose: in a process of its own, for a thread that did is lent to whoever starts a camera next.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

use std::sync::Arc;
use std::time::Duration;

use gatehouse_capture::{Camera, Cameras, StreamOptions, Wanted};
use gatehouse_core::stream::{Decoder, Source, Transport};
use gatehouse_core::time::SystemClock;
use gatehouse_core::{CameraId, Urgency};
use gatehouse_sim::{MountConfig, Scene, Sim, SimConfig};
use gatehouse_testing::recorder::{NormalThreadSchedulePolicy, Recorder, ThreadSchedulePolicy};

/// Starts a camera, gives what it delivers to `watch`, and stops it.
fn with_camera(address: String, urgency: Urgency, transport: Transport, watch: impl FnOnce(&Recorder)) {
    let options = StreamOptions {
        wanted: Wanted::All,
        urgency,
        decoders: vec![Decoder::Software],
        privacy: Vec::new(),
        camera: CameraId::new("cam"),
        source: Source::Rtsp(address.into()),
        login: None,
        transport,
        latency: Duration::from_millis(50),
    };
    let (recorder, clock) = (Recorder::default(), Arc::new(SystemClock::new()));
    let mut cameras = Cameras::default();
    let camera = Camera::start(options, clock.clone(), recorder.frames(), recorder.status());
    cameras.push(camera.expect("the camera starts"));
    watch(&recorder);
    assert_eq!(cameras.stop(clock.as_ref(), Duration::from_secs(5)).len(), 0);
}

/// Threads that read a camera over TCP, or decode one, and give way to all others. The simulator's own, of other names, are in this
/// process too, and of no concern.
fn idle_threads() -> usize {
    const READ_OR_DECODE: [&str; 2] = ["task", "rtpjitterbuffer"];
    const SCHED_IDLE: &str = "5";
    let stats = std::fs::read_dir("/proc/self/task").expect("a process has threads").flatten();
    let stats = stats.filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
    let is_idle = |stat: &String| {
        let (name, rest) =
            stat.split_once('(').and_then(|(_, stat)| stat.rsplit_once(") ")).expect("a name in brackets");
        READ_OR_DECODE.iter().any(|role| name.starts_with(role)) && rest.split(' ').nth(38) == Some(SCHED_IDLE)
    };
    stats.filter(is_idle).count()
}

#[test]
fn a_thread_that_is_less_urgent_never_serves_a_camera_that_is_more() {
    use NormalThreadSchedulePolicy::{Idle, Other};
    let mount = MountConfig {
        size: [320, 180],
        bitrate_kbps: 300,
        max_seconds: 2,
        ..MountConfig::new("cam", Scene::Pattern("ball".into()))
    };
    let sim = Sim::start(SimConfig { mounts: vec![mount], ..SimConfig::default() }).expect("the simulator starts");
    for transport in [Transport::Tcp, Transport::Udp, Transport::Tcp] {
        with_camera(sim.url("cam"), Urgency::Last, transport, |camera| {
            let frame = camera.frame("a frame", |_| true);
            assert_eq!(frame.policy, ThreadSchedulePolicy::Normal(Idle));
            assert_eq!(idle_threads(), 2, "the one that reads or only asks for datagrams, and the one that decodes");
        });
        // Started while the other's threads are still about.
        with_camera(sim.url("cam"), Urgency::First, transport, |camera| {
            let frame =
                camera.frame("a frame that only threads brought that give way to none", |_| idle_threads() == 0);
            assert_eq!(frame.policy, ThreadSchedulePolicy::Normal(Other));
        });
    }
    sim.stop().expect("the simulator stops");
}
