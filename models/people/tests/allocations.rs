//! A frame allocates nothing once a model has seen one like it.

#![expect(clippy::expect_used, reason = "a test fails by it, and helpers are not seen as tests")]

#[path = "../../golden/allocations.rs"]
mod allocations;
#[path = "../../golden/mod.rs"]
mod golden;

use allocations::allocations_of;
use gatehouse_people::{PeopleScene, PersonDetector, Tile, TiledDetector};
use gatehouse_picture::{Size, YuvPicture};
use gatehouse_runtime::SessionOptions;
use golden::{builtin, photo, registry};

fn scene<'p>(picture: YuvPicture<'p>, tiles: &'p [Tile]) -> PeopleScene<'p> {
    PeopleScene { picture, longer_side_px: 416, density_side_px: 416, tiles }
}

#[test]
fn detecting_people_allocates_nothing() {
    let (street, other) = (photo("t1.jpg"), photo("obama.jpg"));
    for model in ["nanodet", "crowd"] {
        let mut detector =
            PersonDetector::load(&registry(builtin()), model, &SessionOptions::default()).expect("opens");
        let mut found = Vec::new();
        // A score that gives hundreds of candidates.
        let mut detect = |scenes: &[PeopleScene<'_>]| {
            detector.detect(scenes, 0.05, &mut found).expect("detects");
            assert!(found.iter().all(|reading| reading.density.is_empty() == (model == "nanodet")));
        };
        let (street, other) = (scene(street.as_video(), &[]), scene(other.as_video(), &[]));
        assert_eq!(allocations_of(|| detect(&[street])), 0, "{model}");
        let batches = [&[street, other, street][..], &[other]];
        assert_eq!(allocations_of(|| batches.into_iter().for_each(&mut detect)), 0, "{model}");
    }
}

#[test]
fn detecting_people_in_tiles_allocates_nothing() {
    let street = photo("t1.jpg");
    let size = Size { width: 320, height: 240 };
    let tiles = [0, 200].map(|left_px| Tile { left_px, top_px: 0, size, longer_side_px: 416 });
    let mut detector = TiledDetector::load(&registry(builtin()), "nanodet", &SessionOptions::default()).expect("opens");
    let mut readings = Vec::new();
    // A whole picture and two tiles, of two shapes.
    for scene in [scene(street.as_video(), &[]), scene(street.as_video(), &tiles)] {
        let mut detect = || detector.detect(std::iter::once(scene), 0.05, &mut readings).expect("detects");
        assert_eq!(allocations_of(&mut detect), 0);
    }
}
