//! A crowd camera through the whole path: RTSP in, counts on a zenoh bus out.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

use gatehouse_bus::{BusOptions, Watcher};
use gatehouse_core::Event;
use gatehouse_core::event::{DensityEvent, Level, SelfAssessment};
use gatehouse_core::rollup::{Blindness, RollUp, SilentSite};
use gatehouse_core::time::WallTime;
use gatehouse_sim::{Fault, MountConfig, Scene, Sim, SimConfig};
use gatehouse_testing::PATIENCE;
use gatehouse_testing::node::{Node, Program, SiteFolder, media};

const PROGRAM: Program = Program(env!("CARGO_BIN_EXE_gatehouse"));

gatehouse_testing::run_one_at_a_time! {
    counts_are_steady_and_cover_ground_and_lines,
    key_frames_that_are_not_due_are_not_decoded,
    an_unchanged_picture_is_not_counted_again,
    false_detections_in_an_empty_scene_are_left_out,
    sums_of_site_and_area_name_their_blind_cameras,
    a_moved_camera_is_reported_and_its_zones_are_not_counted,
}

/// Number of people in every fifth frame of the plaza from frame 341 (from 1) on, by the public
/// ground truth (MOTChallenge 2015, PETS09-S2L1).
const MARKED: [u32; 16] = [6, 6, 6, 6, 6, 5, 4, 4, 4, 4, 4, 3, 3, 2, 2, 2];
const FIRST_MARKED: u32 = 341;
/// Start in the video. In the first seconds the node counts less often, because it learns the
/// interval of key frames.
const SKIPPED_SECONDS: u32 = 30;
const FPS: u32 = 10;

/// A plaza with 2 to 8 pedestrians, from a fixed camera.
fn plaza() -> Sim {
    let mount = MountConfig {
        size: [768, 576],
        fps: FPS,
        skip_seconds: SKIPPED_SECONDS,
        max_seconds: 20,
        // The test is of the model and not of the encoder.
        bitrate_kbps: 8000,
        ..MountConfig::new("plaza", Scene::File(media("vtest.avi")))
    };
    Sim::start(SimConfig { mounts: vec![mount], ..SimConfig::default() }).expect("the simulator starts")
}

/// A site with the plaza's grass and path, on a calibrated ground.
fn site(sim: &Sim) -> SiteFolder {
    let url = sim.url("plaza");
    let cameras = format!(
        r#"
        [[crowd]]
        id = "plaza"
        source = "{url}"
        ground = {{ height_m = 3.0, tilt_deg = 20.0, field_of_view_deg = 45.0 }}
        [[crowd.zone]]
        id = "ground"
        polygon = [[0.0, 0.2], [1.0, 0.2], [1.0, 1.0], [0.0, 1.0]]
        levels = {{ medium = 0.01, high = 5.0, critical = 6.0, unit = "people_per_m2" }}
        [[crowd.line]]
        id = "middle"
        from = [0.5, 0.0]
        to = [0.5, 1.0]
        inside = [0.9, 0.5]
        "#
    );
    SiteFolder::new(PROGRAM, &cameras)
}

fn density(node: &Node, what: &str, mut wanted: impl FnMut(&DensityEvent) -> bool) -> DensityEvent {
    node.wait(what, |_, event| match event {
        Event::Density(density) if wanted(density) => Some(density.clone()),
        _ => None,
    })
}

