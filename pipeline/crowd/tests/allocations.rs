//! Reading a crowd allocates nothing once the models have seen a picture like it.

#![expect(clippy::expect_used, reason = "a test fails by it, and helpers are not seen as tests")]

#[path = "../../../models/golden/allocations.rs"]
mod allocations;
#[path = "../../../models/golden/mod.rs"]
mod golden;

use allocations::allocations_of;
use gatehouse_crowd::CrowdReader;
use gatehouse_people::{PeopleScene, Tile};
use gatehouse_picture::{Size, YuvPicture};
use gatehouse_runtime::SessionOptions;
use golden::{builtin, photo, registry};

fn scene<'p>(picture: YuvPicture<'p>, tiles: &'p [Tile]) -> PeopleScene<'p> {
    PeopleScene { picture, longer_side_px: 416, density_side_px: 416, tiles }
}

#[test]
fn reading_a_crowd_allocates_nothing() {
    let street = photo("t1.jpg");
    let size = Size { width: 320, height: 240 };
    let tiles = [0, 200].map(|left_px| Tile { left_px, top_px: 0, size, longer_side_px: 416 });
    let whole = scene(street.as_video(), &[]);
    let tiled = scene(street.as_video(), &tiles);
    for density in [None, Some("csrnet")] {
        let mut reader =
            CrowdReader::load(&registry(builtin()), "nanodet", density, &SessionOptions::default()).expect("opens");
        let mut readings = Vec::new();
        let mut read =
            |scene: PeopleScene<'_>| reader.read(std::iter::once(scene), 0.05, &mut readings).expect("reads");
        assert_eq!(allocations_of(|| read(whole)), 0);
        // A whole picture and two tiles, of two shapes.
        assert_eq!(allocations_of(|| read(tiled)), 0);
    }
}
