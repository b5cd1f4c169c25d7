use gatehouse_faces::{TEMPLATE_IN_CROP, align_face};
use gatehouse_picture::testing::TestPicture;
use gatehouse_picture::{Point, Rect};

use super::*;

/// A frontal face, as the aligned crop shows it.
pub(crate) fn face() -> Face {
    let box_in_frame = Rect { x: 14.0, y: 8.0, width: 84.0, height: 102.0 };
    Face { box_in_frame, score: 0.9, landmarks_in_frame: TEMPLATE_IN_CROP }
}

/// A crop with the given pixels by column and row, cut from a picture of the same size.
pub(crate) fn aligned(luma: impl Fn(usize, usize) -> [u8; 3]) -> AlignedFace {
    let side = ALIGNED_SIDE;
    // Luma is in the limited range: 16–235 becomes 0–255.
    let limited = |x, y| (f32::from(luma(x, y)[0]) * 219.0 / 255.0 + 16.0).round() as u8;
    let picture = TestPicture::from_fn(Size { width: side, height: side }, limited);
    align_face(&picture.i420(), &TEMPLATE_IN_CROP).expect("a face")
}

pub(crate) fn good_quality() -> Quality {
    Quality {
        eye_distance_px: 80.0,
        pose: Pose { yaw_degrees: 0.0, pitch_degrees: 0.0 },
        sharpness: 0.5,
        light: Light { mean: 120.0, spread: 45.0, clipped: 0.0 },
        cut_off: 0.0,
    }
}

fn problems_of(spoil: impl Fn(&mut Quality)) -> Vec<Problem> {
    let mut quality = good_quality();
    spoil(&mut quality);
    quality.problems(&Limits::ENROLMENT)
}

/// A pattern of edges.
fn pattern(x: usize, y: usize) -> [u8; 3] {
    [if (x / 6 + y / 9).is_multiple_of(2) { 60 } else { 180 }; 3]
}

fn measure(luma: impl Fn(usize, usize) -> [u8; 3]) -> Quality {
    assess(&face(), Size { width: 112, height: 112 }, &aligned(luma))
}

#[test]
fn each_problem_is_reported_alone() {
    assert_eq!(problems_of(|_| {}), []);
    assert_eq!(problems_of(|q| q.eye_distance_px = 31.0), [Problem::TooSmall { got: 31.0, needed: 40.0 }]);
    assert_eq!(problems_of(|q| q.cut_off = 0.1), [Problem::CutOff]);
    assert_eq!(problems_of(|q| q.pose.yaw_degrees = -40.0), [Problem::TurnedAside { got: -40.0 }]);
    assert_eq!(problems_of(|q| q.pose.pitch_degrees = 50.0), [Problem::LooksDown { got: 50.0 }]);
    assert_eq!(problems_of(|q| q.pose.pitch_degrees = -50.0), [Problem::LooksUp { got: -50.0 }]);
    assert_eq!(problems_of(|q| q.light.mean = 20.0), [Problem::TooDark]);
    assert_eq!(problems_of(|q| q.light.mean = 240.0), [Problem::TooBright]);
    assert_eq!(problems_of(|q| q.light.clipped = 0.4), [Problem::HarshLight]);
    assert_eq!(problems_of(|q| q.light.spread = 5.0), [Problem::Flat]);
    assert_eq!(problems_of(|q| q.sharpness = 0.001), [Problem::Blurred]);
}

#[test]
fn all_problems_are_reported_and_nan_is_one() {
    let several = problems_of(|q| (q.eye_distance_px, q.sharpness) = (20.0, 0.0));
    assert_eq!(several, [Problem::TooSmall { got: 20.0, needed: 40.0 }, Problem::Blurred]);
    assert_eq!(problems_of(|q| q.sharpness = f32::NAN), [Problem::Blurred]);
    assert!(!problems_of(|q| q.light.mean = f32::NAN).is_empty());
}