fn counts_are_steady_and_cover_ground_and_lines() {
    let sim = plaza();
    let site = site(&sim);
    let node = Node::start(&site);
    let (mut counts, mut times) = (Vec::new(), Vec::new());
    let level = node.wait("a level", |received, event| match event {
        Event::Level(level) => Some((received.key.clone(), level.clone())),
        Event::Density(density) => {
            counts.push(density.count);
            times.push(density.capture_time.at);
            None
        }
        _ => None,
    });
    assert_eq!(level.0, "gatehouse/v1/city/county/cell/test-site/crowd/plaza/level");
    assert_eq!((level.1.previous_level, level.1.current.level), (Some(Level::Low), Some(Level::Medium)));

    let last = density(&node, "a whole film and somebody across the line", |density| {
        assert_eq!(density.self_assessment, SelfAssessment::InRange);
        counts.push(density.count);
        times.push(density.capture_time.at);
        let [line] = density.lines.as_slice() else { panic!("{:?}", density.lines) };
        counts.len() >= 40 && line.inwards + line.outwards > 0
    });
    // 2 to 8 people walk about. Except where the video starts again, fewer than three appear or
    // disappear at once.
    let mean = counts.iter().sum::<f64>() / counts.len() as f64;
    assert!((3.0..=8.0).contains(&mean) && counts.iter().all(|count| (1.0..=10.0).contains(count)), "{counts:?}");
    let steps = counts.windows(2).filter(|pair| (pair[0] - pair[1]).abs() > 2.0).count();
    assert!(steps <= 3, "{counts:?}");
    // Each marked frame with the nearest count in time, in the first loop of the video.
    let began = sim.stats("plaza").expect("there are statistics").began.expect("the film has begun");
    let began = WallTime::from_unix_nanos(0) + began;
    let frame = |at: WallTime| f64::from(FPS * SKIPPED_SECONDS + 1) + at.distance(began).as_secs_f64() * f64::from(FPS);
    // Counts and their errors.
    let counted: Vec<(f64, f64)> = (FIRST_MARKED..)
        .step_by(5)
        .zip(MARKED)
        .map(|(marked, people)| {
            let away = |number: &usize| (frame(times[*number]) - f64::from(marked)).abs();
            let nearest = (0..times.len()).min_by(|a, b| away(a).total_cmp(&away(b))).expect("there are counts");
            assert!(away(&nearest) <= 3.0, "frame {marked} is {} frames from the nearest count", away(&nearest));
            (counts[nearest], counts[nearest] - f64::from(people))
        })
        .collect();
    println!("{counted:?} {counts:?}");
    let mae = counted.iter().map(|(_, error)| error.abs()).sum::<f64>() / counted.len() as f64;
    // Between two marked frames at most one person appears or disappears.
    let flicker = counted.windows(2).map(|pair| (pair[1].0 - pair[0].0).abs()).fold(0.0, f64::max);
    assert!(mae <= 1.0 && flicker <= 1.0, "MAE {mae}, from one count to the next {flicker}: {counted:?}");
    let ground = &last.zones[0];
    let area = ground.count / ground.people_per_m2.expect("the ground is measured");
    // Computed by hand: 9.4° to 37.3° below the horizon, from a height of 3 m. That is 18.0 m to
    // 3.9 m away, 14.9 m and 3.9 m wide.
    assert!((124.0..142.0).contains(&area), "{area} m²");
    node.stop();
}

fn key_frames_that_are_not_due_are_not_decoded() {
    // The camera sends a key frame per second.
    let mount = MountConfig { size: [320, 180], ..MountConfig::new("plaza", Scene::File(media("vtest.avi"))) };
    let sim = Sim::start(SimConfig { mounts: vec![mount], ..SimConfig::default() }).expect("the simulator starts");
    let camera = format!("[[crowd]]\nid = \"plaza\"\nsource = \"{}\"\nanalyse_fps = 0.2\n", sim.url("plaza"));
    let site = SiteFolder::new(PROGRAM, &camera);
    let node = Node::start(&site);
    node.wait("as many decoded as analysed frames", |_, event| match event {
        Event::Health(health) => {
            let looked_at = health.fps_analysed + health.fps_unchanged;
            (looked_at > 0.1 && health.fps_decoded < 0.5).then_some(())
        }
        _ => None,
    });
    node.stop();
    sim.stop().expect("it stops");
}

fn an_unchanged_picture_is_not_counted_again() {
    let sim = plaza();
    sim.inject("plaza", Fault::Freeze).expect("it can freeze");
    let site = site(&sim);
    let node = Node::start(&site);
    let mut counted = None;
    let unchanged = density(&node, "a count of the picture before", |density| {
        if density.unchanged_since.is_none() {
            counted = Some(density.clone());
        }
        density.unchanged_since.is_some()
    });
    let counted = counted.expect("a count that the other refers to");
    assert_eq!(unchanged.unchanged_since, Some(counted.capture_time.at));
    assert!(unchanged.capture_time.at > counted.capture_time.at);
    assert_eq!((unchanged.count, unchanged.interval), (counted.count, counted.interval));
    assert_eq!(unchanged.zones[0].count, counted.zones[0].count);
    // No real camera gives identical pictures for five seconds.
    let frozen = density(&node, "a frozen picture", |density| density.self_assessment == SelfAssessment::NoPicture);
    assert_eq!((frozen.count, frozen.unchanged_since), (0.0, None));
    node.stop();
    sim.stop().expect("it stops");
}

fn false_detections_in_an_empty_scene_are_left_out() {
    let sim = plaza();
    // The frozen people look like those on a poster. After five seconds without change they are not
    // counted.
    sim.inject("plaza", Fault::Freeze).expect("it can freeze");
    let site = site(&sim);
    let node = Node::start(&site);
    let seen = density(&node, "somebody", |density| density.self_assessment == SelfAssessment::InRange).count;
    assert!(seen >= 2.0, "{seen}");
    node.stop();

    let output = site.run("camera view", &["plaza", "--empty", "5"]);
    assert!(output.starts_with("plaza: in "), "{output}");
    assert!(output.contains(" without people the model would count "), "{output}");
    let node = Node::start(&site);
    let count = density(&node, "nobody", |density| density.self_assessment == SelfAssessment::InRange).count;
    assert_eq!(count, 0.0);
    node.stop();
    sim.stop().expect("it stops");
}

