//! Liveness of real photos, compared with numpy's results on the model as published
//! (`golden/README.md`).

#![expect(clippy::expect_used, reason = "a test fails by it, and helpers are not seen as tests")]

#[path = "../../golden/mod.rs"]
mod golden;

use gatehouse_faces::LivenessModel;
use gatehouse_picture::testing::TestPicture;
use gatehouse_picture::{Rect, Size};
use gatehouse_runtime::{Catalogue, ColourOrder, ModelError, Photo, SessionOptions, Task};
use golden::{GoldenPicture, builtin, registry};
use serde::Deserialize;

/// Tolerance of scores. The reference prepares pictures the same way with another OpenCV; another
/// crop, resize or colour order differs far more.
const VIDEO_TOLERANCE: f32 = 0.002;
/// Of a photo: the reference and ours start from BGR, but ours from even pixels. Measured: at most
/// 0.039.
const PHOTO_TOLERANCE: f32 = 0.05;

#[derive(Deserialize)]
struct Golden {
    pictures: Vec<GoldenPicture<Vec<Scored>>>,
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

fn model(catalogue: Catalogue) -> LivenessModel {
    LivenessModel::load(&registry(catalogue), "fr-liveness", &SessionOptions::default()).expect("run `make setup`")
}

fn pictures_with_faces() -> Vec<(GoldenPicture<Vec<Scored>>, Photo)> {
    let golden: Golden = golden::golden("liveness.json");
    let with_faces = golden.pictures.into_iter().filter(|picture| !picture.i420.is_empty());
    with_faces
        .map(|picture| {
            let photo = picture.read();
            (picture, photo)
        })
        .collect()
}

#[test]
fn scores_equal_the_references_alone_and_in_a_batch() {
    let mut model = model(builtin());
    let golden = pictures_with_faces();
    let ways = golden.iter().flat_map(|(reference, photo)| {
        let as_video = (reference, photo.as_video(), &reference.i420, VIDEO_TOLERANCE);
        [as_video, (reference, photo.as_picture(), &reference.bgr, PHOTO_TOLERANCE)]
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
fn swapping_blue_and_red_changes_the_scores() {
    let mut swapped = builtin().get("fr-liveness").expect("it ships").clone();
    swapped.inputs[0].colour = ColourOrder::Rgb;
    let mut catalogue = builtin();
    catalogue.add(swapped);
    let mut model = model(catalogue);
    let mut furthest = 0.0_f32;
    for (reference, photo) in pictures_with_faces() {
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
fn a_box_outside_its_picture_is_refused_without_results() {
    let mut model = model(builtin());
    let size = Size { width: 64, height: 48 };
    let picture = TestPicture::uniform(size, 128);
    let picture = picture.nv12();
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
fn a_model_for_another_task_is_refused() {
    match LivenessModel::load(&registry(builtin()), "sface", &SessionOptions::default()) {
        Err(ModelError::WrongTask { expected: Task::FaceLiveness, got: Task::FaceEmbedding, .. }) => {}
        other => panic!("{other:?}"),
    }
}
