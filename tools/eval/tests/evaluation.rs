//! The evaluations over real photos with the real models, from files to the report.
#![expect(clippy::expect_used, reason = "a test fails by it, and helpers are not seen as tests")]

use std::path::{Path, PathBuf};

use gatehouse_core::event::SelfAssessment;
use gatehouse_crowd::CrowdReader;
use gatehouse_eval::{
    CrowdEvalOptions, FaceOptions, ModelChoice, PadOptions, Protocol, ScoreBand, calibration, evaluate_crowd,
    evaluate_faces, evaluate_pad, report,
};
use gatehouse_faces::calibration::Calibration;
use gatehouse_runtime::{Assets, Catalogue, Registry, SessionOptions};

/// Fetched by `make setup`.
const PHOTOS: [(&str, &str); 5] = [
    ("Ann", "obama.jpg"),
    ("Ann", "obama2.jpg"),
    ("Ann", "obama3.jpg"),
    ("Bob", "biden.jpg"),
    ("Cid", "astronaut.png"),
];

fn assets() -> Assets {
    Assets::locate().expect("a folder of assets")
}

fn registry() -> Registry {
    Registry::open(assets(), Catalogue::builtin().expect("the manifests that ship")).expect("run `make setup`")
}

fn models() -> ModelChoice {
    let name = |name: &str| name.to_owned();
    ModelChoice {
        detector: name("yunet"),
        embedder: name("sface"),
        liveness: name("fr-liveness"),
        threads: 2,
        as_video: false,
    }
}

/// LFW's layout; one of Bob's files is no picture.
fn people(folder: &Path) -> PathBuf {
    let mut numbers = std::collections::BTreeMap::new();
    for (person, photo) in PHOTOS {
        let number = numbers.entry(person).and_modify(|n| *n += 1).or_insert(1);
        let extension = Path::new(photo).extension().expect("an extension").to_string_lossy();
        let to = folder.join(person).join(format!("{person}_{number:04}.{extension}"));
        std::fs::create_dir_all(to.parent().expect("a parent")).expect("made");
        std::fs::copy(assets().root().join("media").join(photo), to).expect("run `make setup`");
    }
    std::fs::write(folder.join("Bob/Bob_0002.jpg"), b"no picture").expect("written");
    let pairs = folder.join("pairs.txt");
    let list = "2\t2\nAnn\t1\t2\nBob\t1\t2\nAnn\t1\tBob\t1\nAnn\t2\tCid\t1\nAnn\t1\t3\nAnn\t2\t3\nAnn\t3\tBob\t1\nBob\t1\tCid\t1\n";
    std::fs::write(&pairs, list).expect("written");
    pairs
}

fn face_options(protocol: Protocol, pairs: Option<PathBuf>) -> FaceOptions {
    FaceOptions { dataset: "five photos".to_owned(), protocol, pairs, enrol: 1, seed: 0, models: models() }
}

#[test]
fn lfw_from_files_to_reports() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = face_options(Protocol::Lfw, Some(people(folder.path())));
    let report = evaluate_faces(folder.path(), &options, &registry(), &|_, _| ()).expect("an evaluation");
    assert_eq!((report.dataset.people, report.dataset.pictures), (3, 6));
    assert_eq!((report.fta, report.fta_detail.reasons["unreadable"]), (Some(1.0 / 6.0), 1));
    // Of eight pairs only the one with the broken file is answered wrongly: it counts as "not the
    // same".
    assert_eq!(report.accuracy, Some(7.0 / 8.0));
    let detail = report.accuracy_detail.as_ref().expect("a list of pairs");
    assert_eq!((detail.pairs_with_failures, detail.without_failures), (1, Some(1.0)));
    let all = &report.comparison_sets[0];
    assert_eq!((report.comparisons, all.genuine, all.impostor), ("all-pairs", 3, 7));
    assert!(all.fnmr_at_fmr.values().all(Option::is_none), "seven comparisons support no rate");
    assert!(report.notes.iter().any(|note| note.contains("fnmr_at_fmr 1e-3 is null")), "{:?}", report.notes);
    for (genuine, score) in &report.pair_scores {
        let right = |score: f32| if *genuine { score > 0.5 } else { score < 0.3 };
        assert!(score.is_none_or(right), "same person: {genuine}, {score:?}");
    }

    let json = serde_json::to_string(&report).expect("JSON");
    let html = report::face_html(&report);
    for name in ["Ann", "Bob", "Cid"] {
        assert!(!json.contains(name) && !html.contains(name), "a name of a person is in a report");
    }
    assert!(html.contains("<svg") && !html.contains("<script") && !html.contains("://"));
    let table = calibration(&report).expect("a table").to_toml().expect("TOML");
    let read = Calibration::parse(&table, "calibration.toml").expect("the table as it was written");
    assert_eq!((read.genuine, read.impostor, read.people), (3, 7, 3));
    read.check_model("sface", "2021dec").expect("its model");
}

