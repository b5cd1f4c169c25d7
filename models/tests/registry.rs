//! Real files, real ONNX Runtime: what is refused at loading, and in which words.

#![expect(clippy::expect_used, reason = "a test fails by it, and helpers are not seen as tests")]

use gatehouse_models::{
    Assets, Build, Catalogue, Dimension, FaceDetector, FaceEmbedder, Manifest, ModelError, OnnxRuntime, PersonDetector,
    Provider, Registry, RuntimeError, SessionOptions, verify,
};

fn assets() -> Assets {
    let assets = Assets::locate().expect("GATEHOUSE_ASSETS, XDG_CACHE_HOME or HOME");
    assert!(assets.onnxruntime(Build::Cpu).exists(), "no models in {}: run `make setup`", assets.root().display());
    assets
}

fn registry(change: impl FnOnce(&mut Manifest)) -> Registry {
    let mut catalogue = Catalogue::builtin().expect("the manifests that ship");
    let mut manifest = catalogue.get("yunet").expect("it ships").clone();
    change(&mut manifest);
    catalogue.add(manifest);
    Registry::open(assets(), catalogue).expect("run `make setup`")
}

fn refusal(change: impl FnOnce(&mut Manifest)) -> ModelError {
    FaceDetector::load(&registry(change), "yunet", &SessionOptions::default()).expect_err("a changed manifest")
}

#[test]
fn every_model_that_ships_is_there_and_opens_on_the_cpu() {
    let catalogue = Catalogue::builtin().expect("the manifests that ship");
    for manifest in catalogue.iter() {
        verify(&catalogue, &assets(), &manifest.name).expect("run `make setup`");
    }
    let registry = Registry::open(assets(), catalogue).expect("run `make setup`");
    assert_eq!(registry.runtime().version(), Build::Cpu.version());
    assert!(
        registry.runtime().providers().contains(&Provider::Cpu.to_string()),
        "{:?}",
        registry.runtime().providers()
    );
    let options = SessionOptions { intra_threads: 2 };
    let faces = FaceDetector::load(&registry, "yunet", &options).expect("opens");
    let people = PersonDetector::load(&registry, "nanodet", &options).expect("opens");
    let embedder = FaceEmbedder::load(&registry, "sface", &options).expect("opens");
    assert_eq!([faces.provider(), people.provider(), embedder.provider()], [Provider::Cpu; 3]);
    assert_eq!(embedder.manifest().name, "sface");
}

#[test]
fn workers_may_own_models() {
    fn sent<T: Send>() {}
    sent::<FaceDetector>();
    sent::<PersonDetector>();
    sent::<FaceEmbedder>();
    sent::<Registry>();
}

#[test]
fn a_process_has_one_runtime() {
    let path = assets().onnxruntime(Build::Cpu);
    OnnxRuntime::load(&path, Build::Cpu).expect("run `make setup`");
    OnnxRuntime::load(&path, Build::Cpu).expect("the same again");
    let other = path.with_file_name("other.so");
    assert_eq!(
        OnnxRuntime::load(&other, Build::Cpu).expect_err("another file"),
        RuntimeError::LoadedFromElsewhere { path: other, loaded: path }
    );
}

#[test]
fn every_difference_between_manifest_and_file_is_listed() {
    let error = refusal(|manifest| {
        manifest.inputs[0].name = "picture".to_owned();
        manifest.outputs.retain(|output| output.name != "faces_16");
        for output in manifest.outputs.iter_mut().filter(|output| output.name == "faces_8") {
            output.shape[1] = Dimension::Fixed(8);
        }
    });
    assert_eq!(
        error.to_string(),
        "model `yunet`: the file differs from its manifest: input `picture` is not in the file, which has input; input \
         `input` is not in the manifest; output `faces_8` has shape [?, 16, ?, ?] in the file, [batch, 8, rows_8, \
         columns_8] in the manifest; output `faces_16` is not in the manifest"
    );
}

#[test]
fn a_model_for_another_task_is_refused() {
    let error = FaceDetector::load(&registry(|_| ()), "sface", &SessionOptions::default()).expect_err("an embedder");
    assert_eq!(error.to_string(), "model `sface` is for face-embedding, expected one for face-detection");
}
