//! The values of a valid site file.

use std::fs;
use std::path::Path;
use std::time::Duration;

use gatehouse_config::{
    Console, CrowdCamera, DoorFile, Endpoint, GateCamera, Line, Models, SecretRef, Site, SiteId, Store,
};
use gatehouse_core::bus_mode::BusMode;
use gatehouse_core::event::Direction;
use gatehouse_core::ground::GroundCalibration;
use gatehouse_core::liveness::LivenessPolicy;
use gatehouse_core::provider::Provider;
use gatehouse_core::stream::{Source, Transport};
use gatehouse_core::zone::{LevelUnit, SurgeRule, Thresholds, Zone};
use gatehouse_core::{CameraId, LineId};
use gatehouse_picture::Point;

const MINIMAL: &str = include_str!("../examples/minimal.toml");
const FULL: &str = include_str!("../examples/site.toml");

fn parse(text: &str) -> Site {
    Site::parse(text, Path::new("etc/site.toml")).unwrap_or_else(|errors| panic!("{errors}"))
}

fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}

fn endpoints(of: &[Endpoint]) -> Vec<&str> {
    of.iter().map(Endpoint::as_str).collect()
}

#[test]
fn every_example_loads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_owned();
        match name == "door.toml" {
            true => drop(DoorFile::load(&path).unwrap_or_else(|errors| panic!("{errors}"))),
            false => drop(Site::load(&path).unwrap_or_else(|errors| panic!("{errors}"))),
        }
        names.push(name);
    }
    names.sort();
    assert_eq!(names, ["door.toml", "minimal.toml", "site.toml"]);
}

#[test]
fn a_file_with_only_the_required_keys_gets_the_defaults() {
    let gate = "[[gate]]\nid = 'g'\nsource = 'rtsp://192.0.2.10/main'\nliveness = 'off'\n";
    let Site { version, site, store, bus, console, models, gates, crowds, .. } = parse(&format!("{MINIMAL}{gate}"));
    assert_eq!(version, 1);
    assert_eq!(site, SiteId { id: "north-gate".into(), area: "riverside".into(), node: "node-1".into() });
    let key = SecretRef::File("etc/secrets/site.key".into());
    let expected = Store {
        path: "etc/data/site.db".into(),
        key,
        people_limit: 100_000,
        outbox: days(7),
        entry_log: days(30),
        entry_roles: vec!["security".to_owned()],
        audit: days(1095),
        ended_consent: days(30),
        ended_pass: days(30),
    };
    assert_eq!(store, expected);
    assert_eq!((endpoints(&bus.listen()), endpoints(&bus.connect)), (vec!["tcp/127.0.0.1:0"], vec![]));
    assert_eq!((bus.mode, bus.gossip), (None, false));
    assert_eq!(console, None);
    let expected = Models {
        face_detector: "yunet".into(),
        face_embedder: "sface".into(),
        liveness: "fr-liveness".into(),
        person_detector: "crowd".into(),
        crowd_density: None,
        manifests: vec![],
        calibration: None,
        providers: vec![Provider::Cpu],
        threads: 1,
        workers: None,
        max_batch: None,
        max_wait: Duration::from_millis(20),
    };
    assert_eq!(models, expected);
    let common = gates[0].common.clone();
    assert_eq!(
        (common.login.clone(), common.transport, common.latency),
        (None, Transport::Tcp, Duration::from_millis(100))
    );
    let expected = GateCamera {
        id: CameraId::new("g"),
        common,
        analyse_fps: 10.0,
        direction: Direction::In,
        match_target: None,
        match_threshold: None,
        match_margin: 0.05,
        min_eye_distance_px: 40.0,
        frames_to_agree: 2,
        frames_to_judge: 5,
        deadline: Duration::from_secs(5),
        cool_down: Duration::from_secs(10),
        grant: Duration::from_secs(5),
        pass_again: Duration::from_secs(60),
        liveness: LivenessPolicy::Off,
        liveness_threshold: None,
        check_background: true,
        skip_unchanged: true,
        sub_source: None,
    };
    assert_eq!(gates, [expected]);
    let expected = CrowdCamera {
        id: CameraId::new("plaza"),
        common: crowds[0].common.clone(),
        analyse_fps: 2.0,
        detail_px: Some(768),
        tiles: 0,
        min_score: 0.5,
        map_columns: 32,
        map_rows: 18,
        preview: true,
        skip_unchanged: true,
        in_total: true,
        exclude: vec![],
        ground: None,
        zones: vec![Zone::whole_picture()],
        lines: vec![],
    };
    assert_eq!(crowds, [expected]);
    assert_eq!(
        parse(&format!("{MINIMAL}[console]")).console,
        Some(Console { listen: "127.0.0.1:8080".parse().unwrap() })
    );
}

