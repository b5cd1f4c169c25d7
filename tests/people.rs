//! The commands of an enrolling desk, on real photographs and at a real RTSP camera.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

use gatehouse_faces::calibration::{Calibration, Measured, MeasuredOn};
use gatehouse_sim::{FaceBox, MountConfig, Person, Scene, Sim, SimConfig, WalkUp};
use gatehouse_testing::node::{NAME, Node, Program, SiteFolder, media};

const PROGRAM: Program = Program(env!("CARGO_BIN_EXE_gatehouse"));
const CAMERA: &str = "[[gate]]\nid = \"later\"\nsource = \"test://smpte\"\nliveness = \"off\"\n";
/// Exit code for a wrong input.
const INPUT: i32 = 3;

fn site() -> SiteFolder {
    SiteFolder::new(PROGRAM, CAMERA)
}

/// The numbers of the enrolled people.
fn people(site: &SiteFolder) -> Vec<String> {
    let listed = site.run("people list", &[]);
    let numbers = listed.lines().filter_map(|line| line.split_whitespace().next()).filter(|word| word.len() == 26);
    numbers.map(str::to_owned).collect()
}

#[test]
fn a_table_is_enrolled_by_row_and_continues_when_interrupted() {
    let site = site();
    let rows = [
        "Aloysius Quill,obama.jpg;obama3.jpg,entry,1,paper,2099-12-31,,",
        "Bettina Quill,biden.jpg,entry,1,paper,2099-12-31,,",
        "Cornelia Quill,nobody.jpg,entry,1,paper,2099-12-31,,",
        "Dorothea Quill,obama3.jpg,entry,1,paper,2099-12-31,,",
        "Emmerich Quill,t1.jpg,entry,1,paper,2099-12-31,,",
        "Florian Quill,astronaut.png,entry,1,paper,2001-12-31,,",
        "Gundula Quill,astronaut.png,entry,1,paper,2099-12-31,yes,",
        "Hedwig Quill,astronaut.png,entry,1,paper,2099-12-31,yes,Ida Quill",
    ];
    let table = format!("name,photos,purpose,notice,given,until,under_14,guardian\n{}\n", rows.join("\n"));
    std::fs::write(site.path("people.csv"), &table).expect("there is room");
    let path = |name: &str| site.path(name).to_str().expect("UTF-8").to_owned();
    let (table_file, report) = (path("people.csv"), path("report.csv"));
    let folder = media("obama.jpg").parent().expect("a folder").to_str().expect("UTF-8").to_owned();
    let receipts = path("receipts");
    let args = [table_file.as_str(), "--photos", &folder, "--report", &report, "--receipts", &receipts];
    let receipt = |person: &String| std::fs::read_to_string(site.path("receipts").join(format!("{person}.txt")));

    let (code, said, complained) = site.try_to("people add-many", &args);
    assert_eq!(code, INPUT, "{complained}");
    let written = std::fs::read_to_string(site.path("report.csv")).expect("the report is there");
    // Each failure has its row and a reason, and there is no name anywhere.
    let reasons: Vec<(&str, &str)> = said.lines().filter_map(|line| line.split_once(": ")).collect();
    let about = |row: &str| reasons.iter().find(|(r, _)| *r == row).map(|(_, reason)| *reason).unwrap_or_default();
    assert!(about("row 4").contains("photo 1"), "{said}");
    assert!(about("row 5").contains("enrolled"), "the same face again: {said}");
    assert!(about("row 6").contains("faces"), "{said}");
    assert!(!about("row 7").is_empty() && !about("row 8").is_empty(), "{said}");
    assert_eq!(reasons.len(), 5, "{said}");
    assert!(complained.contains("3 enrolled, 5 not"), "{complained}");
    for text in [&said, &complained, &written] {
        assert!(!text.contains("Quill"), "{text}");
    }
    assert_eq!(people(&site).len(), 3);
    // There is a receipt for each enrolled person, and for nobody else.
    let given: Vec<String> = people(&site).iter().map(|person| receipt(person).expect("a receipt")).collect();
    assert!(given.iter().all(|text| text.contains("Quill") && text.contains("2099-12-31")), "{given:?}");
    assert_eq!(std::fs::read_dir(site.path("receipts")).expect("a folder").count(), 3);

    // An incomplete line, as a power failure leaves it: the person is in the store, and is not
    // enrolled twice.
    let cut = written.trim_end().rfind('\n').expect("several lines") + 3;
    std::fs::write(site.path("report.csv"), &written[..cut]).expect("there is room");
    let (_, _, again) = site.try_to("people add-many", &args);
    assert!(again.contains("3 enrolled, 5 not"), "{again}");
    assert_eq!(people(&site).len(), 3);
    assert!(people(&site).iter().all(|person| receipt(person).is_ok()));

    std::fs::write(site.path("people.csv"), format!("{table}\n")).expect("there is room");
    let (code, _, complained) = site.try_to("people add-many", &args);
    assert!(code == INPUT && complained.contains("not a report of this table"), "{complained}");
}