#[test]
fn folders_enrol_by_the_products_rules() {
    let folder = tempfile::tempdir().expect("a folder");
    people(folder.path());
    // The first picture shows six people: the desk refuses it.
    std::fs::create_dir(folder.path().join("Dan")).expect("made");
    std::fs::copy(assets().root().join("media/t1.jpg"), folder.path().join("Dan/1.jpg")).expect("run `make setup`");
    let options = face_options(Protocol::Folders, None);
    let report = evaluate_faces(folder.path(), &options, &registry(), &|_, _| ()).expect("an evaluation");
    let refused = report.fte_detail.as_ref().expect("an enrolment");
    assert_eq!((refused.tried, refused.reasons.get("several_faces")), (4, Some(&1)), "{refused:?}");
    assert_eq!(report.comparisons, "enrolled-probes");
    // Ann's other two pictures are the only probes that can be read.
    let set = &report.comparison_sets[0];
    let enrolled = refused.tried - refused.failed;
    assert_eq!(set.genuine + set.impostor, 2 * enrolled);
    assert_eq!((report.accuracy, report.fta_detail.tried, report.fta_detail.failed), (None, 3, 1));
}

#[test]
fn attacks_are_counted_by_kind() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |to: &str, content: &dyn Fn(&Path)| {
        let to = folder.path().join(to);
        std::fs::create_dir_all(to.parent().expect("a parent")).expect("made");
        content(&to);
    };
    let photo = |name: &'static str| {
        move |to: &Path| {
            std::fs::copy(assets().root().join("media").join(name), to).expect("run `make setup`");
        }
    };
    put("bonafide/1.png", &photo("astronaut.png"));
    put("bonafide/2.jpg", &photo("biden.jpg"));
    put("print/1.jpg", &|to| std::fs::write(to, b"no picture").expect("written"));
    put("print/2.jpg", &photo("obama.jpg"));
    let options = PadOptions { dataset: "four files".to_owned(), models: models() };
    let report = evaluate_pad(folder.path(), &options, &registry(), &|_, _| ()).expect("an evaluation");
    assert_eq!((report.bpnrr, report.apnrr["print"]), (Some(0.0), Some(0.5)));
    assert_eq!((report.presentations["bonafide"].presented, report.presentations["print"].presented), (2, 2));
    assert!(report.auc.is_some() && report.apcer["print"].is_some());
    assert_eq!(report.not_measured, ["replay", "mask"]);
    assert!(report::pad_html(&report).contains("Liveness on four files"));

    std::fs::remove_dir_all(folder.path().join("print")).expect("removed");
    let error = evaluate_pad(folder.path(), &options, &registry(), &|_, _| ()).expect_err("no attack").to_string();
    assert!(error.contains("expected `bonafide` and a folder for each kind of attack"), "{error}");
}

