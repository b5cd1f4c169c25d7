//! The demo's cameras and site.

use std::path::Path;

use gatehouse_runtime::Assets;
use gatehouse_terminal::{Exit, Failure};

use super::path;

/// Public photographs of the enrolled person. The gate sees another photograph.
const ENROLLED: [&str; 2] = ["obama.jpg", "obama3.jpg"];
/// The enrolled person at the gate.
const AT_THE_GATE: &str = "obama2.jpg";
const STRANGER: &str = "astronaut.png";
/// Video of pedestrians from a real, fixed camera.
const PEDESTRIANS: &str = "vtest.avi";

pub(super) fn check_media(assets: &Assets) -> Result<(), Failure> {
    let all = ENROLLED.into_iter().chain([AT_THE_GATE, STRANGER, PEDESTRIANS]);
    let missing: Vec<&str> = all.filter(|file| !assets.media().join(file).is_file()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let folder = assets.media();
    Err(Failure::message(
        Exit::Setup,
        format!("{} missing in {}: run `make setup`", missing.join(", "), folder.display()),
    ))
}

/// A TOML string, quoted.
fn quoted(text: impl std::fmt::Display) -> String {
    toml::Value::String(text.to_string()).to_string()
}

/// The simulator's file: a gate for faces, a gate where somebody shows a pass, and a square.
pub(super) fn sim(assets: &Assets, pass: &Path) -> String {
    let media = |file: &str| quoted(assets.media().join(file).display());
    format!(
        r#"cache_dir = {cache}

[[mount]]
path = "/gate"
size = [1280, 720]
fps = 25
max_seconds = 30
[mount.scene]
seconds_each = 7
gap_seconds = 3
[[mount.scene.walk_up]]
photo = {enrolled}
face_box = {enrolled_face}
[[mount.scene.walk_up]]
photo = {stranger}
face_box = {stranger_face}
[[mount.scene.walk_up]]
photo = {enrolled}
face_box = {enrolled_face}
presentation = "print"

[[mount]]
path = "/pass-gate"
size = [1280, 720]
fps = 25
max_seconds = 10
[mount.scene]
seconds_each = 6
gap_seconds = 4
[[mount.scene.walk_up]]
photo = {pass}
presentation = "print"

[[mount]]
path = "/plaza"
size = [768, 576]
fps = 10
max_seconds = 60
scene = {{ file = {pedestrians} }}
"#,
        cache = quoted(assets.root().join("scenes").display()),
        enrolled = media(AT_THE_GATE),
        enrolled_face = "[195, 224, 276, 390]",
        stranger = media(STRANGER),
        stranger_face = "[178, 63, 90, 113]",
        pass = quoted(pass.display()),
        pedestrians = media(PEDESTRIANS),
    )
}

/// The site file. Without cameras it has a gate with a test pattern, so that passes can be issued.
pub(super) fn site(cameras: Option<[&str; 3]>) -> String {
    let head = r#"version = 1

[site]
id = "demo"
area = "riverside/oak-county/mill-town/cell-12"

[store]
path = "site.db"
key = "file:site.key"

[console]
listen = "127.0.0.1:0"
"#;
    let Some([gate, pass_gate, plaza]) = cameras else {
        return format!("{head}\n[[gate]]\nid = \"gate-1\"\nsource = \"test://smpte\"\nliveness = \"required\"\n");
    };
    format!(
        r#"{head}
[[gate]]
id = "gate-1"
source = {gate}
liveness = "required"

[[gate]]
id = "gate-2"
source = {pass_gate}
liveness = "required"
analyse_fps = 5.0
# The demo shows the same pass again and again.
pass_again_s = 5

[[crowd]]
id = "plaza"
source = {plaza}
analyse_fps = 2.0

[[crowd.zone]]
id = "road"
polygon = [[0.0, 0.28], [1.0, 0.28], [1.0, 0.75], [0.5, 0.5], [0.0, 0.4]]
levels = {{ medium = 2, high = 4, critical = 8 }}

[[crowd.zone]]
id = "lawn"
polygon = [[0.0, 0.4], [0.5, 0.5], [1.0, 0.75], [1.0, 1.0], [0.0, 1.0]]
levels = {{ medium = 2, high = 4, critical = 8 }}
"#,
        gate = quoted(gate),
        pass_gate = quoted(pass_gate),
        plaza = quoted(plaza),
    )
}

/// The command line that enrols a person with two photos.
pub(super) fn enrol(site_file: &str, assets: &Assets) -> Result<Vec<String>, Failure> {
    let mut args: Vec<String> = ["people", "add", site_file, "--name", "Demo Resident", "--purpose", "demonstration"]
        .into_iter()
        .chain(["--notice", "demo-1", "--given", "screen", "--until", "2099-12-31"])
        .map(str::to_owned)
        .collect();
    for file in ENROLLED {
        args.extend(["--photo".to_owned(), path(&assets.media().join(file))?.to_owned()]);
    }
    Ok(args)
}

pub(super) fn enrol_for_passes(site_file: &str) -> [&str; 6] {
    ["people", "add", site_file, "--name", "Demo Visitor", "--pass-only"]
}

pub(super) fn issue_pass<'a>(site_file: &'a str, person: &'a str, file: &'a str) -> [&'a str; 8] {
    ["pass", "issue", site_file, person, "--until", "2099-12-31", "--png", file]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_are_valid_for_any_assets_folder() {
        let assets = Assets::at("/tmp/a \"quoted\" folder");
        let sim = sim(&assets, Path::new("/tmp/a \"quoted\" pass.png"));
        gatehouse_sim::SimConfig::parse(&sim, Path::new("/tmp")).expect("the simulator's file is valid");
        let cameras = ["rtsp://127.0.0.1:8554/gate", "rtsp://127.0.0.1:8554/pass-gate", "rtsp://127.0.0.1:8554/plaza"];
        for site in [site(None), site(Some(cameras))] {
            gatehouse_config::Site::parse(&site, Path::new("site.toml")).expect("the site file is valid");
        }
    }
}