#[test]
fn a_withdrawal_reaches_backups_and_the_audit_log() {
    let site = site();
    let path = |name: &str| site.path(name).to_str().expect("UTF-8").to_owned();
    let stays = site.enrol(&[media("obama.jpg")], "2099-12-31");
    let leaves = site.enrol(&[media("biden.jpg")], "2099-12-31");
    let goes_by_pass = site.enrol(&[media("astronaut.png")], "2099-12-31");
    site.run("store backup", &[&path("copy.db")]);
    let (code, _, complained) = site.try_to("store backup", &[&path("copy.db")]);
    assert!(code != 0 && complained.contains("copy.db"), "nothing is overwritten: {complained}");

    site.run("people forget", &[&leaves]);
    assert!(site.run("people withdraw", &[&goes_by_pass]).contains("passes stay valid"));
    let (code, _, complained) = site.try_to("people withdraw", &["01ARZ3NDEKTSV4RRFFQ69G5FAV"]);
    assert!(code != 0 && complained.contains("01ARZ3NDEKTSV4RRFFQ69G5FAV"), "{complained}");
    let (code, _, complained) = site.try_to("store restore", &[&path("copy.db")]);
    assert!(code != 0 && complained.contains("site.db"), "a store that is there is not overwritten: {complained}");

    for file in ["site.db", "site.db-wal", "site.db-shm"] {
        let _ = std::fs::remove_file(site.path(file));
    }
    let said = site.run("store restore", &[&path("copy.db")]);
    assert!(said.contains("2 people; 1 left out because they have withdrawn since, 1 without their face"), "{said}");
    assert_eq!(people(&site), [stays, goes_by_pass.clone()]);
    let listed = site.run("people list", &[]);
    let line = listed.lines().find(|line| line.starts_with(&goes_by_pass)).expect("they are listed");
    assert!(line.contains("passes only"), "{line}");
    site.run("audit verify", &[]);
    let log = site.run("audit list", &[]);
    assert!(log.contains("restore") && log.contains("enrol"), "{log}");
}

#[test]
fn renewing_consent_and_changing_the_key_need_no_enrolment() {
    let site = site();
    let path = |name: &str| site.path(name).to_str().expect("UTF-8").to_owned();
    let person = site.enrol(&[media("obama.jpg")], "2099-12-31");
    site.run("pass issue", &[&person, "--until", "2099-01-01", "--png", &path("pass.png")]);

    let receipt = path("receipt.txt");
    let consent = ["--purpose", "entry", "--notice", "2", "--given", "screen"];
    let renew = [&[person.as_str()][..], &consent, &["--until", "2100-06-30", "--receipt", &receipt]].concat();
    let said = site.run("people renew", &renew);
    assert!(said.contains("until 2100-06-30") && said.contains("before it was 2099-12-31"), "{said}");
    assert!(std::fs::read_to_string(&receipt).expect("it is written").contains("2100-06-30"));
    assert!(site.run("people list", &[]).contains("consent until 2100-06-30"));
    let (code, _, complained) = site.try_to("people renew", &renew);
    assert!(code == INPUT && complained.contains("receipt.txt"), "{complained}");

    let keys = [path("site.key"), path("new.key")];
    let made = PROGRAM.command().args(["key", "new", &keys[1]]).output().expect("gatehouse runs");
    assert!(made.status.success());
    let (code, _, complained) = site.try_to("key change", &[&keys[0]]);
    assert!(code != 0 && complained.contains("the one that this store has already"), "{complained}");
    let node = Node::start(&site);
    let (code, _, complained) = site.try_to("key change", &[&keys[1]]);
    assert!(code != 0 && complained.contains("stop the node"), "{complained}");
    node.stop();
    let said = site.run("key change", &[&keys[1]]);
    assert!(said.contains("1 people, 1 template(s)") && said.contains("revoked: 1 pass(es)"), "{said}");
    let secret = std::fs::read_to_string(&keys[1]).expect("a key");
    assert!(!said.contains(secret.trim()), "the key is shown");

    let (code, _, complained) = site.try_to("people list", &[]);
    assert!(code != 0 && complained.contains("site key"), "the old key opens nothing: {complained}");
    let config = std::fs::read_to_string(&site.file).expect("the site file");
    std::fs::write(&site.file, config.replace("file:site.key", "file:new.key")).expect("there is room");
    assert_eq!(people(&site), [person]);
    site.run("audit verify", &[]);
    assert!(said.contains(site.run("key public", &[]).trim()), "the new public key was printed");
    // The same face is recognised under the new key, from a picture that was not used for
    // enrolment.
    let photo = media("obama3.jpg");
    let photo = ["--name", "Zora Quill", "--photo", photo.to_str().expect("UTF-8"), "--until", "2099-12-31"];
    let (code, _, complained) = site.try_to("people add", &[&photo[..], &consent].concat());
    assert!(code == INPUT && complained.contains("enrolled"), "{complained}");
}

