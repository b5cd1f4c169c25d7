//! People in real photos, compared with the references' results (`golden/README.md`).

#![expect(clippy::expect_used, reason = "a test fails by it, and helpers are not seen as tests")]

#[path = "../../golden/boxes.rs"]
mod boxes;
#[path = "../../golden/mod.rs"]
mod golden;

use boxes::box_distance;
use gatehouse_people::{DensityModel, PeopleReading, PeopleScene, Person, PersonDetector, Tile, TiledDetector};
use gatehouse_picture::{Rect, Size};
use gatehouse_runtime::{Photo, SessionOptions};
use golden::{GoldenPicture, builtin, golden, registry};
use serde::Deserialize;

/// Tolerances of boxes in pixels of the tensor, and of scores.
#[derive(Clone, Copy)]
struct Tolerance {
    px: f32,
    score: f32,
}

/// The reference prepares pictures the same way with another OpenCV and another inference engine.
/// Measured: at most 0.001 pixels.
const SAME_WAY: Tolerance = Tolerance { px: 0.1, score: 0.002 };
/// The reference starts from BGR; a camera's picture has halved chroma. Measured: at most 0.027.
const FROM_BGR: Tolerance = Tolerance { px: 5.0, score: 0.04 };
/// Of densities, as a share of all people. Measured: at most 0.00001, and 0.011 from BGR.
const DENSITY_SAME_WAY: f32 = 0.001;
const DENSITY_FROM_BGR: f32 = 0.03;

#[derive(Deserialize)]
struct Golden<R> {
    pictures: Vec<GoldenPicture<R>>,
}

#[derive(Deserialize)]
struct GoldenPeople {
    persons: Vec<GoldenPerson>,
    #[serde(rename = "count_at_0.5")]
    count: usize,
}

#[derive(Deserialize)]
struct GoldenPerson {
    #[serde(rename = "box")]
    box_in_frame: [f32; 4],
    score: f32,
}

#[derive(Deserialize)]
struct GoldenDensity {
    people: f32,
    cells: Vec<f32>,
}

fn detector(name: &str) -> PersonDetector {
    PersonDetector::load(&registry(builtin()), name, &SessionOptions::default()).expect("run `make setup`")
}

fn scene(photo: &Photo, longer_side_px: usize) -> PeopleScene<'_> {
    PeopleScene { picture: photo.as_video(), longer_side_px, density_side_px: longer_side_px, tiles: &[] }
}

fn compare_people(name: &str, got: &[Person], wanted: &GoldenPeople, px: f32, tolerance: Tolerance) {
    // A score near 0.5 may count on one side only.
    if wanted.persons.iter().all(|person| (person.score - 0.5).abs() >= tolerance.score) {
        let count = got.iter().filter(|person| person.score >= 0.5).count();
        assert_eq!(count, wanted.count, "{name}: people of score 0.5 and more");
    }
    for person in wanted.persons.iter().filter(|person| person.score >= 0.5) {
        let distance = |found: &Person| box_distance(&found.box_in_frame, person.box_in_frame, px);
        let nearest = got.iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).expect("as many as wanted");
        let score = (nearest.score - person.score).abs();
        println!("{name}: box {:.3} score {score:.4}", distance(nearest));
        let boxes = (nearest.box_in_frame, person.box_in_frame);
        assert!(distance(nearest) < tolerance.px, "{name}: box {:?} instead of {:?}", boxes.0, boxes.1);
        assert!(score < tolerance.score, "{name}: score {} instead of {}", nearest.score, person.score);
    }
}

#[test]
fn detected_people_equal_the_references() {
    let golden: Golden<GoldenPeople> = golden("persons.json");
    let mut detector = detector("nanodet");
    let photos: Vec<Photo> = golden.pictures.iter().map(GoldenPicture::read).collect();
    let scenes: Vec<_> = photos.iter().map(|photo| scene(photo, 416)).collect();
    let mut batched = Vec::new();
    detector.detect(&scenes, 0.3, &mut batched).expect("detects");
    for (picture, PeopleReading { people, density }) in golden.pictures.iter().zip(&batched) {
        assert!(density.is_empty(), "NanoDet alone has no density head");
        let px = (picture.width as f32 / 416.0).max(picture.height as f32 / 416.0);
        compare_people(&format!("{}, same way", picture.file), people, &picture.i420, px, SAME_WAY);
        compare_people(&format!("{}, from BGR", picture.file), people, &picture.bgr, px, FROM_BGR);
        for Person { box_in_frame, .. } in people {
            let Rect { x, y, .. } = *box_in_frame;
            let (width, height) = (picture.width as f32 + 0.01, picture.height as f32 + 0.01);
            let inside = x >= 0.0 && y >= 0.0 && box_in_frame.right() <= width && box_in_frame.bottom() <= height;
            assert!(inside, "{box_in_frame:?}");
        }
    }
    detector.detect(&[], 0.3, &mut batched).expect("an empty batch is no mistake");
    assert!(batched.is_empty());
}

