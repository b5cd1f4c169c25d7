//! Liveness of real photos through the Rust path, against numpy's results on the model as published
//! (`golden/README.md`).

#![expect(clippy::expect_used, reason = "a test fails by it, and helpers are not seen as tests")]

use std::path::Path;

use gatehouse_models::{
    Assets, Catalogue, ColourOrder, LivenessModel, ModelError, Photo, PhotoLimits, Registry, SessionOptions, Task,
    read_photo,
};
use gatehouse_picture::{Rect, Size, YuvPicture};
use serde::Deserialize;

/// The reference went the same way by another OpenCV; another crop, resize or colour order is far coarser.
const SAME_WAY: f32 = 0.002;
/// The reference went from BGR straight and ours too, but from even pixels on. Measured at most 0.039.
const IN_COLOUR: f32 = 0.05;

#[derive(Deserialize)]
struct Golden {
    pictures: Vec<Picture>,
}

#[derive(Deserialize)]
struct Picture {
    file: String,
    folder: String,
    bgr: Vec<Scored>,
    i420: Vec<Scored>,
}

#[derive(Deserialize)]
struct Scored {
    #[serde(rename = "box")]
    face: [f32; 4],
    live: f32,
}

impl Scored {
    fn rect(&self) -> Rect {
        let [x, y, width, height] = self.face;
        Rect { x, y, width, height }
    }
}

fn registry(catalogue: Catalogue) -> Registry {
    Registry::open(Assets::locate().expect("a folder"), catalogue).expect("run `make setup`")
}

fn model(catalogue: Catalogue) -> LivenessModel {
    LivenessModel::load(&registry(catalogue), "fr-liveness", &SessionOptions::default()).expect("run `make setup`")
}

fn builtin() -> Catalogue {
    Catalogue::builtin().expect("the manifests that ship")
}

fn golden() -> Vec<(Picture, Photo)> {
    let golden: Golden = serde_json::from_str(include_str!("golden/liveness.json")).expect("golden results");
    let media = Assets::locate().expect("a folder").media();
    let with_faces = golden.pictures.into_iter().filter(|picture| !picture.i420.is_empty());
    let read = with_faces.map(|picture| {
        let folder = if picture.folder == "media" { media.as_path() } else { Path::new("tests/golden") };
        let photo = read_photo(&folder.join(&picture.file), &PhotoLimits::default()).expect("run `make setup`");
        (picture, photo)
    });
    read.collect()
}

#[test]
fn live_faces_score_as_in_the_reference_alone_and_in_a_batch() {
    let mut model = model(builtin());
    let golden = golden();
    let ways = golden.iter().flat_map(|(reference, photo)| {
        let as_video = (reference, photo.as_video(), &reference.i420, SAME_WAY);
        [as_video, (reference, photo.as_picture(), &reference.bgr, IN_COLOUR)]
    });
    let ways: Vec<_> = ways.collect();
    let (mut faces, mut wanted) = (Vec::new(), Vec::new());
    for (reference, picture, scored, tolerance) in &ways {
        for scored in *scored {
            faces.push((picture, scored.rect()));
            wanted.push((&reference.file, scored.live, *tolerance));
        }
    }
    assert!(faces.len() > 18, "{} faces", faces.len());
    let (mut batched, mut alone) = (Vec::new(), Vec::new());
    model.score(&faces, &mut batched).expect("scored");
    assert_eq!(batched.len(), faces.len());
    for ((face, got), (file, live, tolerance)) in faces.iter().zip(&batched).zip(wanted) {
        println!("{file}: {got:.5}, reference {live:.5}");
        assert!((got - live).abs() < tolerance, "{file}: {got} instead of {live}");
        model.score(std::slice::from_ref(face), &mut alone).expect("scored");
        assert!((alone[0] - got).abs() < 1e-5, "{file}: {} alone, {got} in a batch", alone[0]);
    }
}

#[test]
fn blue_and_red_swapped_would_show() {
    let mut swapped = builtin().get("fr-liveness").expect("it ships").clone();
    swapped.inputs[0].colour = ColourOrder::Rgb;
    let mut catalogue = builtin();
    catalogue.add(swapped);
    let mut model = model(catalogue);
    let mut furthest = 0.0_f32;
    for (reference, photo) in golden() {
        let picture = photo.as_video();
        let faces: Vec<_> = reference.i420.iter().map(|scored| (&picture, scored.rect())).collect();
        let mut got = Vec::new();
        model.score(&faces, &mut got).expect("scored");
        let off = got.iter().zip(&reference.i420).map(|(got, wanted)| (got - wanted.live).abs());
        furthest = off.fold(furthest, f32::max);
    }
    assert!(furthest > 0.3, "with the wrong colours every score is within {furthest}");
}

#[test]
fn a_box_outside_its_picture_is_an_error_and_leaves_no_results() {
    let mut model = model(builtin());
    let size = Size { width: 64, height: 48 };
    let (luma, chroma) = (vec![128; 64 * 48], vec![128; 64 * 24]);
    let picture = YuvPicture::nv12(size, [&luma, &chroma], [64, 64]).expect("a picture");
    let inside = Rect { x: 10.0, y: 10.0, width: 20.0, height: 20.0 };
    let mut results = Vec::new();
    model.score(&[(&picture, inside), (&picture, Rect { x: 70.0, ..inside })], &mut results).expect_err("outside");
    assert!(results.is_empty());
    model.score(&[(&picture, inside)], &mut results).expect("an NV12 picture does as well");
    assert!((0.0..=1.0).contains(&results[0]), "{results:?}");
    model.score(&[], &mut results).expect("an empty batch is no mistake");
    assert!(results.is_empty());
}

#[test]
fn a_model_for_something_else_is_refused() {
    match LivenessModel::load(&registry(builtin()), "sface", &SessionOptions::default()) {
        Err(ModelError::WrongTask { expected: Task::FaceLiveness, got: Task::FaceEmbedding, .. }) => {}
        other => panic!("{other:?}"),
    }
}
