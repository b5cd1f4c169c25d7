//! Real photos through the whole Rust path, against OpenCV's and numpy's results (`golden/README.md`).

#![expect(clippy::expect_used, reason = "a test fails by it, and helpers are not seen as tests")]

use std::path::{Path, PathBuf};

use gatehouse_models::{
    Assets, Catalogue, ColourOrder, DensityModel, Embedding, Face, FaceDetector, FaceEmbedder, PeopleReader,
    PeopleReading, PeopleScene, Person, PersonDetector, Photo, PhotoLimits, Registry, SessionOptions, Tile, align_face,
    read_photo,
};
use gatehouse_picture::{Point, Rect, Size, YuvPicture};
use serde::Deserialize;

/// The reference went the same way (planes shrunk, then BGR) by another OpenCV and another inference engine. Measured at
/// most 0.001 pixels of the tensor; coarser than this is another resize or another decoding.
const SAME_WAY_PX_IN_TENSOR: f32 = 0.1;
const SAME_WAY_SCORE: f32 = 0.002;
/// Of people: the reference went from BGR straight, a camera's picture has halved chroma. Measured at most 0.027.
const STRAIGHT_PX_IN_TENSOR: f32 = 5.0;
const STRAIGHT_SCORE: f32 = 0.04;
/// Same landmarks, same pixels; but our crop interpolates chroma, and the reference repeats it and then warps BGR.
/// Measured 0.9989 and more.
const SAME_WAY_COSINE: f32 = 0.998;
/// A photo in full colour: another warp and another inference engine.
const PHOTO_COSINE: f32 = 0.9999;
/// What a test of the colour order must tell from the above. Measured 0.96 and less with blue and red swapped.
const SWAPPED_COLOURS_COSINE: f32 = 0.98;
/// Of a cosine between two pictures: each embedding may be off by `1 − SAME_WAY_COSINE`.
const PAIR_TOLERANCE: f32 = 0.03;
const PHOTO_PAIR_TOLERANCE: f32 = 0.002;

/// Of a density, as a part of all people. Measured at most 0.00001, and 0.011 straight.
const DENSITY_SAME_WAY: f32 = 0.001;
const DENSITY_STRAIGHT: f32 = 0.03;

#[derive(Deserialize)]
struct Golden<R> {
    pictures: Vec<GoldenPicture<R>>,
    #[serde(default)]
    pairs: Vec<GoldenPair>,
}

#[derive(Deserialize)]
struct GoldenPicture<R> {
    file: String,
    folder: String,
    width: usize,
    height: usize,
    bgr: R,
    i420: R,
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
    /// Of the letterbox's faces.
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

#[derive(Deserialize)]
struct GoldenPeople {
    persons: Vec<GoldenPerson>,
    #[serde(rename = "count_at_0.5")]
    count: usize,
}

#[derive(Deserialize)]
struct GoldenDensity {
    people: f32,
    cells: Vec<f32>,
}

#[derive(Deserialize)]
struct GoldenPerson {
    #[serde(rename = "box")]
    box_in_frame: [f32; 4],
    score: f32,
}

impl<R> GoldenPicture<R> {
    fn read(&self) -> Photo {
        let folder = match self.folder.as_str() {
            "media" => Assets::locate().expect("a folder").media(),
            _ => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden"),
        };
        let path = folder.join(&self.file);
        let photo = read_photo(&path, &PhotoLimits::default())
            .unwrap_or_else(|error| panic!("{}: {error}; run `make setup`", path.display()));
        let size = photo.as_video().size();
        assert_eq!((size.width, size.height), (self.width, self.height), "{}", self.file);
        photo
    }

