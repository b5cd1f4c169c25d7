//! A node end to end: real RTSP cameras, and a real subscriber on its bus.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

use gatehouse_core::Event;
use gatehouse_core::event::{Decision, DensityEvent, EntryEvent, Method, Reason};
use gatehouse_core::health::CameraState;
use gatehouse_sim::{FaceBox, MountConfig, Person, Scene, Sim, SimConfig, WalkUp};
use gatehouse_testing::node::{NAME, Node, Program, SiteFolder, media};

const PROGRAM: Program = Program(env!("CARGO_BIN_EXE_gatehouse"));

/// A gate that an enrolled person and a stranger walk up to in turn, and a square with pedestrians.
fn cameras() -> Sim {
    let enrolled = Person::photo(media("obama2.jpg")).with_face(FaceBox(195.0, 224.0, 276.0, 390.0));
    let stranger = Person::photo(media("astronaut.png")).with_face(FaceBox(178.0, 63.0, 90.0, 113.0));
    let walk_up = WalkUp { people: vec![enrolled, stranger], seconds_each: 6.0, gap_seconds: 2.5 };
    let gate = MountConfig { max_seconds: 17, ..MountConfig::new("gate", Scene::WalkUp(walk_up)) };
    let plaza = MountConfig {
        size: [768, 576],
        fps: 10,
        max_seconds: 20,
        ..MountConfig::new("plaza", Scene::File(media("vtest.avi")))
    };
    Sim::start(SimConfig { mounts: vec![gate, plaza], ..SimConfig::default() }).expect("the simulator starts")
}

fn site(sim: &Sim) -> SiteFolder {
    SiteFolder::new(
        PROGRAM,
        &format!(
            r#"
        [[gate]]
        id = "gate-1"
        source = "{}"
        liveness = "off"
        [[crowd]]
        id = "plaza"
        source = "{}"
        [[crowd.zone]]
        id = "left"
        polygon = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]
        area_m2 = 100.0
        levels = {{ medium = 1, high = 50, critical = 60 }}
        [[crowd.zone]]
        id = "right"
        polygon = [[0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 1.0]]
        "#,
            sim.url("gate"),
            sim.url("plaza")
        ),
    )
}

fn next_entry(node: &Node, what: &str, decision: Decision) -> EntryEvent {
    node.wait(what, |received, event| {
        let text = String::from_utf8_lossy(&received.payload);
        assert!(!text.contains(NAME), "an event names somebody: {text}");
        match event {
            Event::Entry(entry) if entry.decision == decision => {
                assert_eq!(received.key, "gatehouse/v1/city/county/cell/test-site/gate/gate-1/entry");
                Some(entry.clone())
            }
            _ => None,
        }
    })
}

#[test]
fn people_are_admitted_by_face_until_they_withdraw() {
    let sim = cameras();
    let site = site(&sim);
    let person = site.enrol(&[media("obama.jpg"), media("obama3.jpg")], "2099-12-31");
    let node = Node::start(&site);

    let admitted = next_entry(&node, "an admission", Decision::Admit);
    assert_eq!((admitted.reason, admitted.method), (Reason::Matched, Method::Face));
    let grant = admitted.grant.as_ref().expect("an admission comes with a grant");
    assert_eq!(grant.until_ms - grant.from_ms, 5000);
    // From its arrival on, which is at most the error after its capture.
    let after_capture = grant.expires_at.distance(admitted.capture_time.at).as_millis();
    assert!((5000..=5000 + u128::from(admitted.capture_time.error_ms)).contains(&after_capture), "{after_capture} ms");
    let referred = next_entry(&node, "a referral", Decision::Refer);
    assert_eq!((referred.reason, &referred.grant), (Reason::NoMatch, &None));

    // The node's outbox contains both, numbered without gaps, for subscribers that were absent.
    let key = "gatehouse/v1/city/county/cell/test-site/gate/gate-1/entry";
    let replayed = node.watcher().entries(key, 1, 100).expect("the node answers");
    let numbers: Vec<u64> = replayed.iter().map(|e| e.sequence).collect();
    assert_eq!(numbers, (1..=replayed.len() as u64).collect::<Vec<_>>());
    assert!(replayed.contains(&admitted) && replayed.contains(&referred));

    // The person withdraws, by a command in another process. From then on both people are referred.
    let said = site.run("people forget", &[&person]);
    assert!(said.starts_with("forgotten"), "{said}");
    #[expect(clippy::disallowed_methods, reason = "compared with the wall time in events")]
    let forgotten = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let mut referred_after = 0;
    node.wait("two referrals after the withdrawal", |_, event| {
        let Event::Entry(entry) = event else { return None };
        let since = entry.capture_time.at.unix_nanos() - forgotten.as_nanos() as i64;
        if since > 1_000_000_000 {
            assert_eq!(entry.decision, Decision::Refer, "{since} ns after the withdrawal");
            referred_after += 1;
        }
        (referred_after == 2).then_some(())
    });
    assert!(site.run("people list", &[]).contains("0 enrolled"));

    // A restarted node continues the numbers.
    let last = node.watcher().entries(key, 1, 1000).expect("the node answers").len() as u64;
    node.stop();
    let again = Node::start(&site);
    let next = next_entry(&again, "an entry of the new run", Decision::Refer);
    assert!(next.sequence > last, "{} after {last}", next.sequence);
    again.stop();
}

