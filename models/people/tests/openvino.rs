//! Models give the same results on OpenVINO as on the CPU. A test binary of its own, because a
//! process loads one build of ONNX Runtime.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

#[path = "../../golden/mod.rs"]
mod golden;

use gatehouse_people::{PeopleReading, PeopleScene, TiledDetector};
use gatehouse_runtime::{Assets, Provider, Registry, SessionOptions};
use golden::{builtin, golden, photo};
use serde_json::Value;

#[test]
fn people_on_openvino_equal_those_on_the_cpu() {
    let wanted = [Provider::OpenVino, Provider::Cpu];
    let registry = Registry::open_on(Assets::locate().expect("a folder"), builtin(), &wanted);
    let registry = registry.expect("run `make setup-test`");
    let options = SessionOptions::default();
    let mut people = TiledDetector::load(&registry, "nanodet", &options).expect("opens");
    assert_eq!(people.detector.provider(), Provider::OpenVino);
    for picture in golden::<Value>("persons.json")["pictures"].as_array().expect("pictures") {
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