/// A running `gatehouse crowd rollup`, ended with the test.
struct RollUpRun(std::process::Child);

impl Drop for RollUpRun {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("it can be ended");
    }
}

fn sums_of_site_and_area_name_their_blind_cameras() {
    let sim = plaza();
    let url = sim.url("plaza");
    let cameras = format!(
        r#"
        [[crowd]]
        id = "plaza"
        source = "{url}"
        detail_px = 416
        [[crowd]]
        id = "gone"
        source = "{url}-that-is-not-there"
        [[crowd]]
        id = "again"
        source = "{url}"
        detail_px = 416
        in_total = false
        "#
    );
    let folder = SiteFolder::new(PROGRAM, &cameras);
    let node = Node::start(&folder);
    let counts = |said: &RollUp| said.counted == 1 && said.count > 0.0 && said.top_zones.len() == 2;
    let (key, site) = node.wait("the site's sum", |received, event| match event {
        Event::RollUp(said) if counts(said) => Some((received.key.clone(), said.clone())),
        _ => None,
    });
    assert_eq!(key, "gatehouse/v1/city/county/cell/test-site/crowd/rollup");
    assert_eq!((site.place.as_str(), site.cameras), ("city/county/cell/test-site", 2));
    let blind: Vec<_> = site.blind.iter().map(|blind| (blind.camera.as_str(), blind.reason)).collect();
    assert_eq!(blind, [("gone", Blindness::Silent)]);
    assert!((1.0..=11.0).contains(&site.count), "one of the two who look at the plaza: {site:?}");

    // A command centre that listens receives the sum.
    let listen = BusOptions::listening(vec!["tcp/127.0.0.1:0".to_owned()]);
    let centre = Watcher::open(&listen, "gatehouse/v1/city/area/rollup").expect("it listens");
    let run = std::process::Command::new(PROGRAM.0)
        .args(["crowd", "rollup", "city", "--every", "1", "--expect", "county/other/site", "--json"])
        .args(["--connect", &node.bus, "--connect", &centre.locators()[0]])
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("gatehouse runs");
    let run = RollUpRun(run);
    let area = loop {
        let received = centre.recv_timeout(PATIENCE).expect("an area's sum");
        match received.event.expect("an event") {
            Event::RollUp(said) if said.counted == 1 => break said,
            _ => {}
        }
    };
    assert_eq!((area.place.as_str(), area.cameras, area.count > 0.0), ("city", 2, true));
    assert_eq!(area.blind[0].camera, "city/county/cell/test-site/gone");
    let silent = SilentSite { site: "city/county/other/site".to_owned(), cameras: 0, since: None };
    assert_eq!(area.silent_sites, [silent]);
    drop(run);
    centre.close(PATIENCE).expect("it closes");
    node.stop();
    sim.stop().expect("it stops");
}

fn a_moved_camera_is_reported_and_its_zones_are_not_counted() {
    let sim = plaza();
    let site = site(&sim);
    let asked = site.run("camera view", &["plaza"]);
    let view = asked.trim().rsplit(' ').next().expect("the file's path").to_owned();
    assert!(asked.starts_with("plaza: the reference view was not learnt yet; it will be in "), "{asked}");
    // The view of another place, whose brightness increases towards the lower left.
    let edges = |step: i32| vec![step; 64 * 36];
    let other = serde_json::json!({ "columns": 64, "rows": 36, "across": edges(-20), "down": edges(20) });
    std::fs::create_dir(site.path("views")).expect("a folder");
    std::fs::write(&view, other.to_string()).expect("there is room");

    let node = Node::start(&site);
    // The camera was moved while no node ran: its zones are never counted.
    let moved = density(&node, "a count", |_| true);
    assert_eq!((moved.self_assessment, moved.zones.len(), moved.interval), (SelfAssessment::Moved, 0, None));
    assert!(node.log().contains("the camera no longer shows the view on which its zones were drawn"));
    node.stop();

    let forgotten = site.run("camera view", &["plaza", "--learn"]);
    assert!(forgotten.starts_with("plaza: the reference view is forgotten"), "{forgotten}");
    assert!(!std::path::Path::new(&view).exists());
    let (code, _, complaint) = site.try_to("camera view", &["square"]);
    assert_eq!(code, 3);
    assert!(complaint.contains("no crowd camera `square`; there are: plaza"), "{complaint}");
}