#[test]
fn every_value_of_the_full_example_arrives() {
    // Each value is changed to one that is neither the example's nor the default.
    let text = FULL
        .replace("node-1", "node-9")
        .replace("people_limit = 100000", "people_limit = 5")
        .replace("outbox_days = 7", "outbox_days = 90")
        .replace("entry_log_days = 30", "entry_log_days = 1")
        .replace("audit_days = 1095", "audit_days = 36500")
        .replace("ended_consent_days = 30", "ended_consent_days = 0")
        .replace("ended_pass_days = 30", "ended_pass_days = 365")
        .replace("\"fr-liveness\"", "\"other\"")
        .replace("\"1 in 10000\", enrolled = 8000", "\"1 in 20,000\", enrolled = 9000")
        .replace("match_margin = 0.05", "match_margin = 0.5")
        .replace("deadline_s = 5.0", "deadline_s = 1.5")
        .replace("pass_again_s = 60", "pass_again_s = 0")
        .replace("connect = [] ", "connect = [\"tcp/router.example:1\"] ")
        .replace("127.0.0.1:8080", "[::1]:0")
        .replace("\"yunet\"", "\"my_yunet.2\"")
        .replace("manifests = []", "manifests = [\"more\", \"/opt/models\"]")
        .replace("max_wait_ms = 20", "max_wait_ms = 0")
        .replace("latency_ms = 100", "latency_ms = 5000")
        .replace("analyse_fps = 10.0", "analyse_fps = 60")
        .replace("analyse_fps = 2.0", "analyse_fps = 0.1")
        .replace("cool_down_s = 10", "cool_down_s = 0")
        .replace("grant_s = 5", "grant_s = 60")
        .replace("preview = true", "preview = false")
        .replace("skip_unchanged = true                   # a picture", "skip_unchanged = false # a picture")
        .replace("gossip = false", "gossip = true")
        .replace("South plaza", "南广场")
        .replace("Steps of the town hall", "Steps")
        .replace("8554/gate-sub", "8554/gate-small")
        .replace("in_total = true", "in_total = false")
        .replace("critical = 4.0", "critical = 4.5")
        .replace("people = 20, within_s", "people = 21, within_s")
        .replace("area_m2 = 120.0", "area_m2 = 125.5")
        .replace("[12, 20]", "[12, 20.5]")
        .replace("inside = [0.5, 0.95]", "inside = [0.5, 0.96]")
        .replace("height_m = 6.0", "height_m = 6.5");
    let Site { site, store, bus, console, models, gates, crowds, .. } = parse(&text);
    assert_eq!((site.area.as_str(), site.node.as_str()), ("riverside/oak-county/mill-town/cell-12", "node-9"));
    assert_eq!((store.people_limit, store.outbox, store.entry_log), (5, days(90), days(1)));
    assert_eq!((store.audit, store.ended_consent, store.ended_pass), (days(36_500), days(0), days(365)));
    assert_eq!(
        (endpoints(&bus.listen()), endpoints(&bus.connect)),
        (vec!["tcp/127.0.0.1:7447"], vec!["tcp/router.example:1"])
    );
    assert_eq!((bus.mode, bus.gossip), (Some(BusMode::Peer), true));
    assert_eq!(console.unwrap().listen.to_string(), "[::1]:0");
    assert_eq!((models.face_detector.as_str(), models.max_wait), ("my_yunet.2", Duration::ZERO));
    assert_eq!(models.manifests, [Path::new("etc/more"), Path::new("/opt/models")]);
    assert_eq!((models.liveness.as_str(), models.calibration), ("other", Some("etc/calibration.toml".into())));
    let [gate, exit] = &gates[..] else { panic!("{gates:?}") };
    let target = gate.match_target.as_ref().unwrap();
    assert_eq!((target.strangers_let_in.get(), target.enrolled, gate.match_threshold), (20_000, 9000, None));
    assert_eq!((gate.analyse_fps, gate.match_margin, gate.deadline), (60.0, 0.5, Duration::from_millis(1500)));
    assert_eq!((gate.direction, gate.pass_again), (Direction::In, Duration::ZERO));
    assert_eq!((gate.liveness, gate.liveness_threshold), (LivenessPolicy::Required, Some(0.7)));
    assert_eq!((exit.direction, exit.liveness), (Direction::Out, LivenessPolicy::SecondFactor));
    assert_eq!((&exit.match_target, exit.match_threshold), (&None, Some(0.363)));
    assert_eq!((gate.cool_down, gate.grant), (Duration::ZERO, Duration::from_secs(60)));
    assert_eq!(gate.common.source.to_string(), "rtsp://127.0.0.1:8554/gate");
    assert_eq!(gate.common.login, Some(SecretRef::Env("GATE_1_LOGIN".into())));
    assert_eq!(gate.common.latency, Duration::from_secs(5));
    let crowd = &crowds[0];
    assert_eq!((crowd.analyse_fps, crowd.preview, crowd.common.transport), (0.1, false, Transport::Udp));
    assert_eq!((crowd.common.name.as_deref(), &exit.common.name), (Some("南广场"), &None));
    assert_eq!(crowd.common.login, Some(SecretRef::File("etc/secrets/plaza.login".into())));
    let Some(Source::Rtsp(sub_source)) = &gates[0].sub_source else { panic!("{:?}", gates[0].sub_source) };
    assert_eq!(sub_source.as_str(), "rtsp://127.0.0.1:8554/gate-small");
    let [crossing, steps] = &crowd.zones[..] else { panic!("{:?}", crowd.zones) };
    let at = |x, y| Point { x, y };
    assert_eq!((crossing.polygon.corners()[1], crossing.area_m2), (at(0.6, 0.5), None));
    let levels = |medium, high, critical, unit, hold| Some(Thresholds { medium, high, critical, unit, hold });
    assert_eq!(crossing.thresholds, levels(1.0, 2.0, 4.5, LevelUnit::PeoplePerM2, Duration::from_secs(10)));
    assert_eq!(crossing.surge, Some(SurgeRule { people: 21.0, within: Duration::from_secs(30) }));
    assert_eq!(
        (steps.id.as_str(), steps.name.as_deref(), steps.polygon.corners().len(), steps.area_m2, steps.surge),
        ("steps", Some("Steps"), 3, Some(125.5), None)
    );
    assert_eq!(steps.thresholds, levels(5.0, 10.0, 20.0, LevelUnit::People, Duration::ZERO));
    assert_eq!(
        (crowd.common.privacy[0].corners()[1], crowd.exclude[0].corners()[1], crowd.skip_unchanged, crowd.in_total),
        (at(0.3, 0.0), at(0.9, 0.1), false, false)
    );
    let Some(GroundCalibration::Points(points)) = crowd.ground else { panic!("{:?}", crowd.ground) };
    assert_eq!(points[2], (at(1.0, 0.9), [12.0, 20.5]));
    let door = Line { id: LineId::new("door"), from: at(0.4, 0.8), to: at(0.6, 0.8), inside: at(0.5, 0.96) };
    assert_eq!(crowd.lines, [door]);
    let mounting = GroundCalibration::Mounting { height_m: 6.5, tilt_deg: 30.0, field_of_view_deg: 70.0 };
    assert_eq!(crowds[1].ground, Some(mounting));
    assert_eq!((crowd.detail_px, crowds[1].detail_px), (Some(768), None), "the ground decides where it isn't given");
}