#[test]
fn counts_are_compared_with_marks() {
    let folder = tempfile::tempdir().expect("a folder");
    let images = folder.path().join("images");
    std::fs::create_dir(&images).expect("made");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/golden");
    // Frames of a plaza with 3, 6 and 8 people, by eye; here it is not looked at where.
    let mut points = serde_json::Map::new();
    for (name, people) in [("vtest-000.jpg", 3), ("vtest-600.jpg", 6), ("vtest-720.jpg", 8)] {
        std::fs::copy(golden.join(name), images.join(name)).expect("the frames are there");
        points.insert(format!("images/{name}"), serde_json::json!(vec![[384.0, 288.0]; people]));
    }
    std::fs::copy(assets().root().join("media/t1.jpg"), images.join("t1.jpg")).expect("run `make setup`");
    points.insert("t1.jpg".to_owned(), serde_json::json!(vec![[100.0, 100.0]; 40]));
    std::fs::write(folder.path().join("points.json"), serde_json::to_vec(&points).expect("JSON")).expect("written");
    let options = CrowdEvalOptions { dataset: "a plaza".to_owned(), ..counted_by("crowd") };
    let report = evaluate_crowd(folder.path(), &options, &registry(), &|_, _| ()).expect("an evaluation");
    let plaza = &report.bands["0-10"];
    assert_eq!((plaza.images, report.bands["30-100"].images), (3, 1));
    assert!(plaza.mae <= 1.0, "{plaza:?}");
    assert!(
        report.bands["30-100"].bias < -25.0,
        "marks that nobody stands at are missed: {:?}",
        report.bands["30-100"]
    );
    let json: serde_json::Value = serde_json::to_value(&report).expect("JSON");
    for key in ["images", "mae", "rmse", "relative_error", "coverage", "bands"] {
        assert!(json.get(key).is_some(), "{key}: {json}");
    }
    let html = report::crowd_html(&report).expect("drawn");
    assert!(html.contains("Counts on a plaza"));
    assert!(
        html.matches("<img alt=\"\" src=\"data:image/png;base64,iVBOR").count() == 4,
        "each picture, with what was counted"
    );
    assert!(report::crowd_png(&report).expect("drawn").starts_with(b"\x89PNG"));

    std::fs::write(folder.path().join("points.json"), "{\"a.jpg\": 1}").expect("written");
    let error = evaluate_crowd(folder.path(), &options, &registry(), &|_, _| ()).expect_err("no list").to_string();
    assert!(error.contains("points.json: invalid type"), "{error}");
}

/// Boxes of people in frames of `vtest.avi`, as Python finds them with the same detector; see the
/// README beside it.
const FOUND: &str = include_str!("../../../models/golden/persons.json");

#[test]
fn precision_by_score_needs_marked_boxes() {
    let folder = tempfile::tempdir().expect("a folder");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/golden");
    let found: serde_json::Value = serde_json::from_str(FOUND).expect("JSON");
    let mut marks = serde_json::Map::new();
    for picture in
        found["pictures"].as_array().expect("pictures").iter().filter(|picture| picture["folder"] == "golden")
    {
        let name = picture["file"].as_str().expect("a name");
        std::fs::copy(golden.join(name), folder.path().join(name)).expect("the frames are there");
        let surely = |person: &&serde_json::Value| person["score"].as_f64().is_some_and(|score| score >= 0.5);
        let people = picture["i420"]["persons"].as_array().expect("people").iter().filter(surely);
        marks.insert(name.to_owned(), people.map(|person| person["box"].clone()).collect());
    }
    std::fs::write(folder.path().join("points.json"), serde_json::to_vec(&marks).expect("JSON")).expect("written");
    let options = CrowdEvalOptions { detail_px: 416, ..counted_by("nanodet") };
    let report = evaluate_crowd(folder.path(), &options, &registry(), &|_, _| ()).expect("an evaluation");
    assert_eq!((report.errors.images, report.errors.mae), (3, 0.0));
    assert_eq!(report.boxes.map(|boxes| boxes.f1), Some(1.0), "who was marked is who is found");
    let (sure, faint): (Vec<&ScoreBand>, Vec<_>) = report.scores.iter().partition(|band| band.from >= 0.5);
    assert!(sure.iter().all(|band| band.right == band.found) && !sure.is_empty(), "{sure:?}");
    assert!(faint.iter().all(|band| band.right == 0) && !faint.is_empty(), "who isn't marked is nobody: {faint:?}");
    assert!(report::crowd_html(&report).expect("drawn").contains("What the detector's scores are worth"));
}

