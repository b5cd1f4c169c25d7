//! Models give the same results on OpenVINO as on the CPU. A test binary of its own, because a
//! process loads one build of ONNX Runtime.
#![allow(clippy::expect_used, reason = "a test ends where it can't go on")]

#[path = "../../golden/mod.rs"]
mod golden;

use gatehouse_faces::{Face, FaceDetector, FaceEmbedder, LivenessModel, align_face};
use gatehouse_runtime::{Assets, Build, Provider, Registry, SessionOptions};
use golden::{builtin, golden, photo};
use serde_json::Value;

#[test]
fn faces_on_openvino_equal_those_on_the_cpu() {
    let wanted = [Provider::OpenVino, Provider::Cpu];
    let registry = Registry::open_on(Assets::locate().expect("a folder"), builtin(), &wanted);
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
    for pair in golden::<Value>("faces.json")["pairs"].as_array().expect("pairs") {
        let [a, b] = [0, 1].map(|i| pair["pictures"][i].as_str().expect("a file"));
        let (cosine, wanted) =
            (embedding(a).cosine(&embedding(b)), pair["cosine_bgr"].as_f64().expect("a cosine") as f32);
        println!("{a} and {b}: {cosine:.4}, OpenCV's {wanted:.4}");
        assert!((cosine - wanted).abs() < 0.002, "{a} and {b}: {cosine} instead of {wanted}");
    }
}

#[test]
fn an_absent_provider_is_skipped_for_the_next_in_the_list() {
    let assets = || Assets::locate().expect("a folder");
    let cuda = assets().onnxruntime(Build::Cuda);
    assert!(!cuda.exists(), "this machine has CUDA's build: {}", cuda.display());
    let error = Registry::open_on(assets(), builtin(), &[Provider::TensorRt, Provider::Cuda]).expect_err("no build");
    let wanted = format!("no ONNX Runtime at {}; run `make setup WITH=cuda`", cuda.display());
    assert_eq!(error.to_string(), wanted);
    // This process has OpenVINO's build, which has the CPU's kernels too.
    let next = Registry::open_on(assets(), builtin(), &[Provider::Cuda, Provider::OpenVino]).expect("the next one");
    let detector = FaceDetector::load(&next, "yunet", &SessionOptions::default()).expect("opens");
    assert_eq!(detector.provider(), Provider::OpenVino);
}
