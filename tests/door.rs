//! From a pass at a gate's camera to a door that opens: a node and a gate controller on one bus.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use gatehouse_core::Event;
use gatehouse_core::door::DoorEvent;
use gatehouse_core::event::Decision;
use gatehouse_sim::{CameraClock, MountConfig, Person, Presentation, Scene, Sim, SimConfig, WalkUp};
use gatehouse_testing::node::{Node, Program, SiteFolder};

const PROGRAM: Program = Program(env!("CARGO_BIN_EXE_gatehouse"));

/// A running `gatehouse door run`.
struct Controller {
    child: Child,
    file: PathBuf,
    log: PathBuf,
}

impl Controller {
    fn start(site: &SiteFolder, bus: &str) -> Self {
        let public_key = site.run("key public", &[]);
        let text = format!(
            "version = 1\n[door]\nid = \"door-1\"\ngate = \"gate-1\"\narea = \"city/county/cell\"\nsite = \"test-site\"\n\
             public_key = \"{}\"\nfail = \"secure\"\ndata = \"door\"\n[bus]\nconnect = [\"{bus}\"]\n\
             [actuator]\nkind = \"log\"\n[emergency]\nsocket = \"door.sock\"\n",
            public_key.trim()
        );
        let (file, log) = (site.path("door.toml"), site.path("door.log"));
        std::fs::write(&file, text).expect("there is room");
        let mut child = Command::new(PROGRAM.0)
            .args(["door", "run"])
            .arg(&file)
            .args(["--json", "--stop-with-stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).expect("there is room"))
            .spawn()
            .expect("gatehouse runs");
        let mut ready = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut ready).expect("it can be read");
        let controller = Self { child, file, log };
        assert!(ready.contains("door-1"), "{ready}");
        controller
    }

    /// Runs `gatehouse door COMMAND` on this door.
    fn command(&self, command: &str, args: &[&str]) -> String {
        let output =
            Command::new(PROGRAM.0).args(["door", command]).arg(&self.file).args(args).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn stop(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().expect("it ends").success());
    }
}

impl Drop for Controller {
    /// A failed test leaves no controller behind, and prints its log.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the controller's log:\n{}", std::fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

fn door(node: &Node, what: &str, wanted: impl Fn(&DoorEvent) -> bool) -> DoorEvent {
    node.wait(what, |_, event| match event {
        Event::Door(door) if wanted(door) => Some(door.clone()),
        _ => None,
    })
}

/// A site whose gate sees a pass every 8 s, and the camera.
fn site_with_pass() -> (SiteFolder, Sim) {
    let site = SiteFolder::new(PROGRAM, "[[gate]]\nid = \"later\"\nsource = \"test://smpte\"\nliveness = \"off\"\n");
    let owner = site.run("people add", &["--name", "Zora Quill", "--pass-only"]);
    let owner = owner.split_whitespace().nth(1).expect("enrolled NUMBER …");
    let code = site.path("pass.png");
    site.run("pass issue", &[owner, "--until", "2099-12-31", "--png", code.to_str().expect("UTF-8")]);
    // On paper, then on a phone in dark mode.
    let media = [Presentation::Print, Presentation::DarkMode];
    let shown = media.map(|medium| Person::photo(&code).presented(medium)).to_vec();
    // Hidden long enough that the next showing is a new attempt.
    let scene = Scene::WalkUp(WalkUp { people: shown, seconds_each: 3.0, gap_seconds: 5.0 });
    let mount = MountConfig { max_seconds: 16, ..MountConfig::new("gate-1", scene) };
    let sim = Sim::start(SimConfig { mounts: vec![mount], ..SimConfig::default() }).expect("the simulator starts");
    let source = sim.url("gate-1");
    site.set_cameras(&format!(
        "[[gate]]\nid = \"gate-1\"\nsource = \"{source}\"\nliveness = \"required\"\npass_again_s = 0\ncool_down_s = 0\n"
    ));
    (site, sim)
}

/// The camera's clock is set while people come: ahead, behind, and by decades.
#[test]
fn a_door_opens_whatever_the_cameras_clock_shows() {
    let (site, sim) = site_with_pass();
    let clock = |offset_seconds: f64| CameraClock { offset_seconds, ..CameraClock::default() };
    sim.set_clock("gate-1", clock(2.0)).expect("there is such a mount");
    let node = Node::start(&site);
    let controller = Controller::start(&site, &node.bus);
    let mut openings = 0;
    for offset_s in [2.0, -5.0, 3600.0] {
        sim.set_clock("gate-1", clock(offset_s)).expect("there is such a mount");
        let is_off = |ms: i64| (ms as f64 / 1000.0 - offset_s).abs() < 1.0;
        let what = format!("an admission by a camera that is {offset_s} s ahead");
        let entry = node.wait(&what, |_, event| match event {
            Event::Entry(entry) if entry.capture_time.clock_offset_ms.is_some_and(is_off) => Some(entry.clone()),
            _ => None,
        });
        assert_eq!(entry.decision, Decision::Admit, "{entry:?}");
        // The second opening at the latest is for a picture with this offset.
        let opened = door(&node, "two more openings", |door| door.openings >= openings + 2);
        assert_eq!((opened.refused_in_a_row, opened.warning), (0, None));
        openings = opened.openings;
    }
    controller.stop();
    node.stop();
}

#[test]
fn a_pass_or_an_emergency_release_opens_the_door() {
    let (site, _sim) = site_with_pass();
    let node = Node::start(&site);
    let controller = Controller::start(&site, &node.bus);

    let opened = door(&node, "the door's opening", |door| door.openings >= 1);
    assert!(opened.actuator_works && !opened.released && !opened.failed_safe, "{opened:?}");
    // Every next showing is a grant of its own.
    door(&node, "its opening again", |door| door.openings >= 2);

    assert!(controller.command("release", &["--reason", "fire drill"]).contains("RELEASED"));
    assert!(door(&node, "the release", |door| door.released).actuator_works);
    assert!(controller.command("status", &[]).contains("RELEASED"));
    controller.command("reset", &["--reason", "all clear"]);
    door(&node, "the end of the release", |door| !door.released);
    let log = controller.command("log", &[]);
    for line in ["controller started", ": fire drill", ": all clear", "none altered"] {
        assert!(log.contains(line), "{log}");
    }
    controller.stop();
    node.stop();
}