    /// Pixels of the picture for one of a tensor of this size at most.
    fn px_in_tensor(&self, [width, height]: [usize; 2]) -> f32 {
        (self.width as f32 / width as f32).max(self.height as f32 / height as f32)
    }
}

fn golden<R: for<'de> Deserialize<'de>>(name: &str) -> Golden<R> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn registry() -> Registry {
    let catalogue = Catalogue::builtin().expect("the manifests that ship");
    Registry::open(Assets::locate().expect("a folder"), catalogue).expect("run `make setup`")
}

#[derive(Clone, Copy)]
struct Tolerance {
    px_in_tensor: f32,
    score: f32,
}

const SAME_WAY: Tolerance = Tolerance { px_in_tensor: SAME_WAY_PX_IN_TENSOR, score: SAME_WAY_SCORE };
const STRAIGHT: Tolerance = Tolerance { px_in_tensor: STRAIGHT_PX_IN_TENSOR, score: STRAIGHT_SCORE };

/// The largest difference of two boxes' edges, in pixels of the tensor.
fn box_off(got: &Rect, wanted: &[f32; 4], px: f32) -> f32 {
    let [x, y, width, height] = *wanted;
    let off = [got.x - x, got.right() - x - width, got.y - y, got.bottom() - y - height];
    off.into_iter().map(|off| off.abs() / px).fold(0.0, f32::max)
}

fn compare_faces(of: &str, got: &[Face], wanted: &[GoldenFace], px: f32, tolerance: Tolerance) {
    assert_eq!(got.len(), wanted.len(), "{of}: number of faces");
    for face in wanted {
        let off = |found: &Face| box_off(&found.box_in_frame, &face.box_in_frame, px);
        let nearest = got.iter().min_by(|a, b| off(a).total_cmp(&off(b))).expect("as many as wanted");
        let landmarks_off = face.landmarks.iter().zip(nearest.landmarks_in_frame);
        let landmarks_off =
            landmarks_off.map(|([x, y], p)| p.distance(Point { x: *x, y: *y }) / px).fold(0.0, f32::max);
        let score_off = (nearest.score - face.score).abs();
        println!("{of}: box {:.3} landmarks {landmarks_off:.3} score {score_off:.4}", off(nearest));
        assert!(
            off(nearest) < tolerance.px_in_tensor,
            "{of}: box {:?} instead of {:?}",
            nearest.box_in_frame,
            face.box_in_frame
        );
        assert!(landmarks_off < tolerance.px_in_tensor, "{of}: landmarks are off by {landmarks_off} px of the tensor");
        assert!(score_off < tolerance.score, "{of}: score {} instead of {}", nearest.score, face.score);
    }
}

#[test]
fn faces_are_opencvs_faces() {
    let golden: Golden<GoldenFaces> = golden("faces.json");
    let mut detector = FaceDetector::load(&registry(), "yunet", &SessionOptions::default()).expect("run `make setup`");
    let photos: Vec<Photo> = golden.pictures.iter().map(GoldenPicture::read).collect();
    let pictures: Vec<YuvPicture<'_>> = photos.iter().map(Photo::as_video).collect();
    let in_colour: Vec<YuvPicture<'_>> = photos.iter().map(Photo::as_picture).collect();
    let (mut batched, mut batched_in_colour) = (Vec::new(), Vec::new());
    detector.detect(&pictures, 0.6, &mut batched).expect("detects");
    detector.detect(&in_colour, 0.6, &mut batched_in_colour).expect("detects");
    assert!(batched.iter().map(Vec::len).sum::<usize>() > 9, "faces in portraits and a group");
    for (i, picture) in golden.pictures.iter().enumerate() {
        let px = picture.px_in_tensor([640, 384]);
        let of = |way: &str| format!("{}, {way}", picture.file);
        compare_faces(&of("as video"), &batched[i], &picture.i420.letterbox, px, SAME_WAY);
        compare_faces(&of("in colour"), &batched_in_colour[i], &picture.bgr.letterbox, px, SAME_WAY);
        let mut alone = Vec::new();
        if picture.width.max(picture.height) <= 640 {
            detector.detect_in_photos(&in_colour[i..=i], 0.6, &mut alone).expect("detects");
            compare_faces(&of("a photo"), &alone[0], &picture.bgr.own_size, 1.0, SAME_WAY);
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
        compare_faces(&of("alone against in a batch"), &alone[0], &in_batch, px, SAME_WAY);
    }
    assert_eq!(detector.not_finite(), 0);
}

#[test]
fn embeddings_are_opencvs_embeddings() {
    let golden: Golden<GoldenFaces> = golden("faces.json");
    let mut embedder = FaceEmbedder::load(&registry(), "sface", &SessionOptions::default()).expect("run `make setup`");
    let mut compared = 0;
    for picture in &golden.pictures {
        let photo = picture.read();
        for (way, seen, faces, least) in [
            ("as video", photo.as_video(), &picture.i420, SAME_WAY_COSINE),
            ("in colour", photo.as_picture(), &picture.bgr, PHOTO_COSINE),
        ] {
            let aligned = faces.letterbox.iter().map(|face| {
                let landmarks = face.landmarks.map(|[x, y]| Point { x, y });
                let found =
                    gatehouse_models::Similarity::fit(&landmarks, &gatehouse_models::TEMPLATE_IN_CROP).expect("a face");
                for (got, wanted) in [found.a, found.b, found.tx, found.ty].into_iter().zip(face.similarity) {
                    // The reference's landmarks are rounded to a thousandth of a pixel.
                    assert!(
                        (got - wanted).abs() < 2e-3 * wanted.abs().max(1.0),
                        "{}: {got} instead of {wanted}",
                        picture.file
                    );
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
fn one_person_is_told_from_another_as_by_opencv() {
    let golden: Golden<GoldenFaces> = golden("faces.json");
    let registry = registry();
    let mut detector = FaceDetector::load(&registry, "yunet", &SessionOptions::default()).expect("run `make setup`");
    let mut embedder = FaceEmbedder::load(&registry, "sface", &SessionOptions::default()).expect("run `make setup`");
    let mut best = |file: &str, in_colour: bool| {
        let photo = golden.pictures.iter().find(|picture| picture.file == file).expect("a picture of a pair").read();
        let picture = if in_colour { photo.as_picture() } else { photo.as_video() };
        let (mut faces, mut embeddings) = (Vec::new(), Vec::new());
        detector.detect(&[picture], 0.6, &mut faces).expect("detects");
        let face = align_face(&picture, &faces[0][0].landmarks_in_frame).expect("aligned");
        embedder.embed(&[face], &mut embeddings).expect("embeds");
        embeddings.remove(0)
    };
    let threshold =
        registry.catalogue().get("sface").and_then(|sface| sface.threshold.as_ref()).expect("it ships").value;
    assert!(golden.pairs.iter().any(|pair| pair.same_person) && golden.pairs.iter().any(|pair| !pair.same_person));
    for pair in &golden.pairs {
        for (in_colour, wanted, tolerance) in
            [(false, pair.cosine_i420, PAIR_TOLERANCE), (true, pair.cosine_bgr, PHOTO_PAIR_TOLERANCE)]
        {
            let [a, b] = &pair.pictures;
            let cosine = best(a, in_colour).cosine(&best(b, in_colour));
            println!("{a} and {b}, in colour {in_colour}: {cosine:.4}, reference {wanted:.4}");
            assert!((cosine - wanted).abs() < tolerance, "{a} and {b}, in colour {in_colour}: {cosine} not {wanted}");
            assert_eq!(cosine >= threshold, pair.same_person, "{a} and {b}: cosine {cosine}");
        }
    }
}

#[test]
fn blue_and_red_swapped_would_show() {
    let golden: Golden<GoldenFaces> = golden("faces.json");
    let mut catalogue = Catalogue::builtin().expect("the manifests that ship");
    let mut swapped = catalogue.get("sface").expect("it ships").clone();
    swapped.inputs[0].colour = ColourOrder::Bgr;
    catalogue.add(swapped);
    let registry = Registry::open(Assets::locate().expect("a folder"), catalogue).expect("run `make setup`");
    let mut embedder = FaceEmbedder::load(&registry, "sface", &SessionOptions::default()).expect("run `make setup`");
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

fn compare_people(of: &str, got: &[Person], wanted: &GoldenPeople, px: f32, tolerance: Tolerance) {
    // A score that is as near to 0.5 as the two ways are to each other may count on one of them only.
    if wanted.persons.iter().all(|person| (person.score - 0.5).abs() >= tolerance.score) {
        let count = got.iter().filter(|person| person.score >= 0.5).count();
        assert_eq!(count, wanted.count, "{of}: people of score 0.5 and more");
    }
    for person in wanted.persons.iter().filter(|person| person.score >= 0.5) {
        let off = |found: &Person| box_off(&found.box_in_frame, &person.box_in_frame, px);
        let nearest = got.iter().min_by(|a, b| off(a).total_cmp(&off(b))).expect("as many as wanted");
        let score_off = (nearest.score - person.score).abs();
        println!("{of}: box {:.3} score {score_off:.4}", off(nearest));
        assert!(
            off(nearest) < tolerance.px_in_tensor,
            "{of}: box {:?} instead of {:?}",
            nearest.box_in_frame,
            person.box_in_frame
        );
        assert!(score_off < tolerance.score, "{of}: score {} instead of {}", nearest.score, person.score);
    }
}

fn scene(photo: &Photo, longer_side_px: usize) -> PeopleScene<'_> {
    PeopleScene { picture: photo.as_video(), longer_side_px, density_side_px: longer_side_px, tiles: &[] }
}

#[test]
fn people_are_the_references_people() {
    let golden: Golden<GoldenPeople> = golden("persons.json");
    let mut detector =
        PersonDetector::load(&registry(), "nanodet", &SessionOptions::default()).expect("run `make setup`");
    let photos: Vec<Photo> = golden.pictures.iter().map(GoldenPicture::read).collect();
    let scenes: Vec<_> = photos.iter().map(|photo| scene(photo, 416)).collect();
    let mut batched = Vec::new();
    detector.detect(&scenes, 0.3, &mut batched).expect("detects");
    for (picture, PeopleReading { people, density }) in golden.pictures.iter().zip(&batched) {
        assert!(density.is_empty(), "NanoDet alone has no density head");
        let px = picture.px_in_tensor([416, 416]);
        compare_people(&format!("{}, same way", picture.file), people, &picture.i420, px, SAME_WAY);
        compare_people(&format!("{}, straight", picture.file), people, &picture.bgr, px, STRAIGHT);
        for person in people {
            let Rect { x, y, .. } = person.box_in_frame;
            let inside = x >= 0.0 && y >= 0.0 && person.box_in_frame.right() <= picture.width as f32 + 0.01;
            assert!(
                inside && person.box_in_frame.bottom() <= picture.height as f32 + 0.01,
                "{:?}",
                person.box_in_frame
            );
        }
    }
    detector.detect(&[], 0.3, &mut batched).expect("an empty batch is no mistake");
    assert!(batched.is_empty());
    assert_eq!(detector.not_finite(), 0);
}

/// A processor without VNNI adds in another order, and a rounding may fall the other way: nearly the same, not the same.
#[test]
fn eight_bits_find_the_same_people() {
    let golden: Golden<GoldenPeople> = golden("persons.json");
    let photos: Vec<Photo> = golden.pictures.iter().map(GoldenPicture::read).collect();
    let scenes: Vec<_> = photos.iter().map(|photo| scene(photo, 768)).collect();
    for exact in ["nanodet", "crowd"] {
        let read = |model: &str| {
            let mut detector =
                PersonDetector::load(&registry(), model, &SessionOptions::default()).expect("run `make setup`");
            let mut readings = Vec::new();
            detector.detect(&scenes, 0.5, &mut readings).expect("detects");
            readings
        };
        let (exact, rounded) = (read(exact), read(&format!("{exact}-int8")));
        for ((exact, rounded), picture) in exact.iter().zip(&rounded).zip(&golden.pictures) {
            let of = &picture.file;
            assert!(exact.people.len().abs_diff(rounded.people.len()) <= 1, "{of}: {exact:?}, {rounded:?}");
            for person in &rounded.people {
                let iou =
                    exact.people.iter().map(|other| other.box_in_frame.iou(&person.box_in_frame)).fold(0.0, f32::max);
                assert!(iou > 0.8 || person.score < 0.6, "{of}: {person:?} isn't among {exact:?}");
            }
            let [sum, rounded_sum] = [exact, rounded].map(|reading| reading.density.sum());
            assert!((sum - rounded_sum).abs() <= 0.5, "{of}: {rounded_sum} people by density instead of {sum}");
        }
    }
}

#[test]
fn densities_are_the_references_densities() {
    /// Cells along a block of the reference's.
    const BLOCK: usize = 8;
    let golden: Golden<GoldenDensity> = golden("densities.json");
    let mut model = DensityModel::load(&registry(), "csrnet", &SessionOptions::default())
        .expect("run `make setup-test`, which fetches the models that are not fetched of themselves");
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
            [("i420", &picture.i420, DENSITY_SAME_WAY), ("bgr", &picture.bgr, DENSITY_STRAIGHT)]
        {
            let of = format!("{}, {way}", picture.file);
            assert!((map.sum() - wanted.people).abs() <= tolerance * wanted.people, "{of}: {} people", map.sum());
            assert_eq!(blocks.len(), wanted.cells.len(), "{of}");
            let worst = blocks.iter().zip(&wanted.cells).map(|(got, wanted)| (got - wanted).abs()).fold(0.0, f32::max);
            assert!(worst <= tolerance * wanted.people, "{of}: a block differs by {worst}");
        }
    }
    assert_eq!(model.not_finite(), 0);
}

#[test]
fn a_tile_shows_those_who_are_too_small_in_the_whole() {
    let golden: Golden<GoldenPeople> = golden("persons.json");
    let picture = golden.pictures.iter().find(|picture| picture.file == "vtest-720.jpg").expect("8 people");
    let photo = picture.read();
    let mut reader = PeopleReader::load(&registry(), "nanodet", None, &SessionOptions::default()).expect("opens");
    let mut counted = |tiles: &[Tile]| {
        let scene = PeopleScene { tiles, ..scene(&photo, 192) };
        let mut readings = Vec::new();
        reader.read(&[scene, scene], 0.5, &mut readings).expect("reads");
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
