//! Shared by several benches: processor time from the kernel, and the cost of decoding and
//! inference alone.

#![allow(dead_code, reason = "each bench uses a part")]

use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use gatehouse_capture::{Camera, Cameras, StreamOptions, Wanted};
use gatehouse_core::health::{StatusSink, StreamStatus};
use gatehouse_core::stream::{Decoder, Source, Transport};
use gatehouse_core::time::{Clock, SystemClock};
use gatehouse_core::{CameraId, Delivery, Frame, FrameSink, ThreadPriority};
use gatehouse_people::{PeopleScene, PersonDetector};
use gatehouse_picture::{Size, YuvPicture};
use gatehouse_runtime::{Assets, Catalogue, PhotoLimits, Registry, SessionOptions, read_photo};
use gatehouse_testing::node::media;

/// Argument of this program's decoding process: the time in ms, and the interval of wanted frames
/// in ms (0: every frame).
const DECODE: &str = "--decode";
/// A crowd camera's default: the longer side of the analysed picture.
pub(crate) const DETAIL_PX: usize = 768;
/// After this time a camera that sends enough key frames is decoded key-frame-only.
pub(crate) const SETTLED: Duration = Duration::from_secs(8);

/// Processor time of a process, all threads together, in milliseconds.
pub(crate) fn cpu_time_ms(pid: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    // After the name, which may contain anything: fields 12 and 13 are user and system time in
    // ticks of 10 ms.
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("its name").split(' ').collect();
    fields[11..13].iter().map(|ticks| 10.0 * ticks.parse::<f64>().expect("a number")).sum()
}

/// Share of all processors' time that the hypervisor gave to other machines (steal time).
pub(crate) struct StealTime(Option<[u64; 2]>);

impl StealTime {
    pub(crate) fn since_now() -> Self {
        Self(ticks())
    }

    /// The share in per cent; `None` if the kernel does not report it.
    pub(crate) fn percent(&self) -> Option<f64> {
        let (after, before) = (ticks()?, self.0?);
        let [all, stolen] = [0, 1].map(|i| (after[i] - before[i]) as f64);
        (all > 0.0).then(|| 100.0 * stolen / all)
    }
}

/// Ticks of all processors since boot, and the stolen ones.
fn ticks() -> Option<[u64; 2]> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<u64> = stat.lines().next()?.split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal. User time already includes guests.
    Some([ticks.iter().take(8).sum(), *ticks.get(7)?])
}

/// Delay of a simulated camera's first key frame, in seconds.
///
/// Cameras that are joined at once would send their key frames at once, and decoding them would
/// stop everything else. The fractional parts of multiples of the golden ratio spread any number of
/// cameras evenly.
pub(crate) fn key_wait_seconds(camera: usize, gop_seconds: f64) -> f64 {
    // The simulator supports at most 4 s.
    gop_seconds.min(4.0) * (camera as f64 * 0.618_034).fract()
}

/// Number of processors that this process may use.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The built-in models.
pub(crate) fn registry() -> Registry {
    let assets = Assets::locate().expect("HOME or GATEHOUSE_ASSETS is set");
    Registry::open(assets, Catalogue::builtin().expect("built-in manifests")).expect("run `make setup`")
}

/// Processor time of one person detection in milliseconds, on one thread per processor.
pub(crate) fn people_alone(model: &str) -> f64 {
    each_ms(|| {
        let mut detector =
            PersonDetector::load(&registry(), model, &SessionOptions::default()).expect("run `make setup`");
        let mut found = Vec::new();
        move |picture: YuvPicture<'_>| {
            let scene = PeopleScene { picture, longer_side_px: DETAIL_PX, density_side_px: DETAIL_PX, tiles: &[] };
            detector.detect(&[scene], 0.15, &mut found).expect("it detects");
        }
    })
}