#[test]
fn a_gate_may_be_analysed_without_regard_to_motion() {
    let text = FULL.replace("skip_unchanged = true                   # an empty", "skip_unchanged = false # an empty");
    let text: Vec<_> = text.lines().filter(|line| !line.starts_with("sub_source")).collect();
    let gate = parse(&text.join("\n")).gates[0].clone();
    assert_eq!((gate.skip_unchanged, gate.sub_source), (false, None));
}

#[test]
fn a_source_is_a_camera_a_file_or_a_pattern() {
    let source = |source: &str| {
        let text = MINIMAL.replace("rtsp://192.0.2.11/main", source);
        parse(&text).crowds[0].common.source.clone()
    };
    assert_eq!(source("file://clips/a.mp4"), Source::File("etc/clips/a.mp4".into()));
    assert_eq!(source("file:///clips/a.mp4"), Source::File("/clips/a.mp4".into()));
    assert_eq!(source("test://ball"), Source::Test("ball".into()));
}

#[test]
fn layout_comments_and_line_ends_make_no_difference() {
    let windows = format!("\u{feff}# 门口\n{}", FULL.replace('#', "# 说明 ")).replace('\n', "\r\n");
    assert_eq!(parse(&windows), parse(FULL));
    assert_ne!(parse(&FULL.replace("plaza\"", "square\"")), parse(FULL));
}

