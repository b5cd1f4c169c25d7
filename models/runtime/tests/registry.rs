//! Loads real files by ONNX Runtime, and checks the messages of what it refuses.

#![expect(clippy::expect_used, reason = "a test fails by it, and helpers are not seen as tests")]

use gatehouse_runtime::{
    Assets, Build, Catalogue, Dimension, Manifest, Model, ModelError, OnnxRuntime, Provider, Registry, RuntimeError,
    SessionOptions, Task, verify,
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
    registry(change).load("yunet", Task::FaceDetection, &SessionOptions::default()).expect_err("a changed manifest")
}

#[test]
fn every_builtin_model_opens_on_the_cpu() {
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
    for manifest in registry.catalogue().iter() {
        let model = registry.load(&manifest.name, manifest.task, &options).expect("opens");
        assert_eq!((model.provider(), &model.manifest().name), (Provider::Cpu, &manifest.name));
    }
}

#[test]
fn models_may_move_to_workers() {
    fn sent<T: Send>() {}
    sent::<Model>();
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
    let error =
        registry(|_| ()).load("sface", Task::FaceDetection, &SessionOptions::default()).expect_err("an embedder");
    assert_eq!(error.to_string(), "model `sface` is for face-embedding, expected one for face-detection");
}