/// Mean processor time of one run in milliseconds. Each processor runs its own instance from
/// `load`, as on a loaded node, so that they share the caches. The picture has a camera's aspect
/// ratio, which determines the tensor.
pub(crate) fn each_ms<I: FnMut(YuvPicture<'_>)>(load: impl Fn() -> I + Sync) -> f64 {
    const RUNS: usize = 50;
    let (begun, ended) = (Barrier::new(processors() + 1), Barrier::new(processors() + 1));
    std::thread::scope(|scope| {
        for _ in 0..processors() {
            scope.spawn(|| {
                let mut infer = load();
                with_wide_picture(|wide| {
                    infer(wide);
                    begun.wait();
                    (0..RUNS).for_each(|_| infer(wide));
                    ended.wait();
                });
            });
        }
        begun.wait();
        let before = cpu_time_ms("self");
        ended.wait();
        (cpu_time_ms("self") - before) / (RUNS * processors()) as f64
    })
}

/// Median of several runs on the same picture, in milliseconds as each run measures them.
pub(crate) fn wall_ms(mut run: impl FnMut(YuvPicture<'_>) -> f64) -> f64 {
    const RUNS: usize = 7;
    with_wide_picture(|wide| {
        run(wide);
        let mut times: Vec<f64> = (0..RUNS).map(|_| run(wide)).collect();
        times.sort_by(f64::total_cmp);
        times[RUNS / 2]
    })
}

fn with_wide_picture<T>(then: impl FnOnce(YuvPicture<'_>) -> T) -> T {
    let photo = read_photo(&media("t1.jpg"), &PhotoLimits::default()).expect("run `make setup`");
    let size = photo.as_video().size();
    let height = (size.width * 9 / 16).min(size.height) & !1;
    let wide = photo.as_video().part(0, 0, Size { height, ..size }).expect("a part of it");
    then(wide)
}

/// Drops every frame.
struct DropFrames;

impl FrameSink for DropFrames {
    fn deliver(&self, _: Frame) -> Delivery {
        Delivery::Analysed
    }
}

impl StatusSink for DropFrames {
    fn status(&self, _: &CameraId, _: StreamStatus) {}
}

/// Processor time of decoding one of these cameras, in milliseconds per second, measured in a
/// process of its own. `wanted` is the interval of wanted frames (`None`: every frame).
pub(crate) fn decode_alone(urls: &[String], time: Duration, wanted: Option<Duration>) -> f64 {
    let [time, wanted] = [time, wanted.unwrap_or_default()].map(|time| time.as_millis().to_string());
    let mut program = Command::new(std::env::current_exe().expect("this program has a file"));
    let child = program.args([DECODE, &time, &wanted]).args(urls).stdout(Stdio::piped()).spawn();
    let output = child.and_then(std::process::Child::wait_with_output).expect("it runs");
    assert!(output.status.success(), "decoding failed");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("milliseconds")
}

/// Does the work of [`decode_alone`] if this is the process that it has started. Call it first in
/// `main`.
pub(crate) fn decode_if_asked() -> bool {
    let arguments: Vec<String> = std::env::args().skip_while(|argument| argument != DECODE).skip(1).collect();
    let [time, wanted, addresses @ ..] = arguments.as_slice() else { return false };
    let millis = |text: &str| Duration::from_millis(text.parse().expect("a number"));
    decode(addresses, millis(time), Some(millis(wanted)).filter(|wanted| !wanted.is_zero()));
    true
}

fn decode(addresses: &[String], time: Duration, every: Option<Duration>) {
    gatehouse_capture::init().expect("GStreamer starts");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let options = |address: &String| StreamOptions {
        camera: CameraId::new("camera"),
        source: Source::Rtsp(address.clone().into()),
        login: None,
        transport: Transport::Tcp,
        latency: Duration::from_millis(100),
        wanted: every.map_or(Wanted::All, Wanted::OneIn),
        thread_priority: ThreadPriority::Normal,
        decoders: vec![Decoder::Software],
        privacy: Vec::new(),
        with_damaged: true,
    };
    let sink = Arc::new(DropFrames);
    let mut cameras = Cameras::default();
    for address in addresses {
        let camera = Camera::start(options(address), Arc::clone(&clock), sink.clone(), sink.clone(), Arc::default());
        cameras.push(camera.expect("it starts"));
    }
    std::thread::sleep(SETTLED);
    let (before, start) = (cpu_time_ms("self"), Instant::now());
    std::thread::sleep(time);
    println!("{:.2}", (cpu_time_ms("self") - before) / start.elapsed().as_secs_f64() / addresses.len() as f64);
    cameras.stop(clock.as_ref(), Duration::from_secs(5));
}
