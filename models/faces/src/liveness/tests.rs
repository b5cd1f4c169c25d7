use gatehouse_picture::testing::TestPicture;
use proptest::prelude::*;

use super::*;

const HD: Size = Size { width: 1280, height: 720 };

fn face(x: f32, y: f32, width: f32, height: f32) -> Rect {
    Rect { x, y, width, height }
}

fn part_of(rect: Rect) -> Rect {
    let Surroundings { left_px, top_px, size } = Surroundings::of(&rect, HD).expect("a face in the frame");
    face(left_px as f32, top_px as f32, size.width as f32, size.height as f32)
}

#[test]
fn a_face_with_room_around_it_is_in_the_middle() {
    assert_eq!(part_of(face(600.0, 300.0, 100.0, 120.0)), face(514.0, 198.0, 270.0, 324.0));
}

#[test]
fn at_the_edge_the_part_is_moved_inside_and_keeps_its_size() {
    assert_eq!(part_of(face(0.0, 0.0, 100.0, 120.0)), face(0.0, 0.0, 270.0, 324.0));
    assert_eq!(part_of(face(-30.0, 300.0, 100.0, 120.0)), face(0.0, 198.0, 270.0, 324.0));
    let part = part_of(face(1200.0, 620.0, 100.0, 120.0));
    assert_eq!((part.width, part.height), (270.0, 324.0));
    assert!(part.right() <= 1280.0 && part.bottom() <= 720.0 && part.right() > 1276.0, "{part:?}");
}

#[test]
fn a_face_too_near_gets_what_there_is_in_the_shape_of_its_box() {
    let part = part_of(face(500.0, 200.0, 240.0, 320.0));
    assert_eq!((part.y, part.height), (0.0, 718.0));
    assert!((part.width / part.height - 0.75).abs() < 0.01, "{part:?}");
}

#[test]
fn what_is_no_face_in_the_frame_has_no_surroundings() {
    for (x, y, width, height) in [
        (0.0, 0.0, 0.0, 10.0),
        (0.0, 0.0, 10.0, -1.0),
        (f32::NAN, 0.0, 10.0, 10.0),
        (0.0, f32::INFINITY, 10.0, 10.0),
        (0.0, 0.0, f32::INFINITY, 10.0),
        (1280.0, 0.0, 10.0, 10.0),
        (-20.0, 0.0, 20.0, 10.0),
    ] {
        assert_eq!(Surroundings::of(&face(x, y, width, height), HD), None, "{x} {y} {width} {height}");
    }
}

proptest! {
    #[test]
    fn surroundings_can_always_be_cut_out(
        columns in 1usize..900, rows in 1usize..900, x in -1f32..1.2, y in -1f32..1.2, width in 1e-3f32..3.0,
        height in 1e-3f32..3.0,
    ) {
        let frame = Size { width: 2 * columns, height: 2 * rows };
        let (w, h) = (frame.width as f32, frame.height as f32);
        if let Some(found) = Surroundings::of(&face(x * w, y * h, width * w, height * h), frame) {
            prop_assert!(found.cut(&TestPicture::uniform(frame, 0).nv12()).is_some(), "{found:?} in {frame:?}");
        }
    }
}

#[test]
fn the_live_share_is_of_all_classes_and_never_made_of_nan() {
    let live = |logits: [f32; 3]| softmax(logits.into_iter(), LIVE_CLASS);
    assert_eq!(live([0.0, 0.0, 0.0]), Some(1.0 / 3.0));
    assert_eq!(live([100.0, -100.0, -100.0]), Some(1.0));
    assert!(live([-4.0, 4.0, 0.0]).is_some_and(|live| live < 0.001));
    assert_eq!(live([f32::NAN, 0.0, 0.0]), None);
    assert_eq!(live([0.0, f32::INFINITY, 0.0]), None);
}