/// A calibration of the site's embedder as `gatehouse-lab eval face` writes it, of 2,000 strangers
/// and galleries of 10 and 1,000: four strangers are admitted at 0.45, and none above.
fn calibration() -> String {
    let on = MeasuredOn {
        dataset: "Faces of Nowhere".into(),
        model: "sface".into(),
        model_version: "2021dec".into(),
        people: 5000,
        images: 12_000,
        genuine_people: 2500,
    };
    let spread = |low: f32, high: f32| (0..3000).map(|i| low + (high - low) * i as f32 / 3000.0).collect();
    let best = |top: f32| (0..2000u16).map(|i| if i < 4 { top } else { 0.3 - f32::from(i) * 1e-4 }).collect();
    let measured = Measured {
        genuine: spread(0.3, 0.95),
        impostor: spread(-0.25, 0.4),
        strangers: vec![(10, best(0.35)), (1000, best(0.45))],
    };
    Calibration::count(on, measured).and_then(|table| table.to_toml()).expect("a calibration")
}

#[test]
fn a_target_gives_a_threshold_or_is_refused_for_lack_of_data() {
    let site = site();
    std::fs::write(site.path("calibration.toml"), calibration()).expect("there is room");
    let with_target = |rate: &str, enrolled: u32| {
        site.set_cameras(&format!(
            "[models]\ncalibration = \"calibration.toml\"\n{CAMERA}match_target = {{ strangers_let_in = \"{rate}\", \
             enrolled = {enrolled} }}\n"
        ));
    };
    with_target("1 in 100", 1000);
    let said = site.run("model threshold", &[]);
    assert!(said.contains("computed from its target") && said.contains("`Faces of Nowhere`"), "{said}");
    assert!(said.contains("with 95 % confidence"), "{said}");
    with_target("1 in 100000", 1000);
    let (code, _, complained) = site.try_to("model threshold", &[]);
    assert!(code != 0 && complained.contains("later"), "{complained}");
    // So the site file is wrong: a node would not start with it.
    let (code, _, checked) = site.try_to("check", &[]);
    assert!(
        code == INPUT && checked.contains("site.toml:") && checked.contains("gate later: match_target"),
        "{checked}"
    );
    site.set_cameras(&format!("[models]\nface_embedder = \"sfax\"\n{CAMERA}"));
    let (code, _, checked) = site.try_to("check", &[]);
    assert!(code == INPUT && checked.contains("there is no model `sfax` (there are "), "{checked}");
    with_target("1 in 100", 1000);
    site.run("check", &[]);

    // A node uses the threshold, and warns if more people are enrolled than it was computed for.
    with_target("1 in 100", 1);
    for photo in ["obama.jpg", "biden.jpg"] {
        site.enrol(&[media(photo)], "2099-12-31");
    }
    let node = Node::start(&site);
    let warning = "more faces are enrolled than the gate's target was set for";
    node.wait("its health", |_, _| node.log().contains(warning).then_some(()));
    node.stop();
}

