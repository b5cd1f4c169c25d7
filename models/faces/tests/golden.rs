//! Faces of real photos, compared with OpenCV's results (`golden/README.md`).

#![expect(clippy::expect_used, reason = "a test fails by it, and helpers are not seen as tests")]

#[path = "../../golden/boxes.rs"]
mod boxes;
#[path = "../../golden/mod.rs"]
mod golden;

use boxes::box_distance;
use gatehouse_faces::{Embedding, Face, FaceDetector, FaceEmbedder, Similarity, TEMPLATE_IN_CROP, align_face};
use gatehouse_picture::{Point, YuvPicture};
use gatehouse_runtime::{ColourOrder, Photo, Registry, SessionOptions};
use golden::{GoldenPicture, builtin, golden, registry};
use serde::Deserialize;

/// Tolerance of boxes and landmarks in pixels of the tensor. The reference prepares pictures the
/// same way with another OpenCV and another inference engine. Measured: at most 0.001.
const BOX_TOLERANCE_PX: f32 = 0.1;
const SCORE_TOLERANCE: f32 = 0.002;
/// Least cosine with the reference's embedding of a frame. Our crop interpolates chroma; the
/// reference repeats it and warps BGR. Measured: 0.9989 and more.
const VIDEO_COSINE: f32 = 0.998;
/// The same of a photo in full colour: another warp and another inference engine.
const PHOTO_COSINE: f32 = 0.9999;
/// Greatest cosine with blue and red swapped. Measured: 0.96 and less.
const SWAPPED_COLOURS_COSINE: f32 = 0.98;
/// Tolerance of the cosine between two pictures.
const VIDEO_PAIR_TOLERANCE: f32 = 0.03;
const PHOTO_PAIR_TOLERANCE: f32 = 0.002;

#[derive(Deserialize)]
struct Golden {
    pictures: Vec<GoldenPicture<GoldenFaces>>,
    pairs: Vec<GoldenPair>,
}

#[derive(Deserialize)]
struct GoldenFaces {
    letterbox: Vec<GoldenFace>,
    own_size: Vec<GoldenFace>,
}

#[derive(Deserialize)]
struct GoldenFace {
    #[serde(rename = "box")]
    box_in_frame: [f32; 4],
    score: f32,
    landmarks: [[f32; 2]; 5],
    similarity: [f64; 4],
    /// Only of the letterbox's faces.
    #[serde(default)]
    embedding: Vec<f32>,
}

#[derive(Deserialize)]
struct GoldenPair {
    pictures: [String; 2],
    same_person: bool,
    cosine_bgr: f32,
    cosine_i420: f32,
}

fn detector(registry: &Registry) -> FaceDetector {
    FaceDetector::load(registry, "yunet", &SessionOptions::default()).expect("run `make setup`")
}

fn embedder(registry: &Registry) -> FaceEmbedder {
    FaceEmbedder::load(registry, "sface", &SessionOptions::default()).expect("run `make setup`")
}

fn compare_faces(name: &str, got: &[Face], wanted: &[GoldenFace], px: f32) {
    assert_eq!(got.len(), wanted.len(), "{name}: number of faces");
    for face in wanted {
        let distance = |found: &Face| box_distance(&found.box_in_frame, face.box_in_frame, px);
        let nearest = got.iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).expect("as many as wanted");
        let landmarks = face.landmarks.iter().zip(nearest.landmarks_in_frame);
        let landmarks = landmarks.map(|([x, y], p)| p.distance(Point { x: *x, y: *y }) / px).fold(0.0, f32::max);
        let score = (nearest.score - face.score).abs();
        println!("{name}: box {:.3} landmarks {landmarks:.3} score {score:.4}", distance(nearest));
        let boxes = (nearest.box_in_frame, face.box_in_frame);
        assert!(distance(nearest) < BOX_TOLERANCE_PX, "{name}: box {:?} instead of {:?}", boxes.0, boxes.1);
        assert!(landmarks < BOX_TOLERANCE_PX, "{name}: landmarks differ by {landmarks} px of the tensor");
        assert!(score < SCORE_TOLERANCE, "{name}: score {} instead of {}", nearest.score, face.score);
    }
}

#[test]
fn detected_faces_equal_opencvs() {
    let golden: Golden = golden("faces.json");
    let mut detector = detector(&registry(builtin()));
    let photos: Vec<Photo> = golden.pictures.iter().map(GoldenPicture::read).collect();
    let pictures: Vec<YuvPicture<'_>> = photos.iter().map(Photo::as_video).collect();
    let in_colour: Vec<YuvPicture<'_>> = photos.iter().map(Photo::as_picture).collect();
    let (mut batched, mut batched_in_colour) = (Vec::new(), Vec::new());
    detector.detect(&pictures, 0.6, &mut batched).expect("detects");
    detector.detect(&in_colour, 0.6, &mut batched_in_colour).expect("detects");
    assert!(batched.iter().map(Vec::len).sum::<usize>() > 9, "faces in portraits and a group");
    for (i, picture) in golden.pictures.iter().enumerate() {
        let px = (picture.width as f32 / 640.0).max(picture.height as f32 / 384.0);
        let name = |way: &str| format!("{}, {way}", picture.file);
        compare_faces(&name("as video"), &batched[i], &picture.i420.letterbox, px);
        compare_faces(&name("in colour"), &batched_in_colour[i], &picture.bgr.letterbox, px);
        let mut alone = Vec::new();
        if picture.width.max(picture.height) <= 640 {
            detector.detect_in_photos(&in_colour[i..=i], 0.6, &mut alone).expect("detects");
            compare_faces(&name("a photo"), &alone[0], &picture.bgr.own_size, 1.0);
        }
        detector.detect(&pictures[i..=i], 0.6, &mut alone).expect("detects");
        let as_golden = |face: &Face| GoldenFace {
            box_in_frame: [face.box_in_frame.x, face.box_in_frame.y, face.box_in_frame.width, face.box_in_frame.height],
            score: face.score,
            landmarks: face.landmarks_in_frame.map(|p| [p.x, p.y]),
            similarity: [0.0; 4],
            embedding: Vec::new(),
        };
        let in_batch: Vec<GoldenFace> = batched[i].iter().map(as_golden).collect();
        compare_faces(&name("alone and in a batch"), &alone[0], &in_batch, px);
    }
}

