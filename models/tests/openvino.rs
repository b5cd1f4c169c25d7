//! Models run by OpenVINO find what they find on the CPU's own kernels. A test binary of its own, for a process has one ONNX Runtime.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

use std::path::Path;

use gatehouse_models::{
    Assets, Build, Catalogue, Face, FaceDetector, FaceEmbedder, LivenessModel, PeopleReader, PeopleReading,
    PeopleScene, Photo, PhotoLimits, Provider, Registry, SessionOptions, align_face, read_photo,
};
use serde_json::Value;

fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).expect("it is there")).expect("JSON")
}

fn photo(file: &str) -> Photo {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    let path = if golden.exists() { golden } else { Assets::locate().expect("a folder").media().join(file) };
    read_photo(&path, &PhotoLimits::default()).expect("run `make setup`")
}

#[test]
fn what_is_found_is_what_is_found_otherwise() {
    let catalogue = Catalogue::builtin().expect("the manifests that ship");
    let wanted = [Provider::OpenVino, Provider::Cpu];
    let registry = Registry::open_on(Assets::locate().expect("a folder"), catalogue, &wanted);
    let registry = registry.expect("run `make setup-test`");
    let options = SessionOptions::default();
    let mut detector = FaceDetector::load(&registry, "yunet", &options).expect("opens");
    let mut embedder = FaceEmbedder::load(&registry, "sface", &options).expect("opens");
    let liveness = LivenessModel::load(&registry, "fr-liveness", &options).expect("opens");
    let providers = [detector.provider(), embedder.provider(), liveness.provider()];
    assert_eq!(providers, [Provider::OpenVino; 3]);

    let mut embedding = |file: &str| {
        let photo = photo(file);
        let (mut faces, mut embeddings): (Vec<Vec<Face>>, _) = (Vec::new(), Vec::new());
        detector.detect(&[photo.as_picture()], 0.6, &mut faces).expect("detects");
        let face = align_face(&photo.as_picture(), &faces[0][0].landmarks_in_frame).expect("aligned");
        embedder.embed(&[face], &mut embeddings).expect("embeds");
        embeddings.remove(0)
    };
    for pair in golden("faces.json")["pairs"].as_array().expect("pairs") {
        let [a, b] = [0, 1].map(|i| pair["pictures"][i].as_str().expect("a file"));
        let (cosine, wanted) =
            (embedding(a).cosine(&embedding(b)), pair["cosine_bgr"].as_f64().expect("a cosine") as f32);
        println!("{a} and {b}: {cosine:.4}, OpenCV's {wanted:.4}");
        assert!((cosine - wanted).abs() < 0.002, "{a} and {b}: {cosine} instead of {wanted}");
    }

    let mut people = PeopleReader::load(&registry, "nanodet", None, &options).expect("opens");
    assert_eq!(people.provider(), Provider::OpenVino);
    for picture in golden("persons.json")["pictures"].as_array().expect("pictures") {
        let file = picture["file"].as_str().expect("a file");
        let photo = photo(file);
        let scene = PeopleScene { picture: photo.as_video(), longer_side_px: 416, density_side_px: 416, tiles: &[] };
        let mut readings = Vec::new();
        // Two at once, of a size that isn't the model's own.
        people.read(&[scene; 2], 0.3, &mut readings).expect("reads");
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

#[test]
fn a_provider_that_is_not_here_is_passed_over_for_the_next_and_never_for_another() {
    let assets = || Assets::locate().expect("a folder");
    let catalogue = || Catalogue::builtin().expect("the manifests that ship");
    let cuda = assets().onnxruntime(Build::Cuda);
    assert!(!cuda.exists(), "this machine has CUDA's build: {}", cuda.display());
    let error = Registry::open_on(assets(), catalogue(), &[Provider::TensorRt, Provider::Cuda]).expect_err("no build");
    let wanted = format!("no ONNX Runtime at {}; run `make setup WITH=cuda`", cuda.display());
    assert_eq!(error.to_string(), wanted);
    // This process has OpenVINO's build, which has the CPU's kernels too.
    let next = Registry::open_on(assets(), catalogue(), &[Provider::Cuda, Provider::OpenVino]).expect("the next one");
    let detector = FaceDetector::load(&next, "yunet", &SessionOptions::default()).expect("opens");
    assert_eq!(detector.provider(), Provider::OpenVino);
}
