//! Models give the same results on OpenVINO as on the CPU. A test binary of its own, because a
//! process loads one build of ONNX Runtime.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

use std::path::Path;

use gatehouse_people::{PeopleReading, PeopleScene, TiledDetector};
use gatehouse_runtime::{Assets, Catalogue, Photo, PhotoLimits, Provider, Registry, SessionOptions, read_photo};
use serde_json::Value;

fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).expect("it is there")).expect("JSON")
}

fn photo(file: &str) -> Photo {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden").join(file);
    let path = if golden.exists() { golden } else { Assets::locate().expect("a folder").media().join(file) };
    read_photo(&path, &PhotoLimits::default()).expect("run `make setup`")
}

#[test]
fn people_on_openvino_equal_those_on_the_cpu() {
    let catalogue = Catalogue::builtin().expect("the manifests that ship");
    let wanted = [Provider::OpenVino, Provider::Cpu];
    let registry = Registry::open_on(Assets::locate().expect("a folder"), catalogue, &wanted);
    let registry = registry.expect("run `make setup-test`");
    let options = SessionOptions::default();
    let mut people = TiledDetector::load(&registry, "nanodet", &options).expect("opens");
    assert_eq!(people.detector.provider(), Provider::OpenVino);
    for picture in golden("persons.json")["pictures"].as_array().expect("pictures") {
        let file = picture["file"].as_str().expect("a file");
        let photo = photo(file);
        let scene = PeopleScene { picture: photo.as_video(), longer_side_px: 416, density_side_px: 416, tiles: &[] };
        let mut readings = Vec::new();
        // Two at once, of a size that isn't the model's own.
        people.detect([scene; 2].into_iter(), 0.3, &mut readings).expect("reads");
        let wanted = picture["i420"]["persons"].as_array().expect("people");
        for PeopleReading { people, .. } in &readings {
            assert_eq!(people.len(), wanted.len(), "{file}");
            for (person, wanted) in people.iter().zip(wanted) {
                let wanted = wanted["score"].as_f64().expect("a score") as f32;
                assert!((person.score - wanted).abs() < 0.005, "{file}: {} instead of {wanted}", person.score);
            }
        }
    }
}