/// People in frames of `vtest.avi`, by the public ground truth; see the README beside it.
const PLAZA: &str = include_str!("crowd/plaza/points.json");
/// Number of frames to analyse; all would take too long.
const LAST_FRAME: u32 = 136;

#[test]
fn a_video_is_counted_as_a_camera_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut marks: serde_json::Map<_, _> = serde_json::from_str(PLAZA).expect("JSON");
    marks.retain(|frame, _| frame.parse::<u32>().is_ok_and(|frame| frame <= LAST_FRAME));
    std::fs::write(folder.path().join("points.json"), serde_json::to_vec(&marks).expect("JSON")).expect("written");
    let video = assets().root().join("media/vtest.avi");
    std::os::unix::fs::symlink(video, folder.path().join("plaza.avi")).expect("linked");
    let options = CrowdEvalOptions { dataset: "a plaza".to_owned(), ..counted_by("crowd") };
    let report = evaluate_crowd(folder.path(), &options, &registry(), &|_, _| ()).expect("run `make setup`");
    let sequence = report.sequence.expect("a video is one");
    assert!(sequence.followed && sequence.most_change_while_still <= 1.0, "{sequence:?}");
    assert_eq!((report.errors.images, report.boxes), (4, None), "the marked frames, in which heads are marked");
    assert!(report.errors.mae <= 1.0, "{:?}", report.errors);
    assert_eq!(report.examples[0].picture.name.split(' ').next(), Some("frame"));

    std::fs::write(folder.path().join("points.json"), r#"{"796": []}"#).expect("written");
    let options = CrowdEvalOptions { analyse_fps: 0.1, ..options };
    let error =
        evaluate_crowd(folder.path(), &options, &registry(), &|_, _| ()).expect_err("it is shorter").to_string();
    assert!(error.ends_with("plaza.avi: frame 796 is marked, and the last one is 795"), "{error}");
}

/// Options of a crowd camera with this model.
fn counted_by(detector: &str) -> CrowdEvalOptions {
    CrowdEvalOptions {
        dataset: "pictures".to_owned(),
        detector: detector.to_owned(),
        density: None,
        density_px: 768,
        detail_px: 768,
        tiles: 0,
        min_score: 0.5,
        analyse_fps: 2.0,
        follow: true,
        threads: 1,
    }
}

/// Writes a grey picture as PNG.
fn paint(path: &Path, grey: &mut dyn FnMut(u32, u32) -> u8) {
    let (width, height) = (640, 480);
    let mut pixels = tiny_skia::Pixmap::new(width, height).expect("it has a size");
    for (i, pixel) in (0u32..).zip(pixels.pixels_mut()) {
        let grey = grey(i % width, i / width);
        *pixel = tiny_skia::PremultipliedColorU8::from_rgba(grey, grey, grey, 255).expect("opaque");
    }
    pixels.save_png(path).expect("there is room");
}