#[test]
fn people_are_counted_per_zone_and_the_grid_agrees() {
    let sim = cameras();
    let site = site(&sim);
    let node = Node::start(&site);
    let mut counted = None;
    node.wait("a count and the grid of the same frame", |received, event| {
        match event {
            Event::Density(density) if density.count > 0.0 => {
                assert_eq!(received.key, "gatehouse/v1/city/county/cell/test-site/crowd/plaza/density");
                let zones: f64 = density.zones.iter().map(|z| z.count).sum();
                assert_eq!(zones, density.count, "the two halves of the picture are the whole");
                let left = &density.zones[0];
                assert_eq!(left.people_per_m2, Some(left.count / 100.0));
                counted = Some(density.clone());
            }
            Event::Map(map) => {
                if let Some(density) = counted.as_ref().filter(|d| d.capture_time == map.capture_time) {
                    let people: f32 = map.cells.iter().map(|c| f32::from(*c) * map.people_per_step).sum();
                    assert!(
                        (f64::from(people) - density.count).abs() < 0.5,
                        "{people} in the grid, {} counted",
                        density.count
                    );
                    assert_eq!(map.cells.len(), usize::from(map.columns) * usize::from(map.rows));
                    return Some(());
                }
            }
            _ => {}
        }
        None
    });

    // `gatehouse watch` prints the events as on the bus, with their keys.
    let args = ["watch", "--json", "--connect", &node.bus, "--key", "gatehouse/v1/city/**/density", "--count", "3"];
    let output = std::process::Command::new(PROGRAM.0).args(args).output().expect("gatehouse runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(printed.lines().count(), 3);
    for line in printed.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("one JSON object a line");
        assert_eq!(line["key"], "gatehouse/v1/city/county/cell/test-site/crowd/plaza/density");
        serde_json::from_value::<DensityEvent>(line["event"].clone()).expect("an event as on the bus");
    }
    node.stop();
}

#[test]
fn dark_and_frozen_cameras_are_reported() {
    use gatehouse_sim::Fault;
    let mount =
        MountConfig { size: [320, 180], max_seconds: 2, ..MountConfig::new("cam", Scene::Pattern("smpte".into())) };
    // Real cameras have noise; smpte's snow corner moves.
    let sim = Sim::start(SimConfig { mounts: vec![mount], ..SimConfig::default() }).expect("the simulator starts");
    let site = SiteFolder::new(
        PROGRAM,
        &format!("[[crowd]]\nid = \"cam\"\nsource = \"{}\"\nanalyse_fps = 5.0", sim.url("cam")),
    );
    let node = Node::start(&site);
    let reaches = |state: CameraState| {
        node.wait(&format!("{state:?}"), |_, event| match event {
            Event::Health(health) if health.state == state => Some(()),
            _ => None,
        });
    };
    reaches(CameraState::Live);
    sim.inject("cam", Fault::Black).expect("a mount");
    reaches(CameraState::Dark);
    sim.clear("cam").expect("a mount");
    reaches(CameraState::Live);
    sim.inject("cam", Fault::Freeze).expect("a mount");
    reaches(CameraState::Frozen);
    sim.clear("cam").expect("a mount");
    reaches(CameraState::Live);
    node.stop();
}

#[test]
fn the_log_names_providers_and_cameras_that_ask_for_too_much() {
    let site = SiteFolder::new(
        PROGRAM,
        r#"
        [models]
        providers = ["openvino", "cpu"]
        [[crowd]]
        id = "plaza"
        source = "test://ball"
        analyse_fps = 60.0
        detail_px = 1024
        [[gate]]
        id = "gate-1"
        source = "test://ball"
        analyse_fps = 60.0
        liveness = "required"
        "#,
    );
    let node = Node::start(&site);
    // The node works, at the rate that it can reach.
    node.wait("a picture of the square that was counted", |_, event| matches!(event, Event::Density(_)).then_some(()));
    let log = node.log();
    for model in ["yunet", "sface", "fr-liveness", "crowd"] {
        let runs = |line: &str| line.contains(model) && line.contains("provider=OpenVINOExecutionProvider");
        assert!(log.lines().any(runs), "{model} isn't run by OpenVINO:\n{log}");
    }
    let asks =
        |line: &str| line.contains("it asks for 60 frames a second and gets ") && line.contains("camera=\"plaza\"");
    assert!(log.lines().any(asks), "{log}");
    node.stop();
}