#[test]
fn embeddings_equal_opencvs() {
    let golden: Golden = golden("faces.json");
    let mut embedder = embedder(&registry(builtin()));
    let mut compared = 0;
    for picture in &golden.pictures {
        let photo = picture.read();
        for (way, seen, faces, least) in [
            ("as video", photo.as_video(), &picture.i420, VIDEO_COSINE),
            ("in colour", photo.as_picture(), &picture.bgr, PHOTO_COSINE),
        ] {
            let aligned = faces.letterbox.iter().map(|face| {
                let landmarks = face.landmarks.map(|[x, y]| Point { x, y });
                let found = Similarity::fit(&landmarks, &TEMPLATE_IN_CROP).expect("a face");
                for (got, wanted) in [found.a, found.b, found.tx, found.ty].into_iter().zip(face.similarity) {
                    // The reference's landmarks are rounded to a thousandth of a pixel.
                    let close = (got - wanted).abs() < 2e-3 * wanted.abs().max(1.0);
                    assert!(close, "{}: {got} instead of {wanted}", picture.file);
                }
                align_face(&seen, &landmarks).expect("aligned")
            });
            let aligned: Vec<_> = aligned.collect();
            let mut got = Vec::new();
            embedder.embed(&aligned, &mut got).expect("embeds");
            assert_eq!(got.len(), faces.letterbox.len());
            for (got, face) in got.iter().zip(&faces.letterbox) {
                let cosine = got.cosine(&Embedding::from_slice(&face.embedding).expect("an embedding"));
                println!("{}, {way}: cosine {cosine:.5}", picture.file);
                assert!(cosine >= least, "{}, {way}: cosine {cosine}, expected {least} at least", picture.file);
                compared += 1;
            }
        }
    }
    assert!(compared > 18, "{compared} faces");
}

#[test]
fn verification_of_pairs_agrees_with_opencv() {
    let golden: Golden = golden("faces.json");
    let registry = registry(builtin());
    let (mut detector, mut embedder) = (detector(&registry), embedder(&registry));
    let mut embed = |file: &str, in_colour: bool| {
        let photo = golden.pictures.iter().find(|picture| picture.file == file).expect("a picture of a pair").read();
        let picture = if in_colour { photo.as_picture() } else { photo.as_video() };
        let (mut faces, mut embeddings) = (Vec::new(), Vec::new());
        detector.detect(&[picture], 0.6, &mut faces).expect("detects");
        let face = align_face(&picture, &faces[0][0].landmarks_in_frame).expect("aligned");
        embedder.embed(&[face], &mut embeddings).expect("embeds");
        embeddings.remove(0)
    };
    let sface = registry.catalogue().get("sface").expect("it ships");
    let threshold = sface.threshold.as_ref().expect("it has one").value;
    assert!(golden.pairs.iter().any(|pair| pair.same_person) && golden.pairs.iter().any(|pair| !pair.same_person));
    for pair in &golden.pairs {
        for (in_colour, wanted, tolerance) in
            [(false, pair.cosine_i420, VIDEO_PAIR_TOLERANCE), (true, pair.cosine_bgr, PHOTO_PAIR_TOLERANCE)]
        {
            let [a, b] = &pair.pictures;
            let cosine = embed(a, in_colour).cosine(&embed(b, in_colour));
            println!("{a} and {b}, in colour {in_colour}: {cosine:.4}, reference {wanted:.4}");
            assert!((cosine - wanted).abs() < tolerance, "{a} and {b}, in colour {in_colour}: {cosine} not {wanted}");
            assert_eq!(cosine >= threshold, pair.same_person, "{a} and {b}: cosine {cosine}");
        }
    }
}

#[test]
fn swapping_blue_and_red_changes_the_embeddings() {
    let golden: Golden = golden("faces.json");
    let mut catalogue = builtin();
    let mut swapped = catalogue.get("sface").expect("it ships").clone();
    swapped.inputs[0].colour = ColourOrder::Bgr;
    catalogue.add(swapped);
    let mut embedder = embedder(&registry(catalogue));
    for picture in &golden.pictures {
        let photo = picture.read();
        for face in &picture.i420.letterbox {
            let landmarks = face.landmarks.map(|[x, y]| Point { x, y });
            let aligned = align_face(&photo.as_video(), &landmarks).expect("aligned");
            let mut got = Vec::new();
            embedder.embed(&[aligned], &mut got).expect("embeds");
            let cosine = got[0].cosine(&Embedding::from_slice(&face.embedding).expect("an embedding"));
            println!("{}, swapped colours: cosine {cosine:.5}", picture.file);
            assert!(cosine < SWAPPED_COLOURS_COSINE, "{}: cosine {cosine} with the wrong colours", picture.file);
        }
    }
}