#[test]
fn the_texts_advise_what_to_do() {
    let text = Problem::TooSmall { got: 31.2, needed: 40.0 }.to_string();
    assert_eq!(text, "the face is too small: 31 pixels between the eyes, at least 40 are needed; go nearer");
    let text = Problem::TurnedAside { got: -34.6 }.to_string();
    assert_eq!(text, "the face is turned to the side by about 35 degrees: look straight into the camera");
}

#[test]
fn the_gate_is_no_stricter_than_the_desk() {
    let (desk, gate) = (Limits::ENROLMENT, Limits::GATE);
    assert!(gate.min_eye_distance_px <= desk.min_eye_distance_px && gate.min_sharpness <= desk.min_sharpness);
    assert!(gate.max_yaw_degrees >= desk.max_yaw_degrees && gate.max_pitch_degrees >= desk.max_pitch_degrees);
    assert!(gate.min_mean <= desk.min_mean && gate.max_mean >= desk.max_mean && gate.min_spread <= desk.min_spread);
    assert!(gate.max_clipped >= desk.max_clipped && gate.max_cut_off >= desk.max_cut_off);
}

#[test]
fn sharpness_depends_on_blur_and_not_on_contrast() {
    let sharp = measure(pattern).sharpness;
    let dim = measure(|x, y| pattern(x, y).map(|v| 90 + (v - 60) / 4)).sharpness;
    let blurred = measure(|x, y| {
        let around = (0..49).map(|i| u32::from(pattern(x + i % 7, y + i / 7)[0]));
        [(around.sum::<u32>() / 49) as u8; 3]
    })
    .sharpness;
    assert!((dim / sharp - 1.0).abs() < 0.1, "{dim} {sharp}");
    assert!(blurred < sharp / 4.0, "{blurred} {sharp}");
    assert_eq!(measure(|_, _| [128; 3]).sharpness, 0.0);
}

#[test]
fn light_is_measured_within_the_face() {
    let light = measure(|x, _| [if x < 56 { 40 } else { 200 }; 3]).light;
    assert!((light.mean - 120.0).abs() < 3.0 && (light.spread - 80.0).abs() < 3.0 && light.clipped == 0.0, "{light:?}");
    // A bright window next to the face does not count.
    let window = measure(|x, _| [if !(20..92).contains(&x) { 255 } else { 100 }; 3]).light;
    assert!(window.clipped == 0.0 && (window.mean - 100.0).abs() < 2.0, "{window:?}");
    let burnt = measure(|_, y| [if y < 70 { 255 } else { 100 }; 3]).light;
    assert!((burnt.clipped - 0.5).abs() < 0.05, "{burnt:?}");
}

#[test]
fn a_face_that_leaves_the_picture_is_cut_off() {
    let mut half = face();
    half.box_in_frame = Rect { x: -42.0, ..half.box_in_frame };
    let cut = assess(&half, Size { width: 112, height: 112 }, &aligned(pattern)).cut_off;
    assert!((cut - 0.5).abs() < 0.01, "{cut}");
    assert!(measure(pattern).cut_off < 0.01);
    half.landmarks_in_frame = [Point { x: 0.0, y: 0.0 }; 5];
    half.box_in_frame = Rect { x: 5.0, y: 5.0, width: 0.0, height: 0.0 };
    let nothing = assess(&half, Size { width: 112, height: 112 }, &aligned(pattern));
    assert!(nothing.cut_off == 1.0 && nothing.pose.turn_degrees() >= 90.0);
}

#[test]
fn a_better_measure_gives_a_better_overall_quality() {
    let with = |spoil: fn(&mut Quality)| {
        let mut quality = good_quality();
        spoil(&mut quality);
        quality.overall()
    };
    let best = with(|_| {});
    assert!((best - 1.0).abs() < 1e-6);
    for worse in [
        with(|q| q.eye_distance_px = 40.0),
        with(|q| q.pose.yaw_degrees = 20.0),
        with(|q| q.sharpness = 0.01),
        with(|q| q.light.spread = 20.0),
        with(|q| q.cut_off = 0.1),
    ] {
        assert!(worse > 0.0 && worse < best, "{worse}");
    }
    assert_eq!(with(|q| q.sharpness = 0.0), 0.0);
}
