//! Compares the converted models on generated tensors, in a batch of two, with the published
//! models.

use ndarray::{Array4, ArrayD, Axis, IxDyn};
use serde::Deserialize;

use super::*;
use crate::assets::Assets;
use crate::manifest::{Catalogue, Manifest, PackageKind};
use crate::provider::Build;
use crate::registry::Registry;

#[derive(Deserialize)]
struct Golden {
    models: Vec<GoldenModel>,
}

#[derive(Deserialize)]
struct GoldenModel {
    manifest: String,
    input: GoldenInput,
    outputs: Vec<GoldenOutput>,
}

#[derive(Deserialize)]
struct GoldenInput {
    shape: [usize; 4],
    scale: f32,
    offset: f32,
}

#[derive(Deserialize)]
struct GoldenOutput {
    name: String,
    shape: Vec<usize>,
    /// Range of channels to compare, if not all.
    #[serde(default)]
    channels: Option<[usize; 2]>,
    mean: f64,
    samples: Vec<(usize, f32)>,
}

/// Tolerance, as a share of the output's range. Other kernels sum in another order: measured at
/// most 1e-6 on x86-64.
const RELATIVE_TOLERANCE: f32 = 1e-4;

#[test]
fn converted_models_equal_the_published_ones() {
    let golden: Golden = serde_json::from_str(include_str!("../../../golden/tensors.json")).expect("golden results");
    let catalogue = Catalogue::builtin().expect("the manifests that ship");
    let registry = Registry::open(Assets::locate().expect("a folder"), catalogue).expect("run `make setup`");
    let published = |manifest: &&Manifest| manifest.sources.iter().all(|source| source.kind != PackageKind::Repository);
    let published = registry.catalogue().iter().filter(published).count();
    assert_eq!(golden.models.len(), published, "each model that was published elsewhere has golden results");
    for GoldenModel { manifest: name, input, outputs: expected } in golden.models {
        let task = registry.catalogue().get(&name).expect("it ships").task;
        let mut model = registry.load(&name, task, &SessionOptions::default()).expect("run `make setup`");
        let elements: usize = input.shape.iter().product();
        let values = (0..elements as u64).map(|i| {
            let top_byte = ((i * 2_654_435_761) & 0xffff_ffff) >> 24;
            top_byte as f32 * input.scale + input.offset
        });
        let tensor = Array4::from_shape_vec(input.shape, values.collect()).expect("as many as the shape has");
        model.batch(input.shape).expect("a batch").assign(&tensor);
        // The second run of a shape is the first one with preallocated outputs.
        drop(model.run().expect("runs"));
        let outputs = model.run().expect("runs");
        let mut most_off = 0f32;
        for GoldenOutput { name: output, shape, channels, mean, samples } in expected {
            let got: ArrayD<f32> = match *shape {
                [n, values] => outputs.array(&output, [n, values]).expect("shape").to_owned().into_dyn(),
                [n, cells, values] => outputs.array(&output, [n, cells, values]).expect("shape").to_owned().into_dyn(),
                [n, one, rows, columns] => {
                    outputs.array(&output, [n, one, rows, columns]).expect("shape").to_owned().into_dyn()
                }
                _ => panic!("{name}, {output}: shape {shape:?}"),
            };
            assert_eq!(got.raw_dim(), IxDyn(&shape));
            let range = samples.iter().fold(1e-3f32, |most, (_, value)| most.max(value.abs()));
            let [first, end] = channels.unwrap_or([0, shape[1]]);
            let got = got.axis_chunks_iter(Axis(1), 1).skip(first).take(end - first);
            let got = ndarray::concatenate(Axis(1), &got.collect::<Vec<_>>()).expect("parts of one array");
            let got: Vec<f32> = got.iter().copied().collect();
            for (index, wanted) in samples {
                let off = (got[index] - wanted).abs() / range;
                most_off = most_off.max(off);
                assert!(off < RELATIVE_TOLERANCE, "{name}, {output}[{index}]: {} instead of {wanted}", got[index]);
            }
            let got_mean = got.iter().map(|value| f64::from(*value)).sum::<f64>() / got.len() as f64;
            assert!(
                (got_mean - mean).abs() < f64::from(RELATIVE_TOLERANCE * range),
                "{name}, {output}: mean {got_mean}"
            );
        }
        println!("{name}: off by {most_off:e} of the range at most");
        let wrong = outputs.array("no_such", [1, 2]).map(drop).expect_err("no such output").to_string();
        assert_eq!(wrong, format!("model `{name}`: output `no_such` has shape [], expected [1, 2]"));
    }
}

#[test]
fn clearing_overwrites_inputs_and_outputs() {
    let catalogue = Catalogue::builtin().expect("the manifests that ship");
    let registry = Registry::open(Assets::locate().expect("a folder"), catalogue).expect("run `make setup`");
    let task = registry.catalogue().get("sface").expect("it ships").task;
    let mut model = registry.load("sface", task, &SessionOptions::default()).expect("run `make setup`");
    let shape = [1, 3, 112, 112];
    let is_empty =
        |outputs: &Outputs<'_>| outputs.array("fc1", [1, 128]).expect("an embedding").iter().all(|value| *value == 0.0);
    // The first run of a shape allocates its outputs; the next ones use preallocated ones.
    for _ in 0..3 {
        model.batch(shape).expect("a batch").fill(9.0);
        let mut outputs = model.run().expect("runs");
        assert!(!is_empty(&outputs));
        outputs.clear();
        assert!(is_empty(&outputs));
        drop(outputs);
        model.clear();
        assert!(model.batch(shape).expect("a batch").iter().all(|value| *value == 0.0));
    }
}

#[test]
fn a_file_that_is_no_graph_is_refused() {
    let assets = Assets::locate().expect("a folder");
    let runtime = OnnxRuntime::load(&assets.onnxruntime(Build::Cpu), Build::Cpu).expect("run `make setup`");
    let catalogue = Catalogue::builtin().expect("the manifests that ship");
    let manifest = catalogue.get("yunet").expect("it ships");
    let error = Model::open(&runtime, &[Provider::Cpu], manifest, b"no graph", &SessionOptions::default())
        .expect_err("eight letters");
    assert!(error.to_string().starts_with("model `yunet`: ONNX Runtime can't open it: "), "{error}");
}