#[test]
fn nobody_is_counted_in_an_empty_picture() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut seed = 1u32;
    // A linear congruential generator: noise that is the same each time.
    let mut noise = |from: u8, upto: u8| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        from + ((seed >> 24) * u32::from(upto - from) / 255) as u8
    };
    paint(&folder.path().join("black.png"), &mut |_, _| 0);
    paint(&folder.path().join("grey.png"), &mut |_, _| 128);
    paint(&folder.path().join("white.png"), &mut |_, _| 255);
    paint(&folder.path().join("noise.png"), &mut |_, _| noise(0, 255));
    paint(&folder.path().join("night.png"), &mut |_, y| noise(2, 14) + (y / 40) as u8);
    paint(&folder.path().join("fog.png"), &mut |x, y| 150 + (x / 20) as u8 + (y / 12) as u8);
    paint(&folder.path().join("stripes.png"), &mut |x, _| if x / 12 % 2 == 0 { 60 } else { 200 });
    paint(&folder.path().join("tiles.png"), &mut |x, y| if (x / 16 + y / 16) % 2 == 0 { 40 } else { 220 });
    let empty =
        ["black", "grey", "white", "noise", "night", "fog", "stripes", "tiles"].map(|name| format!("{name}.png"));
    let marks: serde_json::Map<_, _> = empty.iter().map(|name| (name.clone(), serde_json::json!([]))).collect();
    std::fs::write(folder.path().join("points.json"), serde_json::to_vec(&marks).expect("JSON")).expect("written");
    let scenes = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crowd/nobody");
    for (detector, density) in
        [("nanodet", None), ("crowd", None), ("nanodet", Some("csrnet")), ("crowd", Some("csrnet"))]
    {
        // CSRNet takes seconds for a large picture.
        let density_px = if density.is_some() { 384 } else { 768 };
        let options = CrowdEvalOptions { density: density.map(str::to_owned), density_px, ..counted_by(detector) };
        for (folder, pictures) in [(folder.path(), empty.len()), (&*scenes, 4)] {
            let report = evaluate_crowd(folder, &options, &registry(), &|_, _| ()).expect("run `make setup-test`");
            assert_eq!(report.pictures.len(), pictures);
            for picture in &report.pictures {
                let is_out_of_range = picture.self_assessment != SelfAssessment::InRange;
                assert!(picture.counted < 1.0 || is_out_of_range, "{detector} {density:?}: {picture:?}");
            }
        }
    }
}

#[test]
fn a_dense_crowd_is_measured_as_a_density_within_its_interval() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crowd");
    let alone = evaluate_crowd(&folder, &counted_by("nanodet"), &registry(), &|_, _| ()).expect("run `make setup`");
    let with_density =
        evaluate_crowd(&folder, &counted_by("crowd"), &registry(), &|_, _| ()).expect("run `make setup`");
    let [detected] = alone.pictures.as_slice() else { panic!("{:?}", alone.pictures) };
    let [crowd] = with_density.pictures.as_slice() else { panic!("{:?}", with_density.pictures) };
    assert!(detected.counted < 60.0 && detected.interval.is_none(), "{detected:?}");
    assert_eq!((crowd.marked, crowd.self_assessment), (481, SelfAssessment::InRange));
    // 525 when it was added.
    assert!((450.0..600.0).contains(&crowd.counted) && crowd.share_by_density > 0.9, "{crowd:?}");
    let [low, high] = crowd.interval.expect("its error was measured");
    assert!(low < 481.0 && 481.0 < high && low > 40.0, "{crowd:?}");
}

#[test]
fn a_separate_density_model_measures_with_the_detector() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crowd");
    // 229 of 481 when it was added: it was not trained on rendered crowds.
    for detector in ["nanodet", "crowd"] {
        let options = CrowdEvalOptions { density: Some("csrnet".to_owned()), ..counted_by(detector) };
        let report = evaluate_crowd(&folder, &options, &registry(), &|_, _| ()).expect("run `make setup-test`");
        let names: Vec<&str> = report.models.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(names, [detector, "csrnet"]);
        let [crowd] = report.pictures.as_slice() else { panic!("{:?}", report.pictures) };
        assert!((150.0..400.0).contains(&crowd.counted) && crowd.share_by_density > 0.9, "{detector}: {crowd:?}");
        assert!(crowd.interval.is_some_and(|[low, high]| low < 481.0 && 481.0 < high), "{detector}: {crowd:?}");
    }
    let error = CrowdReader::load(&registry(), "csrnet", None, &SessionOptions::default()).expect_err("no detector");
    assert_eq!(error.to_string(), "model `csrnet` is for crowd-density, expected one for person-detection");
}
