use proptest::prelude::*;

use super::*;

const NOON: WallTime = WallTime::from_unix_nanos(1_790_000_000_000_000_000);
const LATENCY: Duration = Duration::from_millis(50);
const YEARS_30_MS: i64 = 30 * 365 * 86_400_000;

fn at(ms: i64) -> Monotonic {
    Monotonic::from_start(Duration::from_millis(ms.unsigned_abs()))
}

fn wall(ms: i64) -> WallTime {
    WallTime::from_unix_nanos(NOON.unix_nanos() + ms * 1_000_000)
}

/// A camera and the way of its frames.
struct World {
    clock: CameraClock,
    /// Camera's time minus true time, in ms.
    off_ms: f64,
}

impl World {
    fn new(off_ms: i64) -> Self {
        Self { clock: CameraClock::new(), off_ms: off_ms as f64 }
    }

    /// The capture time of a frame, as milliseconds after [`NOON`], and its stated error.
    fn frame(&mut self, captured_ms: i64, transit_ms: i64) -> (i64, i64) {
        let stated = WallTime::from_unix_nanos(wall(captured_ms).unix_nanos() + (self.off_ms * 1e6) as i64);
        let arrived_ms = captured_ms + transit_ms;
        let capture = self.clock.capture_time(Some(stated), at(arrived_ms), wall(arrived_ms), LATENCY);
        assert!(capture.at <= wall(arrived_ms), "no capture after its arrival");
        ((capture.at.unix_nanos() - NOON.unix_nanos()) / 1_000_000, i64::from(capture.error_ms))
    }
}

#[test]
fn without_sender_reports_the_arrival_is_the_capture_time() {
    let mut clock = CameraClock::new();
    let capture = clock.capture_time(None, at(100), NOON, LATENCY);
    let arrival = CaptureTime { at: NOON, source: ClockSource::Arrival, error_ms: 550, clock_offset_ms: None };
    assert_eq!((capture, clock.offset()), (arrival, None));
}

/// A set clock shows first as reports that contradict each other, of which none is believed.
#[test]
fn a_clock_that_was_set_in_between_is_measured_anew() {
    let mut camera = World::new(2000);
    camera.frame(0, 80);
    assert_eq!(camera.clock.capture_time(None, at(3080), wall(3080), LATENCY).source, ClockSource::Arrival);
    camera.off_ms = 0.0;
    assert_eq!(camera.frame(6000, 80), (6000, 420), "not 2 s late");
}

#[test]
fn a_clock_that_agrees_is_used_and_a_wrong_one_is_measured() {
    // Within what transit explains, the camera's time stands.
    let mut right = World::new(0);
    assert_eq!(right.frame(0, 80), (0, 420));
    assert_eq!(right.frame(40, 130), (40, 420));
    for off_ms in [2000, 5000, 3_600_000, YEARS_30_MS, -1000, -5000, -3_600_000, -YEARS_30_MS] {
        let mut wrong = World::new(off_ms);
        assert_eq!(wrong.frame(0, 80), (80, 500), "{off_ms}");
        // The jitter is removed: 50 ms more under way.
        assert_eq!(wrong.frame(40, 130), (120, 500), "{off_ms}");
        let offset = wrong.clock.offset().expect("measured");
        assert_eq!((offset.ms, offset.error_ms), (off_ms - 80, 500));
    }
}

#[test]
fn a_clock_that_is_set_is_measured_anew_at_once() {
    let mut world = World::new(7_200_000);
    for n in 0..500 {
        let (capture, _) = world.frame(n * 40, 80);
        assert_eq!(capture, n * 40 + 80);
    }
    for (from, off_ms) in [(0, 100), (1000, 3000), (2000, -YEARS_30_MS), (3000, 900_000)] {
        world.off_ms = off_ms as f64;
        for n in 500 + from..1500 + from {
            assert_eq!(world.frame(n * 40, 80).0, n * 40 + 80, "{off_ms}");
        }
        assert_eq!(world.clock.offset().expect("measured").ms, off_ms - 80);
    }
}

#[test]
fn times_without_sense_are_not_used() {
    let mut clock = CameraClock::new();
    let mut frame = |ms: i64, off_ms: i64| clock.capture_time(Some(wall(ms + off_ms)), at(ms), wall(ms), LATENCY);
    assert!(frame(0, 0).clock_offset_ms.is_some());
    // Each report states another time.
    let offsets = [5_000_000, -YEARS_30_MS, 86_400_000, 0];
    let stated = (1i64..).zip(offsets).map(|(n, off)| frame(n * 5000, off).clock_offset_ms.is_some());
    assert_eq!(stated.collect::<Vec<_>>(), [true, true, false, false]);
    let later = [24_999, 64_000, 70_000].map(|ms| frame(ms, 0).source);
    assert_eq!(later, [ClockSource::Arrival, ClockSource::Arrival, ClockSource::Rtcp], "a minute after the last jumps");
}

#[test]
fn a_measured_frame_allocates_nothing() {
    let mut world = World::new(2000);
    let allocated = allocation_counter::measure(|| (0..5000).for_each(|n| _ = world.frame(n * 40, 80)));
    assert_eq!(allocated.count_total, 0);
}

/// What happens to the camera's clock before a frame.
#[derive(Debug, Clone)]
enum Change {
    None,
    Set(i64),
    /// One report with any time at all.
    Garbage(i64),
}

fn changes() -> impl Strategy<Value = Vec<(Change, i64, i64)>> {
    let off = || prop_oneof![-20_000..20_000i64, -YEARS_30_MS..YEARS_30_MS];
    let change = prop_oneof![
        20 => Just(Change::None),
        1 => off().prop_map(Change::Set),
        1 => any::<i64>().prop_map(Change::Garbage),
    ];
    prop::collection::vec((change, 0..400i64, 20..2000i64), 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_error_covers_the_capture_whatever_the_clock_does(changes in changes(), off in -5000..5000i64, ppm in -500..500i64) {
        let mut world = World::new(off);
        let mut captured = 0;
        for (change, transit, gap) in changes {
            captured += gap;
            world.off_ms += gap as f64 * ppm as f64 / 1e6;
            match change {
                Change::None => {}
                Change::Set(off) => world.off_ms = off as f64,
                Change::Garbage(nanos) => {
                    let arrived = captured + 1;
                    let stated = Some(WallTime::from_unix_nanos(nanos));
                    let capture = world.clock.capture_time(stated, at(arrived), wall(arrived), LATENCY);
                    prop_assert!(capture.at <= wall(arrived));
                    prop_assert!(capture.at.distance(wall(arrived)) <= LONGEST_DELAY + LONGEST_TRANSIT);
                    continue;
                }
            }
            let (estimate, error) = world.frame(captured, transit);
            prop_assert!((estimate - captured).abs() <= error + 1, "{} for {}, error {}", estimate, captured, error);
        }
    }

    #[test]
    fn the_offset_of_a_steady_clock_is_within_its_error(
        off in -YEARS_30_MS..YEARS_30_MS, ppm in -500..500i64, shortest in 0..400i64, jitter in 0..300i64,
    ) {
        let mut world = World::new(off);
        for n in 0..3000i64 {
            world.off_ms += 40.0 * ppm as f64 / 1e6;
            world.frame(n * 40, shortest + (n * 7919) % (jitter + 1));
        }
        let offset = world.clock.offset().expect("measured");
        let difference = offset.ms - world.off_ms as i64;
        prop_assert!(difference.abs() <= i64::from(offset.error_ms) + 2, "off by {}", difference);
    }
}