#[test]
fn only_named_roles_export_a_person_or_look_up_entries() {
    let site = site();
    let path = |name: &str| site.path(name).to_str().expect("UTF-8").to_owned();
    let person = site.enrol(&[media("obama.jpg")], "2099-12-31");
    site.run("pass issue", &[&person, "--until", "2099-01-01", "--pdf", &path("pass.pdf"), "--paper", "card"]);
    let export = |role: &'static str| {
        let asked = ["--role", role, "--reason", "they asked", "--to"];
        [&[person.clone()][..], &asked.map(str::to_owned), &[path("theirs.json")]].concat()
    };
    let attempt = |role| {
        let args = export(role);
        site.try_to("people export", &args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let (code, _, complained) = attempt("desk");
    assert!(code == INPUT && complained.contains("`entry_roles` may: security"), "{complained}");
    assert!(!site.path("theirs.json").exists());
    let (code, said, complained) = attempt("security");
    assert!(code == 0 && !said.contains(NAME), "{said}{complained}");
    let theirs = std::fs::read_to_string(site.path("theirs.json")).expect("it is written");
    let theirs: serde_json::Value = serde_json::from_str(&theirs).expect("JSON");
    assert_eq!((theirs["person"].as_str(), theirs["name"].as_str()), (Some(person.as_str()), Some(NAME)));
    assert_eq!((&theirs["consent"]["given"], &theirs["passes"][0]["kind"]), (&"screen".into(), &"pass".into()));
    assert_eq!(theirs["templates"][0]["model"], "sface");
    assert_eq!(theirs["entries"], serde_json::json!([]));
    let (code, _, complained) = attempt("security");
    assert!(code == INPUT && complained.contains("theirs.json"), "nothing is overwritten: {complained}");

    let look = ["--reason", "a parcel", "--from", "2026-01-01", "--role"];
    let (code, _, complained) = site.try_to("entry list", &[&look[..], &["desk"]].concat());
    assert!(code == INPUT && complained.contains("the role `desk` may not look up entries"), "{complained}");
    assert!(site.run("entry list", &[&look[..], &["security"]].concat()).contains("0 entries"));
    let log = site.run("audit list", &[]);
    for action in ["refused", "export", "look-up-entries"] {
        assert!(log.contains(action), "{action}: {log}");
    }

    let photo = media("astronaut.png");
    let photo = ["--photo", photo.to_str().expect("UTF-8"), "--until", "2099-12-31"];
    let consent = ["--purpose", "entry", "--notice", "2", "--given", "screen"];
    let files = ["--png".to_owned(), path("card.png"), "--receipt".to_owned(), path("card.txt")];
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    site.run("pass card", &[&photo[..], &consent, &files].concat());
    let receipt = std::fs::read_to_string(site.path("card.txt")).expect("it is written");
    assert!(receipt.contains("on your card alone") && receipt.contains("2099-12-31"), "{receipt}");
}

#[test]
fn a_person_enrolled_at_a_gate_camera_is_known_from_a_photo() {
    let resident = Person::photo(media("obama2.jpg")).with_face(FaceBox(195.0, 224.0, 276.0, 390.0));
    let scene = Scene::WalkUp(WalkUp { people: vec![resident], seconds_each: 20.0, gap_seconds: 1.0 });
    let mount = MountConfig { max_seconds: 21, ..MountConfig::new("gate", scene) };
    let sim = Sim::start(SimConfig { mounts: vec![mount], ..SimConfig::default() }).expect("the simulator starts");
    let site = site();
    site.set_cameras(&format!(
        "[[gate]]\nid = \"gate-1\"\nsource = \"{}\"\nliveness = \"required\"\n",
        sim.url("gate")
    ));
    let consent = ["--name", "Zora Quill", "--purpose", "entry", "--notice", "1", "--given", "paper"];
    let until = ["--until", "2099-12-31"];
    let receipt = site.path("receipt.txt");
    let before_camera = ["--camera", "gate-1", "--within", "60", "--receipt", receipt.to_str().expect("UTF-8")];
    let said = site.run("people add", &[&consent[..], &until, &before_camera].concat());
    assert!(said.starts_with("enrolled ") && said.contains("picture"), "{said}");
    let receipt = std::fs::read_to_string(receipt).expect("it is written");
    assert!(receipt.contains("Zora Quill") && receipt.contains("2099-12-31"), "{receipt}");

    let photo = media("obama3.jpg");
    let from_photo = ["--photo", photo.to_str().expect("UTF-8")];
    let (code, _, complained) = site.try_to("people add", &[&consent[..], &until, &from_photo].concat());
    assert!(code == INPUT && complained.contains("enrolled"), "the camera's pictures are theirs: {complained}");
    assert_eq!(people(&site).len(), 1);
    let (code, _, complained) = site.try_to("people add", &[&consent[..], &until, &["--camera", "gate-9"]].concat());
    assert!(code == INPUT && complained.contains("it has gate-1"), "{complained}");
}