/// Nearly the same: a CPU without VNNI adds in another order, and a value may round the other way.
#[test]
fn eight_bit_models_detect_the_same_people() {
    let golden: Golden<GoldenPeople> = golden("persons.json");
    let photos: Vec<Photo> = golden.pictures.iter().map(GoldenPicture::read).collect();
    let scenes: Vec<_> = photos.iter().map(|photo| scene(photo, 768)).collect();
    for exact in ["nanodet", "crowd"] {
        let read = |model: &str| {
            let mut readings = Vec::new();
            detector(model).detect(&scenes, 0.5, &mut readings).expect("detects");
            readings
        };
        let (exact, rounded) = (read(exact), read(&format!("{exact}-int8")));
        for ((exact, rounded), picture) in exact.iter().zip(&rounded).zip(&golden.pictures) {
            let file = &picture.file;
            assert!(exact.people.len().abs_diff(rounded.people.len()) <= 1, "{file}: {exact:?}, {rounded:?}");
            for person in &rounded.people {
                let ious = exact.people.iter().map(|other| other.box_in_frame.iou(&person.box_in_frame));
                let iou = ious.fold(0.0, f32::max);
                assert!(iou > 0.8 || person.score < 0.6, "{file}: {person:?} isn't among {exact:?}");
            }
            let [sum, rounded_sum] = [exact, rounded].map(|reading| reading.density.sum());
            assert!((sum - rounded_sum).abs() <= 0.5, "{file}: {rounded_sum} people by density instead of {sum}");
        }
    }
}

#[test]
fn densities_equal_the_references() {
    /// Cells along a block of the reference's.
    const BLOCK: usize = 8;
    let golden: Golden<GoldenDensity> = golden("densities.json");
    let mut model = DensityModel::load(&registry(builtin()), "csrnet", &SessionOptions::default())
        .expect("run `make setup-test`, which fetches the opt-in models too");
    let photos: Vec<Photo> = golden.pictures.iter().map(GoldenPicture::read).collect();
    let mut maps = Vec::new();
    model.measure(photos.iter().map(|photo| (photo.as_video(), 416)), &mut maps).expect("measures");
    for (picture, map) in golden.pictures.iter().zip(&maps) {
        let across = map.columns().div_ceil(BLOCK);
        let mut blocks = vec![0.0; across * map.rows().div_ceil(BLOCK)];
        for (i, people) in map.people().iter().enumerate() {
            blocks[i / map.columns() / BLOCK * across + i % map.columns() / BLOCK] += people;
        }
        for (way, wanted, tolerance) in
            [("i420", &picture.i420, DENSITY_SAME_WAY), ("bgr", &picture.bgr, DENSITY_FROM_BGR)]
        {
            let name = format!("{}, {way}", picture.file);
            assert!((map.sum() - wanted.people).abs() <= tolerance * wanted.people, "{name}: {} people", map.sum());
            assert_eq!(blocks.len(), wanted.cells.len(), "{name}");
            let worst = blocks.iter().zip(&wanted.cells).map(|(got, wanted)| (got - wanted).abs()).fold(0.0, f32::max);
            assert!(worst <= tolerance * wanted.people, "{name}: a block differs by {worst}");
        }
    }
}

#[test]
fn tiles_show_people_too_small_in_the_whole_picture() {
    let golden: Golden<GoldenPeople> = golden("persons.json");
    let picture = golden.pictures.iter().find(|picture| picture.file == "vtest-720.jpg").expect("8 people");
    let photo = picture.read();
    let mut detector = TiledDetector::load(&registry(builtin()), "nanodet", &SessionOptions::default()).expect("opens");
    let mut counted = |tiles: &[Tile]| {
        let scene = PeopleScene { tiles, ..scene(&photo, 192) };
        let mut readings = Vec::new();
        detector.detect([scene, scene].into_iter(), 0.5, &mut readings).expect("reads");
        assert_eq!(readings[0], readings[1], "one scene's tiles are not another's");
        readings[0].people.len()
    };
    let size = Size { width: 440, height: 576 };
    let tiles = [0, 328].map(|left_px| Tile { left_px, top_px: 0, size, longer_side_px: 576 });
    let outside = Tile { left_px: 700, ..tiles[0] };
    let (whole, tiled) = (counted(&[]), counted(&tiles));
    assert!(whole <= 4 && (7..=9).contains(&tiled), "{whole} of 8 in the whole, {tiled} with tiles");
    assert_eq!(counted(&[outside]), whole, "a tile beyond the picture");
}