#[test]
fn a_value_is_located_after_reading() {
    let site = parse(FULL);
    let line = |text: &str| FULL.lines().position(|line| line.starts_with(text)).unwrap() + 1;
    assert_eq!(site.source_map.locate("models.face_embedder"), Some((line("face_embedder"), 17)));
    assert_eq!(site.source_map.locate("crowd[0].zone[1].polygon"), Some((line("polygon = [[0.65"), 11)));
    assert_eq!(site.source_map.locate("gate[0]"), Some((line("[[gate]]"), 1)));
    assert_eq!(
        (parse(MINIMAL).source_map.locate("models.face_embedder"), site.source_map.locate("gate[2]")),
        (None, None)
    );
    let error = site.source_map.error_at("models.face_embedder", "there is no model `sface`", None);
    assert_eq!(error.to_string(), format!("etc/site.toml:{}:17: there is no model `sface`", line("face_embedder")));
    let left_out = parse(MINIMAL).source_map.error_at("models.face_embedder", "there is no model `sface`", None);
    assert_eq!(left_out.to_string(), "etc/site.toml: there is no model `sface`");
}

#[test]
fn a_node_that_connects_listens_only_where_it_says_so() {
    let with = |bus: &str| {
        let gate = "[[gate]]\nid = 'g'\nsource = 'rtsp://192.0.2.10/main'\nliveness = 'off'\n";
        Site::parse(&format!("{MINIMAL}[bus]\n{bus}\n{gate}"), Path::new("site.toml"))
    };
    let router = "connect = ['tcp/router.example:7447']";
    let listens = |bus: &str| endpoints(&with(bus).unwrap_or_else(|e| panic!("{e}")).bus.listen()).len();
    for (bus, expected) in [("", 1), ("listen = []", 0), (router, 0), ("mode = 'peer'", 1)] {
        assert_eq!(listens(bus), expected, "{bus}");
    }
    assert_eq!(listens(&format!("{router}\nlisten = ['tcp/[::]:7447']")), 1);
    for (bus, expected) in [
        (format!("{router}\nlisten = ['tcp/[::]:7447']\nmode = 'client'"), "a client does not listen"),
        ("mode = 'client'".to_owned(), "a client needs a router or node to connect to"),
        (format!("{router}\ngossip = true"), "a client has one connection"),
        (format!("{router}\nmode = 'router'"), "`mode` must be `\"client\"` or `\"peer\"`"),
    ] {
        let errors = with(&bus).err().unwrap_or_else(|| panic!("the reader accepts {bus}")).to_string();
        assert!(errors.contains(expected), "{errors}");
    }
}
