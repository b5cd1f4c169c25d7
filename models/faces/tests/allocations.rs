//! A frame allocates nothing once a model has seen one like it.

#![expect(clippy::expect_used, reason = "a test fails by it, and helpers are not seen as tests")]

#[path = "../../golden/allocations.rs"]
mod allocations;
#[path = "../../golden/mod.rs"]
mod golden;

use allocations::allocations_of;
use gatehouse_faces::{FaceDetector, FaceEmbedder, LivenessModel, align_face};
use gatehouse_picture::YuvPicture;
use gatehouse_runtime::SessionOptions;
use golden::{builtin, photo, registry};

#[test]
fn detecting_faces_allocates_nothing() {
    let (one, group) = (photo("obama.jpg"), photo("t1.jpg"));
    let (one, group) = (one.as_video(), group.as_video());
    let mut detector = FaceDetector::load(&registry(builtin()), "yunet", &SessionOptions::default()).expect("opens");
    let mut found = Vec::new();
    let mut detect = |pictures: &[YuvPicture<'_>]| {
        detector.detect(pictures, 0.6, &mut found).expect("detects");
        assert!(found.iter().all(|faces| !faces.is_empty()));
    };
    assert_eq!(allocations_of(|| detect(&[one])), 0);
    // Batches that grow and shrink, with pictures of two sizes: three inferences.
    assert_eq!(allocations_of(|| [&[one, group, one][..], &[group]].into_iter().for_each(&mut detect)), 0);
}

#[test]
fn embedding_and_liveness_allocate_nothing() {
    let photo = photo("obama.jpg");
    let picture = photo.as_video();
    let registry = registry(builtin());
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
        assert_eq!(allocations_of(embed), 0);
        let boxes = [(&picture, face.box_in_frame); 2];
        assert_eq!(allocations_of(|| liveness.score(&boxes[..faces], &mut scores).expect("scores")), 0);
    }
    assert!(embeddings[0].cosine(&embeddings[1]) > 0.999_9 && scores.len() == 2);
}
