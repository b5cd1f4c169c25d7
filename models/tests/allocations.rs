//! A frame takes nothing of Rust's heap once a model has seen its like.

#![expect(clippy::expect_used, reason = "a test fails by it, and helpers are not seen as tests")]

use gatehouse_models::{
    Assets, Catalogue, FaceDetector, FaceEmbedder, LivenessModel, PeopleReader, PeopleScene, PersonDetector, Photo,
    PhotoLimits, Registry, SessionOptions, Tile, align_face, read_photo,
};
use gatehouse_picture::{Size, YuvPicture};

fn registry() -> Registry {
    let catalogue = Catalogue::builtin().expect("the manifests that ship");
    Registry::open(Assets::locate().expect("a folder"), catalogue).expect("run `make setup`")
}

fn photo(file: &str) -> Photo {
    let path = Assets::locate().expect("a folder").media().join(file);
    read_photo(&path, &PhotoLimits::default()).expect("run `make setup`")
}

/// Allocations in what is done again and again, after three times of it.
fn steadily(mut again: impl FnMut()) -> u64 {
    (0..3).for_each(|_| again());
    let [first, second] = [(); 2].map(|()| allocation_counter::measure(&mut again).count_total);
    assert_eq!(first, second, "it isn't steady");
    first
}

fn scene<'p>(picture: YuvPicture<'p>, tiles: &'p [Tile]) -> PeopleScene<'p> {
    PeopleScene { picture, longer_side_px: 416, density_side_px: 416, tiles }
}

#[test]
fn what_is_allocated_is_counted() {
    assert_eq!(steadily(|| drop(std::hint::black_box(Box::new([0u8; 9])))), 1);
    assert_eq!(steadily(|| drop(std::hint::black_box(vec![0u8; 9]))), 1);
}

#[test]
fn finding_faces_takes_nothing() {
    let (one, group) = (photo("obama.jpg"), photo("t1.jpg"));
    let (one, group) = (one.as_video(), group.as_video());
    let mut detector = FaceDetector::load(&registry(), "yunet", &SessionOptions::default()).expect("opens");
    let mut found = Vec::new();
    let mut detect = |pictures: &[YuvPicture<'_>]| {
        detector.detect(pictures, 0.6, &mut found).expect("detects");
        assert!(found.iter().all(|faces| !faces.is_empty()));
    };
    assert_eq!(steadily(|| detect(&[one])), 0);
    // A batch that grows and shrinks, with pictures of two sizes: three runs.
    assert_eq!(steadily(|| [&[one, group, one][..], &[group]].into_iter().for_each(&mut detect)), 0);
}

#[test]
fn finding_people_takes_nothing() {
    let (street, other) = (photo("t1.jpg"), photo("obama.jpg"));
    for model in ["nanodet", "crowd"] {
        let mut detector = PersonDetector::load(&registry(), model, &SessionOptions::default()).expect("opens");
        let mut found = Vec::new();
        // From a score on that gives hundreds of candidates.
        let mut detect = |scenes: &[PeopleScene<'_>]| {
            detector.detect(scenes, 0.05, &mut found).expect("detects");
            assert!(found.iter().all(|reading| reading.density.is_empty() == (model == "nanodet")));
        };
        let (street, other) = (scene(street.as_video(), &[]), scene(other.as_video(), &[]));
        assert_eq!(steadily(|| detect(&[street])), 0, "{model}");
        let batches = [&[street, other, street][..], &[other]];
        assert_eq!(steadily(|| batches.into_iter().for_each(&mut detect)), 0, "{model}");
    }
}

#[test]
fn reading_a_crowd_takes_nothing() {
    let street = photo("t1.jpg");
    let size = Size { width: 320, height: 240 };
    let tiles = [0, 200].map(|left_px| Tile { left_px, top_px: 0, size, longer_side_px: 416 });
    let whole = scene(street.as_video(), &[]);
    let tiled = scene(street.as_video(), &tiles);
    for density in [None, Some("csrnet")] {
        let mut reader =
            PeopleReader::load(&registry(), "nanodet", density, &SessionOptions::default()).expect("opens");
        let mut readings = Vec::new();
        let mut read = |scenes: &[PeopleScene<'_>]| reader.read(scenes, 0.05, &mut readings).expect("reads");
        assert_eq!(steadily(|| read(&[whole])), 0);
        // A whole and two tiles, of one shape and another.
        assert_eq!(steadily(|| read(&[tiled])), 0);
    }
}

#[test]
fn embedding_and_judging_liveness_take_nothing() {
    let photo = photo("obama.jpg");
    let picture = photo.as_video();
    let registry = registry();
    let mut detector = FaceDetector::load(&registry, "yunet", &SessionOptions::default()).expect("opens");
    let mut embedder = FaceEmbedder::load(&registry, "sface", &SessionOptions::default()).expect("opens");
    let mut liveness = LivenessModel::load(&registry, "fr-liveness", &SessionOptions::default()).expect("opens");
    let mut found = Vec::new();
    detector.detect(&[picture], 0.6, &mut found).expect("detects");
    let face = found[0][0];
    let aligned = [(); 2].map(|()| align_face(&picture, &face.landmarks_in_frame).expect("a face"));
    let (mut embeddings, mut scores) = (Vec::new(), Vec::new());
    for faces in 1..=2 {
        let embed = || embedder.embed(&aligned[..faces], &mut embeddings).expect("embeds");
        assert_eq!(steadily(embed), 0);
        let boxes = [(&picture, face.box_in_frame); 2];
        assert_eq!(steadily(|| liveness.score(&boxes[..faces], &mut scores).expect("scores")), 0);
    }
    assert!(embeddings[0].cosine(&embeddings[1]) > 0.999_9 && scores.len() == 2);
}
